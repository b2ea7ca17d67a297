"""What code a run runs: the version, and the source of its pipeline."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from axiom.flow import Flow

ROOT = Path(__file__).parents[2]


def code_version(flow: Flow) -> str:
    """Return such as `0.1.0 a1b2c3d+ graph:9f31c2ab`.

    The commit is there in a checkout, `+` when it has changes; the hash is of the
    pipeline's own source, so that another value means that its steps may do another thing.
    """
    name = next(iter(flow.steps().values())).__module__
    return " ".join(filter(None, (_released(), _commit(), f"{flow.pipeline}:{_source(name)}")))


@cache
def _source(module: str) -> str:
    return hashlib.sha256(inspect.getsource(sys.modules[module]).encode()).hexdigest()[:8]


@cache
def _released() -> str:
    try:
        return version("axiom")
    except PackageNotFoundError:
        return ""


@cache
def _commit() -> str:
    if not (ROOT / ".git").exists():
        return ""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=ROOT, capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()

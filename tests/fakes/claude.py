"""The imitation of the Anthropic API as a process of its own, for a fixture to start."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

KEY = "sk-ant-fake"
READY_S = 30


class FakeClaude:
    """A running imitation."""

    def __init__(self, process: subprocess.Popen[str], facts: Mapping[str, Any]) -> None:
        self._process = process
        self.base_url: str = facts["base_url"]
        self.control_url: str = facts["control_url"]
        self.pid: int = facts["pid"]
        self.key = KEY
        self._at_start = self._ask("/_control")

    def client(self, **options: Any) -> Any:
        """A real SDK client that talks to it, without retries of its own."""
        from anthropic import Anthropic

        defaults = {"api_key": KEY, "base_url": self.base_url, "max_retries": 0, "timeout": 10}
        return Anthropic(**(defaults | options))

    def control(self, **settings: Any) -> dict[str, Any]:
        """Change its behaviour; what is not named stays."""
        return self._ask("/_control", settings)

    def reset(self) -> None:
        """Behave as at the start, with empty books and an empty cache."""
        self.control(**self._at_start, forget_books=True, forget_cache=True)

    def books(self, since: int = 0) -> list[dict[str, Any]]:
        """What it wrote down, from a row on."""
        rows: list[dict[str, Any]] = self._ask(f"/_books?since={since}")["rows"]
        return rows

    def summary(self) -> dict[str, Any]:
        """The totals of its books."""
        return self._ask("/_books/summary")

    def stop(self) -> None:
        """End the process, and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.control_url + path,
            data=None if body is None else json.dumps(body).encode(),
            method="GET" if body is None else "PUT",
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def start(*, port: int = 0, books: Path | None = None, **config: Any) -> FakeClaude:
    """Start one; `config` is its configuration file. Whoever starts it stops it."""
    with NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        # its standard input is a lifeline: it stops when this process is gone
        argv = [sys.executable, "-m", "axiom.embedded.fake_claude", "--until-stdin-closes"]
        argv += ["--port", str(port), "--config", file.name]
        argv += ["--books", str(books)] if books else []
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return FakeClaude(process, _facts(process))


def _facts(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], READY_S)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        raise RuntimeError(f"fake_claude did not start (exit code {process.wait()})")
    facts: dict[str, Any] = json.loads(line)
    return facts


@contextmanager
def fake_claude(**options: Any) -> Iterator[FakeClaude]:
    """One that is stopped in the end; options as those of `start`."""
    fake = start(**options)
    try:
        yield fake
    finally:
        fake.stop()

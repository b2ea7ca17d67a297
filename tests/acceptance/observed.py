"""One `axiom up --fake-claude` that has run each pipeline, for all that is asked of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from axiom.stores.postgres import Postgres
from tests.acceptance.conftest import BIN, end, wait_for
from tests.fakes.otlp import Collector, collecting

PIPELINES = ("ingestion", "graph", "events", "correlation")


@dataclass
class System:
    """A running Axiom, after one run of each pipeline."""

    data_dir: Path
    runs: dict[str, str]
    collector: Collector
    postgres: Postgres

    @property
    def pages(self) -> dict[str, str]:
        """Where each process serves its pages, by the first part of its name."""
        found = {}
        for told in (self.data_dir / "health").glob("*.json"):
            [target] = json.loads(told.read_text())[0]["targets"]
            found[told.name.partition("@")[0]] = f"http://{target}"
        return found

    def metrics(self, name: str) -> str:
        """What a process exposes."""
        with urllib.request.urlopen(f"{self.pages[name]}/metrics", timeout=15) as answer:
            return str(answer.read().decode())


def start(data_dir: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    with (data_dir / "up.out").open("wb") as out:
        return subprocess.Popen(
            [BIN / "axiom", "up", "--fake-claude"], env=os.environ | env,
            stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip


def trigger(pipeline: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        [BIN / "axiom", "trigger", pipeline, "--wait", "--json"],
        env=os.environ | env, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    return str(told.get("id") or told["run"]["id"])


@contextmanager
def observed() -> Iterator[System]:
    """Start it, and run each pipeline once."""
    with TemporaryDirectory(prefix="axiom-tests-") as made, ExitStack() as stack:
        data_dir = Path(made)
        collector = stack.enter_context(collecting())
        env = {
            "AXIOM_DATA_DIR": made, "AXIOM_SCHEDULES": "off", "AXIOM_FLOWER_PORT": "0",
            "AXIOM_CONSOLE_PORT": "0",
            "AXIOM_OTLP_ENDPOINT": collector.url, "AXIOM_CLAUDE_DAY_USD": "50",
            "AXIOM_CLAUDE_REQUESTS_PER_MINUTE": "1000", "AXIOM_LOG_LEVEL": "DEBUG",
            "AXIOM_CLAUDE_INPUT_TOKENS_PER_MINUTE": "2000000",
            "AXIOM_CLAUDE_OUTPUT_TOKENS_PER_MINUTE": "2000000",
        }  # fmt: skip
        process = start(data_dir, env)
        stack.callback(stop, process)
        wait_for(
            lambda: "Running." in (data_dir / "up.out").read_text() or process.poll() is not None,
            120, "axiom up",
        )  # fmt: skip
        assert process.poll() is None, (data_dir / "up.out").read_text()
        runs = {pipeline: trigger(pipeline, env) for pipeline in PIPELINES}
        urls = json.loads((data_dir / "servers.json").read_text())
        yield System(data_dir, runs, collector, Postgres(urls["postgres_url"]))


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    finally:
        end(process)

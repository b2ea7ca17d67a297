"""Real processes: servers, workers, beat and the CLI, on a data directory of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import psycopg2
import pytest

from axiom.embedded import servers
from axiom.ledger.ledger import Ledger
from axiom.model import Run, RunState
from axiom.stores.postgres import Postgres
from axiom.stores.schema import migrate

BIN = Path(sysconfig.get_path("scripts"))
WORKER = ["worker", "-Q", "control,io,cpu,claude", "-c", "4", "-l", "INFO"]


def wait_for(condition: Callable[[], Any], timeout_s: float = 60, what: str = "it") -> Any:
    """Return what the condition gives once that is true."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen in {timeout_s} s")


class Stack:
    """The embedded servers of one directory, and the processes started on them."""

    def __init__(self, data_dir: Path, stack: ExitStack) -> None:
        self.data_dir, self._stack = data_dir, stack
        data_dir.mkdir(exist_ok=True)
        self.servers = servers.prepare(data_dir)
        self.processes = {name: self._serve(each) for name, each in self.servers.items()}
        for each in self.servers.values():
            servers.wait_ready(each)
        urls = {f"{name}_url": each.url for name, each in self.servers.items()}
        servers.publish(data_dir, urls)
        migrate(urls["postgres_url"])
        self.postgres = Postgres(urls["postgres_url"])
        self.ledger = Ledger(self.postgres)
        self.urls = urls
        self._beat: subprocess.Popen[bytes] | None = None

    def _serve(self, server: servers.Server) -> subprocess.Popen[bytes]:
        process = servers.start(server, self.data_dir)
        self._stack.callback(servers.stop, server, process)
        return process

    def restart(self, name: str) -> None:
        """Kill a server and start it again on the same port and data."""
        self.processes[name].kill()
        self.processes[name].wait()
        self.processes[name] = self._serve(self.servers[name])
        servers.wait_ready(self.servers[name])

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {
            "AXIOM_DATA_DIR": str(self.data_dir), "AXIOM_STALL_AFTER_S": "3",
            # of the beat, the watch alone
            "AXIOM_SCHEDULES": os.environ.get("AXIOM_TEST_SCHEDULES", "off"),
        }  # fmt: skip

    def celery(self, *args: str) -> subprocess.Popen[bytes]:
        """Start a celery process; it is killed, with its group, when the test ends."""
        log = (self.data_dir / "logs" / f"{args[0]}-{len(args)}-{time.time_ns()}.log").open("wb")
        process = subprocess.Popen(
            [str(BIN / "celery"), "-A", "axiom", *args],
            env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._stack.callback(end, process)
        return process

    def beat(self) -> None:
        """Have a beat running: it fires the watch."""
        if self._beat is None or self._beat.poll() is not None:
            self._beat = self.celery("beat", "--max-interval", "1")

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Keep what stores prices waiting in the middle of it, until the block ends."""
        with closing(psycopg2.connect(self.urls["postgres_url"])) as connection:
            connection.cursor().execute("LOCK TABLE prices IN EXCLUSIVE MODE")
            yield

    def attempts(self, run_id: str, step: str) -> int:
        """How often a step of a run was begun."""
        found = [each for each in self.ledger.steps(run_id) if each.name == step]
        return found[0].attempt if found else 0

    def worker(self, name: str = "all@here", *options: str) -> subprocess.Popen[bytes]:
        """Start a worker on all queues and wait until it is ready."""
        ready = self.data_dir / f"{name}.{time.time_ns()}.ready"
        os.environ["AXIOM_READY_FILE"] = str(ready)
        try:
            process = self.celery(*WORKER, "-n", name, *options)
        finally:
            del os.environ["AXIOM_READY_FILE"]
        wait_for(ready.exists, what="a ready worker")
        return process

    def run(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `axiom ...` or `celery ...` to its end."""
        return subprocess.run(
            [str(BIN / args[0]), *args[1:]], env=self.env, text=True, capture_output=True,
            check=check, timeout=90,
        )  # fmt: skip

    def axiom(self, *args: str) -> Any:
        """Run an `axiom` command with --json; return what it printed."""
        return json.loads(self.run("axiom", *args, "--json").stdout)

    def ended(self, run_id: str, timeout_s: float = 90) -> Run:
        """Return a run once it has ended."""

        def look() -> Run | None:
            found = [run for run in self.ledger.runs(limit=1000) if run.id == run_id]
            return found[0] if found and found[0].state not in ACTIVE else None

        return wait_for(look, timeout_s, f"the end of run {run_id}")


ACTIVE = (RunState.QUEUED, RunState.RUNNING)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that a test started, and its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The pool's children of a worker."""
    return psutil.Process(process.pid).children()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    # not below pytest's own directory, which each pytest that starts closes to Postgres's user
    with TemporaryDirectory(prefix="axiom-tests-") as made, ExitStack() as exit_stack:
        yield Stack(Path(made), exit_stack)

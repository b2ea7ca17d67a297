"""Servers, workers and books for `claude_load.py`, whose `app` is what the workers run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness.load_app import BYTES_PER_TOKEN, PIPELINE, SMALL
from benchmarks.harness.waiting import until

BENCHMARKS = Path(__file__).parents[1]
WORKERS, THREADS = 4, 4
FIRST_RUN = datetime(2026, 1, 5, 14, tzinfo=UTC)
AMPLE = {"requests": 10**6, "input_tokens": 10**9, "output_tokens": 10**9}
OUTPUT_PER_MINUTE = 12_000  # what is thought until the service says better
LATENCY = {"low": 0.3, "high": 1.5}


class Servers:
    """Redis and Postgres."""

    def __init__(self, data_dir: Path, stack: ExitStack) -> None:
        from axiom.embedded import servers
        from axiom.stores.postgres import Postgres
        from axiom.stores.schema import migrate

        self.data_dir, self._servers, self._stack = data_dir, servers, stack
        self._made = servers.prepare(data_dir, ["redis", "postgres"])
        self._processes = {name: self._start(name) for name in self._made}
        for server in self._made.values():
            servers.wait_ready(server)
        self.urls = {f"{name}_url": server.url for name, server in self._made.items()}
        migrate(self.urls["postgres_url"])
        self.db = Postgres(self.urls["postgres_url"])

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        process = self._servers.start(self._made[name], self.data_dir)
        self._stack.callback(self._servers.stop, self._made[name], process)
        return process

    def restart_broker(self) -> None:
        """Kill the broker and start it again on the same port and data."""
        self._processes["redis"].kill()
        self._processes["redis"].wait()
        time.sleep(1)
        self._processes["redis"] = self._start("redis")
        self._servers.wait_ready(self._made["redis"])


class Load:
    """Workers and the imitation, and what they wrote down; for one scenario after the other."""

    def __init__(self, servers: Servers, fake: Any, stack: ExitStack) -> None:
        from celery import Celery

        from axiom.resilience.breaker import Breaker
        from axiom.resilience.budget import Budget
        from axiom.resilience.store import connect
        from axiom.stores.calls import CallBook

        self.servers, self.fake, self.db = servers, fake, servers.db
        self.book = CallBook(servers.db)
        self._redis = connect(servers.urls["redis_url"])
        self.breaker, self.budget = Breaker(self._redis, "claude"), Budget(self._redis)
        self.workers: list[subprocess.Popen[bytes]] = []
        self._stack, self._runs = stack, 0
        self._env = os.environ | {
            "AXIOM_REDIS_URL": servers.urls["redis_url"],
            "AXIOM_POSTGRES_URL": servers.urls["postgres_url"],
            "AXIOM_DATA_DIR": str(servers.data_dir), "AXIOM_SCHEDULES": "off",
            "AXIOM_ANALYST": "claude", "AXIOM_CLAUDE_IMITATION": "true",
            "ANTHROPIC_API_KEY": fake.key, "ANTHROPIC_BASE_URL": fake.base_url,
            "AXIOM_CLAUDE_REQUESTS_PER_MINUTE": "1000000",
            "AXIOM_CLAUDE_INPUT_TOKENS_PER_MINUTE": "1000000000",
            "AXIOM_CLAUDE_OUTPUT_TOKENS_PER_MINUTE": str(OUTPUT_PER_MINUTE),
            "AXIOM_CLAUDE_DAY_USD": "1000", "AXIOM_CLAUDE_PIPELINE_USD": "1000",
            "AXIOM_CLAUDE_RUN_USD": "1000", "AXIOM_CLAUDE_BUDGET_RETRY_S": "2",
            # so that what died is soon known to be dead
            "AXIOM_CLAUDE_TIMEOUT_S": "4", "AXIOM_STALL_AFTER_S": "3", "LOAD_GRACE_S": "4",
            "AXIOM_LOG_LEVEL": "WARNING", "LOAD_WORKER": "1",
            "PYTHONPATH": os.pathsep.join([str(BENCHMARKS.parent), str(BENCHMARKS)]),
        }  # fmt: skip
        self._app = Celery(broker=servers.urls["redis_url"], set_as_current=False)
        self._app.conf.broker_transport_options = {"global_keyprefix": "axiom:"}
        stack.callback(self._app.close)

    # --- workers ---

    def start_workers(self) -> None:
        """Start all, and let each thread put a question, so that all is imported."""
        self.workers = [self._start_worker(number) for number in range(WORKERS)]
        for ready in [self._ready(number) for number in range(WORKERS)]:
            until(ready.exists, "a ready worker")
        numbers = range(-4 * WORKERS * THREADS, 0)
        warm = self.send(numbers, model=SMALL, max_tokens=50, output_tokens=20)
        if not self.wait_ended([warm], 60)["succeeded"]:
            raise RuntimeError(f"no worker works; see {self.servers.data_dir / 'logs'}")

    def begin(self, latency: Any = LATENCY, **settings: Any) -> None:
        """Forget the scenario before; the workers are idle, and stay."""
        self.fake.reset()
        self.fake.control(latency_s=latency, **settings)
        for key in self._redis.scan_iter("axiom:limits:*"):
            self._redis.delete(key)
        self.db.execute("TRUNCATE runs, steps, calls, answers, budgets")

    def ready_workers(self) -> list[int]:
        """Return those that work by now."""
        return [number for number in range(WORKERS) if self._ready(number).exists()]

    def _ready(self, number: int) -> Path:
        return self.servers.data_dir / f"{number}.ready"

    def _start_worker(self, number: int) -> subprocess.Popen[bytes]:
        self._ready(number).unlink(missing_ok=True)
        with (self.servers.data_dir / "logs" / f"worker-{number}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "claude_load", "worker", "-P", "threads",
                 "-c", str(THREADS), "-Q", "control,io,claude", "-n", f"w{number}@load",
                 "-l", "WARNING"],
                env=self._env | {"AXIOM_READY_FILE": str(self._ready(number))},
                cwd=self.servers.data_dir, stdout=log, stderr=log,
            )  # fmt: skip
        self._stack.callback(end, process)
        return process

    def kill_and_restart(self, number: int) -> None:
        """Kill a worker where it stands, and start another in its place."""
        end(self.workers[number])
        self.workers[number] = self._start_worker(number)

    # --- runs ---

    def send(self, numbers: Sequence[int], *, times: int = 1, **params: Any) -> str:
        """Ask for a run with a question for each number; the message may be sent twice."""
        run_id, self._runs = str(uuid.uuid4()), self._runs + 1
        at = (FIRST_RUN + timedelta(minutes=self._runs)).isoformat()
        kwargs = {"at": at, "params": params | {"numbers": list(numbers)}, "overlap": True}
        for _ in range(times):
            name = f"axiom.tasks.{PIPELINE}.run"
            self._app.send_task(name, kwargs=kwargs, task_id=run_id, queue="control")
        return run_id

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let the watch look every second, as beat would."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(1):
                with suppress(Exception):  # the broker may be away; it looks again
                    self._app.send_task(
                        "axiom.tasks.watch.resume_stalled", queue="control", expires=2
                    )

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def states(self, runs: Sequence[str]) -> Counter[str]:
        """Count runs by state; those that no worker has taken are not counted."""
        rows = self.db.query("SELECT state FROM runs WHERE id = ANY(%s)", [list(runs)])
        return Counter(row["state"] for row in rows)

    def wait_ended(self, runs: Sequence[str], timeout_s: float) -> Counter[str]:
        """Return the states of runs when all have ended, or when the time is over."""
        ended = ("succeeded", "partial", "failed")
        with suppress(TimeoutError):
            until(
                lambda: sum(self.states(runs)[state] for state in ended) == len(runs),
                "the end of the runs",
                timeout_s,
            )
        return self.states(runs)

    def steps(self, runs: Sequence[str]) -> list[dict[str, Any]]:
        """Return the steps that ask."""
        return self.db.query(
            "SELECT * FROM steps WHERE name = 'ask' AND run_id = ANY(%s)", [list(runs)]
        )

    # --- books ---

    def calls(self, runs: Sequence[str]) -> list[dict[str, Any]]:
        """Return what our book says."""
        return self.db.query(
            "SELECT *, EXTRACT(epoch FROM started_at)::float AS at FROM calls"
            " WHERE run_id = ANY(%s) ORDER BY started_at", [list(runs)],
        )  # fmt: skip

    def paid(self) -> list[dict[str, Any]]:
        """Return what the imitation was paid for, by its books."""
        return [row for row in self.fake.books() if row["answered"]]


@contextmanager
def loading() -> Iterator[Load]:
    """Start everything, on a directory of its own."""
    from tests.fakes.claude import fake_claude

    with (
        TemporaryDirectory(prefix="axiom-load-") as made,
        fake_claude(limits=AMPLE, bytes_per_token=BYTES_PER_TOKEN) as fake,
        ExitStack() as stack,
    ):
        load = Load(Servers(Path(made), stack), fake, stack)
        load.start_workers()
        yield load


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process."""
    process.kill()
    process.wait()

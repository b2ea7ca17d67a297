"""The queries of the ledger on 100,000 runs with 1,000,000 steps.

    python benchmarks/ledger.py [--json]

`fill` is also for whoever measures pages: it writes such a ledger in half a minute.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
RUNS, STEPS, DAYS, ROUNDS, BOUND_MS = 100_000, 10, 90, 15, 300
PIPELINES = ("ingestion", "events", "graph", "correlation")

RUNS_SQL = """
INSERT INTO runs (id, pipeline, logical_at, engine, state, trigger, plan, created_at, started_at,
                  ended_at, deadline_at)
SELECT gen_random_uuid()::text, (%(pipelines)s::text[])[1 + n %% 4], at, 'celery',
       CASE WHEN n %% 50 = 0 THEN 'failed' WHEN n %% 31 = 0 THEN 'partial'
            WHEN n %% 17 = 0 THEN 'skipped' ELSE 'succeeded' END,
       'schedule', '{"shape": [], "items": []}', at, at,
       at + interval '1 second' * (1 + n %% 7), at + interval '50 seconds'
FROM (SELECT n, %(since)s + n * %(between)s AS at FROM generate_series(1, %(runs)s) AS n) AS asked
"""
STEPS_SQL = """
INSERT INTO steps (run_id, run_at, position, name, item, state, attempt, worker, task_id,
                   started_at, ended_at, output, error)
SELECT id, created_at, n, 'step_' || n, '',
       CASE WHEN n = %(steps)s AND state = 'failed' THEN 'failed' ELSE 'succeeded' END, 1,
       'io@host', gen_random_uuid()::text, created_at + n * interval '100 ms',
       created_at + n * interval '100 ms' + interval '80 ms', '{"rows": 25, "gaps": []}',
       CASE WHEN n = %(steps)s AND state = 'failed' THEN 'the provider gave nothing' END
FROM runs, generate_series(1, %(steps)s) AS n
"""


def fill(postgres: Any, runs: int = RUNS, steps: int = STEPS, days: int = DAYS) -> None:
    """Write runs that are spread evenly over the last days, each with as many steps."""
    from axiom.stores.partitions import Months

    since = datetime.now(UTC) - timedelta(days=days)
    months = Months(postgres, "steps", "attempts")
    months.ensure(since + timedelta(days=n) for n in range(days + 2))
    asked = {
        "pipelines": list(PIPELINES), "since": since, "runs": runs, "steps": steps,
        "between": timedelta(days=days) / (runs + 1),
    }  # fmt: skip
    postgres.execute(RUNS_SQL, asked)
    postgres.execute(STEPS_SQL, asked)
    postgres.execute("VACUUM ANALYZE runs, steps")


def measure(postgres: Any) -> dict[str, float]:
    from axiom.flow import Call
    from axiom.ledger.ledger import Ledger
    from axiom.ledger.retention import Keep, prune

    ledger = Ledger(postgres)
    newest, *_, old = ledger.runs(limit=1000)
    now = datetime.now(UTC)
    calls = [Call(f"step_{n}") for n in range(10)]

    def claim() -> None:
        at = datetime.now(UTC) + timedelta(days=1)
        run_id = f"bench-{at.timestamp()}"
        ledger.claim(run_id, "graph", at, engine="celery", trigger="manual", deadline=DAY)
        ledger.plan(run_id, calls, {"shape": []})
        ledger.start_step(run_id, calls[0], worker="w", task_id="t")
        ledger.finish_step(run_id, calls[0], 1)
        ledger.close(run_id, "succeeded")  # type: ignore[arg-type]

    questions: dict[str, Callable[[], Any]] = {
        "newest runs": lambda: ledger.runs(limit=100),
        "newest of a pipeline": lambda: ledger.runs(pipeline="graph", limit=100),
        "newest failed": lambda: ledger.runs(state="failed", limit=100),
        "last run of each pipeline": ledger.last_runs,
        "last good of each pipeline": ledger.last_good,
        "last good before": lambda: ledger.previous("graph", now),
        "a run by the start of its id": lambda: ledger.run(old.id[:13]),
        "steps of a run": lambda: ledger.steps(old.id),
        "steps of a run, counted": lambda: ledger.step_states(newest.id),
        "attempts of a run": lambda: ledger.attempts(old.id),
        "what the watch asks": ledger.idle,
        "claim, plan, one step, close": claim,
    }
    found = {name: _median_ms(question) for name, question in questions.items()}
    began = time.perf_counter()
    print("pruned:", dict(prune(postgres, Keep(30, 0, 0, 0), now)))
    return found | {"prune of two months (once)": (time.perf_counter() - began) * 1000}


DAY = timedelta(days=1)


def _median_ms(question: Callable[[], Any]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        question()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[1:])


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    from axiom.embedded.servers import running
    from axiom.stores.postgres import Postgres
    from axiom.stores.schema import migrate

    with TemporaryDirectory() as scratch, running(Path(scratch), ["postgres"]) as urls:
        migrate(urls["postgres_url"])
        postgres = Postgres(urls["postgres_url"])
        began = time.perf_counter()
        fill(postgres)
        print(f"{RUNS:,} runs, {RUNS * STEPS:,} steps in {time.perf_counter() - began:.0f} s")
        found = measure(postgres)
    table = Table("on 100,000 runs", "milliseconds, median")
    for name, value in found.items():
        table.add_row(name, f"{value:.1f}")
    Console().print(table)
    if "--json" in sys.argv:
        print(json.dumps(found))


if __name__ == "__main__":
    main()

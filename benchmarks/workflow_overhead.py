"""A chain of 40 steps with the ledger on, beside the bare Celery canvas.

    python benchmarks/workflow_overhead.py [--json]

Both run on one worker of two processes, in turns. Ours is timed from the moment
that the run is asked for until the ledger says that it has ended.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
STEPS, ROUNDS = 40, 15


def _nothing() -> None:
    """Do nothing."""


def make_app() -> Any:
    """The app of worker and driver; imported by the worker as `workflow_overhead:app`."""
    from celery import Celery

    import axiom.celery  # noqa: F401  logs as every worker does, and keeps what steps say
    from axiom.flow import Context, Flow
    from axiom.model import PIPELINES, Cadence
    from axiom.tasks.base import register

    def step(name: str) -> Any:
        def run(ctx: Context[Any]) -> int:
            return 1

        run.__name__ = name
        return run

    made = Celery("overhead", config_source="celeryconfig")
    made.conf.imports = ()
    made.task(name="bare", ignore_result=True)(_nothing)
    made.task(name="bare_last")(_nothing)
    PIPELINES["chain"] = Cadence(timedelta(hours=1), timedelta(hours=1))  # type: ignore[index]
    register(Flow("chain", *(step(f"step_{n}") for n in range(STEPS))))
    return made


def bare_s(app: Any) -> float:
    from celery import chain

    began = time.perf_counter()
    tasks = [app.tasks["bare"].si() for _ in range(STEPS - 1)]
    chain(*tasks, app.tasks["bare_last"].si())().get(timeout=60)
    return time.perf_counter() - began


def ledger_s(app: Any, ledger: Any) -> float:
    from axiom.model import utcnow

    began_at = utcnow()
    run_id = app.tasks["axiom.tasks.chain.run"].delay().id
    while True:  # seldom, so that the question does not slow what it asks about
        time.sleep(0.05)
        for run in ledger.runs(limit=1):
            if run.id == run_id and run.ended_at:
                return float((run.ended_at - began_at).total_seconds())


def measure(data_dir: Path) -> dict[str, float]:
    from axiom.tasks.services import services

    app = make_app()
    with (data_dir / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "workflow_overhead", "worker",
             "-Q", "control,io", "-c", "2", "-l", "WARNING"],
            cwd=Path(__file__).parent, stdout=log, stderr=log,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[:2]), "OVERHEAD_WORKER": "1"},
        )  # fmt: skip
    try:
        for _ in range(2):
            bare_s(app)
            ledger_s(app, services().ledger)
        pairs = [(bare_s(app), ledger_s(app, services().ledger)) for _ in range(ROUNDS)]
    finally:
        worker.terminate()
        worker.wait(30)
    bare, ours = (statistics.median(each) for each in zip(*pairs, strict=True))
    return {"bare_s": bare, "ledger_s": ours, "ratio": ours / bare}


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    from axiom.embedded.servers import publish, running
    from axiom.stores.schema import migrate

    with TemporaryDirectory() as scratch, running(Path(scratch), ["redis", "postgres"]) as urls:
        publish(Path(scratch), urls)
        os.environ |= {"AXIOM_DATA_DIR": scratch, "AXIOM_MARKET": "replay"}
        migrate(urls["postgres_url"])
        found = measure(Path(scratch))
    table = Table("a chain of 40 steps", "seconds", "share", "bound")
    table.add_row("bare Celery canvas", f"{found['bare_s']:.3f}", "1.00", "")
    table.add_row(
        "with the ledger", f"{found['ledger_s']:.3f}", f"{found['ratio']:.2f}", "1.5, 1 s"
    )
    Console().print(table)
    if "--json" in sys.argv:
        print(json.dumps(found))


if os.environ.get("OVERHEAD_WORKER"):
    app = make_app()
if __name__ == "__main__":
    main()

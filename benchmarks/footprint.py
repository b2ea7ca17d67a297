"""Idle memory of Axiom's processes, beside the same pools, beat and Flower of an empty app.

    python benchmarks/footprint.py [--json]

Both run the commands of the Procfile and do nothing; stores are left out. What is
counted is PSS: a page that processes share counts once. A second column says what
is left when each pipeline has run once. Needs Linux.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from axiom.embedded.servers import free_port, running
from axiom.embedded.up import WORKERS, read_procfile
from benchmarks.harness.waiting import until

BOUND, STARTED_S = 1.25, 120
BIN = Path(sys.executable).parent
EMPTY_APP = """
from celery import Celery
app = Celery("empty", broker="{url}", backend="{url}")
app.conf.worker_hijack_root_logger = True

@app.task
def nothing():
    pass
"""
OURS = ("up", "beat", *WORKERS, "flower", "console")


def pss_mb(process: psutil.Process) -> float:
    """Its own and that of the processes below it."""
    family = [process, *process.children(recursive=True)]
    return sum(member.memory_full_info().pss for member in family) / 2**20


def steady(measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Return the first reading that differs by less than 0.5% from the two before."""
    totals: list[float] = []
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = measure()
        totals.append(sum(found.values()))
        if len(totals) > 2 and max(totals[-3:]) < 1.005 * min(totals[-3:]):
            return found
        time.sleep(2)
    raise SystemExit(f"memory never came to rest: {totals[-5:]} MB")


@contextmanager
def process(command: list[str], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        started = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, **options)  # type: ignore[call-overload]
        try:
            yield started
        finally:
            started.terminate()
            started.wait(60)


def empty_app(scratch: Path) -> dict[str, float]:
    """Measure the Procfile's processes around an app of one empty task."""
    from celery import Celery

    with ExitStack() as stack:
        url = stack.enter_context(running(scratch / "servers", ["redis"]))["redis_url"]
        (scratch / "empty.py").write_text(EMPTY_APP.format(url=url))
        env = os.environ | {"FLOWER_PORT": str(free_port()), "FLOWER_ADDRESS": "127.0.0.1"}
        started = {
            name: stack.enter_context(
                process(
                    [str(BIN / "celery"), *command.replace("-A axiom", "-A empty").split()[1:]],
                    scratch / f"{name}.log", cwd=scratch, env=env,
                )
            )
            for name, command in read_procfile().items()
            if name not in ("release", "console")  # Celery alone has none
        }  # fmt: skip
        app = Celery(broker=url)
        until(lambda: len(app.control.ping(timeout=1)) == len(WORKERS), "the workers", STARTED_S)
        until(lambda: "Visit me at" in (scratch / "flower.log").read_text(), "Flower", STARTED_S)
        return steady(
            lambda: {name: pss_mb(psutil.Process(each.pid)) for name, each in started.items()}
        )


def axiom(scratch: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Measure `axiom up`: idle from the start, and idle after each pipeline has run."""
    env = os.environ | {
        "AXIOM_DATA_DIR": str(scratch), "AXIOM_SCHEDULES": "off", "AXIOM_FLOWER_PORT": "0",
        "AXIOM_CONSOLE_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    log = scratch / "up.log"
    with process([str(BIN / "axiom"), "up"], log, env=env) as up:
        until(lambda: "Running." in log.read_text() or up.poll() is not None, "axiom up", STARTED_S)
        assert up.poll() is None, log.read_text()
        measure = lambda: of_ours(psutil.Process(up.pid))  # noqa: E731
        idle = steady(measure)
        for pipeline in ("ingestion", "graph", "events", "correlation"):
            subprocess.run(
                [str(BIN / "axiom"), "trigger", pipeline, "--wait"],
                env=env, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        return idle, steady(measure)


def of_ours(up: psutil.Process) -> dict[str, float]:
    found = {"up": up.memory_full_info().pss / 2**20}
    for child in up.children():
        if ready_file := child.environ().get("AXIOM_READY_FILE"):  # servers have none
            found[Path(ready_file).stem] = pss_mb(child)
    assert set(found) == set(OURS), found
    return found


def main() -> None:
    with TemporaryDirectory() as scratch, TemporaryDirectory() as other:
        empty = empty_app(Path(scratch))
        idle, after = axiom(Path(other))
    # the console is something that the empty app has not: it has a bound of its own
    ratio = sum(mb for name, mb in idle.items() if name != "console") / sum(empty.values())
    show(empty, idle, after, ratio)
    if "--json" in sys.argv:
        print(json.dumps({"empty_mb": empty, "idle_mb": idle, "after_mb": after, "ratio": ratio}))


def show(
    empty: Mapping[str, float], idle: Mapping[str, float], after: Mapping[str, float], ratio: float
) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("PSS, MB", title=f"idle memory: {ratio:.2f} times the empty app (bound {BOUND})")
    for name in ("empty app", "Axiom, idle", "after four runs"):
        table.add_column(name, justify="right")
    for name in OURS:
        table.add_row(
            name, f"{empty[name]:.0f}" if name in empty else "", f"{idle[name]:.0f}",
            f"{after[name]:.0f}",
        )  # fmt: skip
    table.add_section()
    table.add_row("all", *(f"{sum(each.values()):.0f}" for each in (empty, idle, after)))
    Console().print(table)


if __name__ == "__main__":
    main()

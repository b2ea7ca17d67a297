"""From a tick to its price in Postgres and Redis: the whole way through the queues.

    python benchmarks/tick_latency.py [--json]

`axiom up` runs as it always does, on the replay. A tick is a minute of it; its clock
starts when the scheduler's message is sent, and stops for each store when the price
of that tick can be read there by somebody else.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

BOUND_S, ROUNDS, WARM_UP = 0.3, 40, 5
POLL_S = 0.002


@contextmanager
def axiom_up(data_dir: Path) -> Iterator[None]:
    env = os.environ | {
        "AXIOM_SCHEDULES": "off",
        "AXIOM_FLOWER_PORT": "0",
        "AXIOM_CONSOLE_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }
    log = data_dir / "up.log"
    with log.open("wb") as out:
        command = [str(Path(sys.executable).parent / "axiom"), "up"]
        started = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        while "Running." not in log.read_text():
            if started.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.1)
        yield
    finally:
        started.terminate()
        started.wait(60)


def tick(services: Any, at: str, day_price_at: Any) -> tuple[float, float]:
    """Send one tick; return the seconds until Postgres and until Redis has its price."""
    from axiom.tasks.client import trigger, wait_for

    began = time.perf_counter()
    run_id = trigger("ingestion", at=at)
    postgres_s = redis_s = 0.0
    while not (postgres_s and redis_s):
        if not postgres_s and services.postgres.query(
            "SELECT 1 FROM prices WHERE run_id = %s LIMIT 1", (run_id,)
        ):
            postgres_s = time.perf_counter() - began
        if not redis_s and services.cache.latest("replay")["AAPL"]["observed_at"] == day_price_at:
            redis_s = time.perf_counter() - began
        if time.perf_counter() - began > 30:
            raise SystemExit(f"the tick of {at} did not arrive; see: axiom runs show {run_id}")
        time.sleep(POLL_S)
    wait_for(run_id, timeout_s=30)
    return postgres_s, redis_s


def measure() -> dict[str, float]:
    from axiom.model import floor_time, to_json, utcnow
    from axiom.tasks.client import trigger, wait_for
    from axiom.tasks.services import services

    here, minute = services(), timedelta(minutes=1)
    wait_for(trigger("ingestion"), timeout_s=60)  # the warm-up of 250 days
    first = floor_time(utcnow(), minute) + 5 * minute
    found = []
    for n in range(WARM_UP + ROUNDS):
        at = first + n * minute
        quotes, _ = here.market.fetch_quotes(["AAPL"], at)
        found.append(tick(here, at.isoformat(), to_json(quotes[0])["observed_at"]))
    postgres, redis = zip(*found[WARM_UP:], strict=True)
    both = [max(pair) for pair in found[WARM_UP:]]
    return {
        "postgres_s": statistics.median(postgres),
        "redis_s": statistics.median(redis),
        "both_s": statistics.median(both),
        "worst_s": max(both),
        "rounds": ROUNDS,
    }


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    with TemporaryDirectory() as scratch:
        os.environ["AXIOM_DATA_DIR"] = scratch
        with axiom_up(Path(scratch)):
            found = measure()
    table = Table(f"a tick's price, {ROUNDS} ticks", "milliseconds", "bound")
    for name, text in (
        ("postgres_s", "in Postgres, median"), ("redis_s", "in Redis, median"),
        ("both_s", "in both, median"), ("worst_s", "in both, worst"),
    ):  # fmt: skip
        bound = f"{BOUND_S * 1000:.0f}" if name == "both_s" else ""
        table.add_row(text, f"{found[name] * 1000:.0f}", bound)
    Console().print(table)
    if "--json" in sys.argv:
        print(json.dumps(found))


if __name__ == "__main__":
    main()

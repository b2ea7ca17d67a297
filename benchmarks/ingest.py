"""How fast price rows go in, beside a plain COPY into the same kind of table.

    python benchmarks/ingest.py [--json]

The plain COPY gets text that is ready; ours starts from `Quote` objects and
makes its own, so the share holds the whole cost of our path.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))
from rich.console import Console
from rich.table import Table

from axiom.embedded.servers import running
from axiom.model import Quote
from axiom.stores.postgres import Postgres
from axiom.stores.prices import COLUMNS, PriceStore, _lines
from axiom.stores.schema import migrate

ROWS, ROUNDS = 100_000, 5
START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def quotes(instruments: int, ticks: int, after: timedelta = timedelta(0)) -> list[Quote]:
    return [
        Quote(f"T{i:05}", 100 + i / 100, START + after + timedelta(minutes=t), "replay")
        for t in range(ticks)
        for i in range(instruments)
    ]


def timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def measure(db: Postgres) -> dict[str, float]:
    store, rows = PriceStore(db), quotes(1000, ROWS // 1000)
    store.upsert_quotes(rows[:1], "warm")
    text = "".join(_lines(sorted(rows, key=lambda q: (q.ticker, q.observed_at)), "run"))
    found: dict[str, list[float]] = {}

    def plain() -> None:
        with db.transaction() as cursor:
            cursor.copy_expert(f"COPY prices ({COLUMNS}) FROM STDIN", io.StringIO(text))

    def empty(keep: int = 0) -> None:
        db.execute("TRUNCATE prices")
        if keep:
            store.upsert_quotes(rows[::2], "before")

    for _ in range(ROUNDS):
        empty()
        found.setdefault("plain COPY", []).append(timed(plain))
        empty()
        found.setdefault("ours, all new", []).append(timed(lambda: store.upsert_quotes(rows, "r")))
        empty(keep=2)
        found.setdefault("ours, half there", []).append(
            timed(lambda: store.upsert_quotes(rows, "r"))
        )
        for n in (1_000, 10_000):
            tick = quotes(n, 1, timedelta(days=1))
            db.execute("TRUNCATE prices")
            found.setdefault(f"tick of {n}", []).append(
                timed(lambda tick=tick: store.upsert_quotes(tick, "r")) / n  # type: ignore[misc]
            )
    return {name: statistics.median(each) for name, each in found.items()}


def main() -> None:
    with TemporaryDirectory() as scratch, running(Path(scratch), ["postgres"]) as urls:
        migrate(urls["postgres_url"])
        found = measure(Postgres(urls["postgres_url"]))
    plain = found["plain COPY"]
    per_row = found["tick of 10000"] / found["tick of 1000"]
    table = Table("what", "rows/s", "share of COPY", "bound")
    for name in ("plain COPY", "ours, all new", "ours, half there"):
        table.add_row(name, f"{ROWS / found[name]:,.0f}", f"{plain / found[name]:.2f}", "0.60")
    table.add_row("cost of a row, 10,000 : 1,000 instruments", "", f"{per_row:.2f}", "1.30 at most")
    Console().print(table)
    if "--json" in sys.argv:
        share, half = plain / found["ours, all new"], plain / found["ours, half there"]
        told = {"seconds": found, "share": share, "share_half": half, "per_row": per_row}
        print(json.dumps(told))


if __name__ == "__main__":
    main()

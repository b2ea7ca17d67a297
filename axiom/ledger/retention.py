"""Drop what is older than it is to be kept: months as a whole, other rows a few at a time.

Steps and attempts go with the partition of their month, and the runs of that month
with them, so that what is kept for 90 days is there for 90 to 121. `runs` is no
partitioned table: a logical time must be claimed once whenever that was, and a unique
index of a partitioned table would hold within a month only. An active run is never
dropped, nor is its month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from axiom.stores.partitions import Months, month_of
from axiom.stores.postgres import Postgres, named_queries
from axiom.stores.totals import Totals

BATCH = 2000  # rows in one transaction: nobody waits long for it


@dataclass(frozen=True, slots=True)
class Keep:
    """Days that rows are kept; 0: for ever."""

    runs: int
    prices: int
    quarantine: int
    audit: int


def prune(postgres: Postgres, keep: Keep, now: datetime) -> Mapping[str, int]:
    """Drop what is old; return how many rows, or months, went of each. Safe to run again."""
    dropped: dict[str, int] = {}
    if keep.runs:
        dropped |= _prune_runs(postgres, now - timedelta(days=keep.runs))
    if keep.prices:
        gone = Months(postgres, "prices").drop_before(now - timedelta(days=keep.prices))
        dropped["prices months"] = len(gone)
    for table, days in (("quarantine", keep.quarantine), ("audit", keep.audit)):
        if days:
            dropped[table] = _delete(postgres, f"old_{table}", now - timedelta(days=days))
    return {what: n for what, n in dropped.items() if n}


def _prune_runs(postgres: Postgres, until: datetime) -> dict[str, int]:
    month_at = datetime.combine(month_of(until), time(tzinfo=UTC))
    active = postgres.query(named_queries("retention")["active_since"])
    spared = [row["created_at"] for row in active]
    while Totals(postgres).advance():  # what goes is counted, also where nobody looks
        pass
    gone = Months(postgres, "steps", "attempts").drop_before(month_at, spared=spared)
    said = Months(postgres, "log_lines").drop_before(month_at, spared=spared)
    return {
        "steps and attempts months": len(gone),
        "log lines months": len(said),
        "runs": _delete(postgres, "old_runs", month_at),
        "backfills": _delete(postgres, "old_backfills", month_at),
        "alerts": _delete(postgres, "old_alerts", month_at),
    }


def _delete(postgres: Postgres, query: str, until: datetime) -> int:
    sql, total = named_queries("retention")[query], 0
    while n := postgres.execute(sql, {"until": until, "limit": BATCH}):
        total += n
    return total

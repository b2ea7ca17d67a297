"""What counters say: totals of everything that ended, kept in Postgres.

The ledger and the call book are the truth about runs, steps, tokens and dollars, whichever
process, pool child or host did the work, so totals are counted from them, and not in any
process' memory. What ended is added once, a bounded number at a time, when somebody asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axiom.stores.postgres import Postgres, named_queries

RUN_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200)
CALL_BOUNDS_S = (0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
AT_ONCE = 500
# the outputs of steps that count something
COUNTS = (
    "rows", "fetched", "quarantined", "flagged", "cached", "nodes", "edges", "events",
    "tellings", "vectors", "seen_before", "asked", "rejected", "pairs", "significant", "raised",
)  # fmt: skip


class Totals:
    """The table `totals`, and the questions about now that are asked with it."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("totals")

    def advance(self) -> int:
        """Count what ended since; return how much. Two who ask together count nothing twice."""
        asked = {
            "limit": AT_ONCE, "counts": list(COUNTS),
            "run_bounds": list(RUN_BOUNDS_S), "call_bounds": list(CALL_BOUNDS_S),
        }  # fmt: skip
        return sum(
            int(self._db.query(self._sql[name], asked)[0]["n"])
            for name in ("count_runs", "count_calls")
        )

    def load(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Return every total: by name, its samples as (labels, value)."""
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for row in self._db.query(self._sql["totals"]):
            found.setdefault(row["name"], []).append((row["labels"], row["value"]))
        return found

    def pipelines(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return each pipeline's newest logical times `good_s` and `skip_s`, and `paused`."""
        return self._db.query(self._sql["pipelines"], {"pipelines": list(names)})

    def active(self) -> list[dict[str, Any]]:
        """Return how many `runs` of each pipeline have not ended, and how many are `overdue`."""
        return self._db.query(self._sql["active"])

    def active_steps(self) -> list[dict[str, Any]]:
        """Return how many steps of active runs are in which state."""
        return self._db.query(self._sql["active_steps"])

    def open_alerts(self) -> list[dict[str, Any]]:
        """Return how many alerts of each severity are open."""
        return self._db.query(self._sql["open_alerts"])

"""What steps said while they ran, in Postgres, by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from axiom.stores.partitions import Months
from axiom.stores.postgres import Jsonb, Postgres, named_queries

if TYPE_CHECKING:
    from axiom.telemetry.log_lines import Line


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that was kept; `n` is its place, and what is asked `after`."""

    n: int
    run_id: str
    at: datetime
    step: str  # empty: said by the run itself
    item: str
    attempt: int
    level: str
    text: str
    worker: str | None
    facts: dict[str, Any]


class LogLines:
    """The table `log_lines`. Raises `StoreUnavailable` when Postgres cannot be reached."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("log_lines")
        self.months = Months(postgres, "log_lines")

    def keep(self, lines: Sequence[Line]) -> None:
        """Store lines, all of them or none."""
        self.months.ensure(line.at for line in lines)
        rows = [asdict(line) | {"at": line.at.isoformat()} for line in lines]
        self._db.execute(self._sql["add"], {"lines": Jsonb(rows)})

    def rest(self) -> None:
        """Close this thread's connection until it is needed again."""
        self._db.close()

    def lines(
        self,
        run_id: str,
        step: str | None = None,
        item: str | None = None,
        *,
        limit: int = 500,
        after: int | None = None,
    ) -> list[LogLine]:
        """Return a run's lines as they were said; the next page is `after` the greatest `n`."""
        asked = {"run_id": run_id, "step": step, "item": item, "limit": limit, "after": after or 0}
        return [LogLine(**row) for row in self._db.query(self._sql["lines"], asked)]

    def newest(
        self, run_id: str | None = None, step: str | None = None, *, limit: int = 100
    ) -> list[LogLine]:
        """Return the newest lines, of a run or of all, in order."""
        asked = {"run_id": run_id, "step": step, "limit": limit}
        name = "newest_of_run" if run_id else "newest"
        return [LogLine(**row) for row in self._db.query(self._sql[name], asked)][::-1]

"""Tables by month: made when the first of their rows arrives, dropped when all of them are old."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from axiom.stores.postgres import Postgres, named_queries

LOCK_TIMEOUT_S = 5  # who drops a month must not make all who write wait behind it
_NAME = re.compile(r"_(\d{4})_(\d\d)$")


class Months:
    """The months of tables that are partitioned alike; a month `2026-01` is `<table>_2026_01`."""

    def __init__(self, postgres: Postgres, *tables: str) -> None:
        self._db, self._tables = postgres, tables
        self._sql = named_queries("partitions")
        self._known: set[date] = set()

    def ensure(self, moments: Iterable[datetime]) -> None:
        """Have a partition for each of these moments."""
        wanted = {month_of(moment) for moment in moments} - self._known
        for first in sorted(wanted):
            for table in self._tables:
                self._make(table, first)
        self._known |= wanted

    def _make(self, table: str, first: date) -> None:
        name = f"{table}_{first:%Y_%m}"
        if self._db.query(self._sql["is_there"], {"name": name})[0]["there"]:
            return  # without the lock, which a dry run would hold to its end
        with self._db.transaction() as cursor:
            # two processes may reach the first row of a month together
            cursor.execute(self._sql["lock"], {"table": table})
            names = {"name": name, "table": table, "first": first, "next": following(first)}
            cursor.execute(self._sql["make"].format(**names))

    def drop_before(self, until: datetime, spared: Iterable[datetime] = ()) -> list[str]:
        """Drop the months that end before `until`; return their partitions' names.

        A month that holds one of the `spared` moments stays.
        """
        keep = {month_of(moment) for moment in spared}
        dropped = []
        for table in self._tables:
            for row in self._db.query(self._sql["of_table"], {"table": table}):
                first = _first_of(row["name"])
                if first and first not in keep and following(first) <= until.date():
                    self._drop(row["name"])
                    dropped.append(row["name"])
        self._known.clear()
        return dropped

    def _drop(self, name: Any) -> None:
        with self._db.transaction() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
            cursor.execute(self._sql["drop"].format(name=name))


def month_of(moment: datetime) -> date:
    """Return the first day of a moment's month, UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def following(first: date) -> date:
    """Return the first day of the next month."""
    return (first + timedelta(days=32)).replace(day=1)


def _first_of(name: str) -> date | None:
    found = _NAME.search(name)
    return date(int(found[1]), int(found[2]), 1) if found else None

"""When an exchange is open, asked of a process of its own.

exchange_calendars brings pandas, some 70 MB, which a process that only looks something up
would keep for ever. The answer is 5,000 days.
"""

from __future__ import annotations

import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

TIMEOUT_S = 60.0
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """The sessions of an exchange, in order: their days, and when each opens and closes."""

    days: list[date]
    opens: list[datetime]
    closes: list[datetime]

    def days_between(self, first: date, last: date) -> set[date]:
        """Return the days of trading from `first` to `last`."""
        return set(self.days[bisect_left(self.days, first) : bisect_right(self.days, last)])

    def minutes_between(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Give the start of each minute of trading, `since` <= minute <= `until`."""
        first = bisect_right(self.closes, since)
        for opens, closes in zip(self.opens[first:], self.closes[first:], strict=True):
            if opens > until:
                return
            minute = max(opens, since)
            while minute < closes and minute <= until:
                yield minute
                minute += MINUTE


@lru_cache(maxsize=4)
def load_hours(exchange: str) -> Hours:
    """Return the hours of an exchange by its market identifier, for the last 20 years."""
    asked = [sys.executable, "-m", __name__, exchange]
    told = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
    rows = [line.split() for line in told.stdout.splitlines()]
    return Hours(
        [date.fromisoformat(day) for day, _, _ in rows],
        [datetime.fromtimestamp(int(at), UTC) for _, at, _ in rows],
        [datetime.fromtimestamp(int(at), UTC) for _, _, at in rows],
    )


def _tell(exchange: str) -> None:
    import exchange_calendars

    schedule = exchange_calendars.get_calendar(exchange).schedule
    for day, opens, closes in zip(schedule.index, schedule["open"], schedule["close"], strict=True):
        line = f"{day:%Y-%m-%d} {opens.timestamp():.0f} {closes.timestamp():.0f}\n"
        sys.stdout.write(line)


if __name__ == "__main__":
    _tell(sys.argv[1])

"""When a pipeline is due: the slots of a cron expression or of an interval.

A slot is the logical time of a scheduled run. Cron is read by Celery's own parser,
in UTC; unlike in a crontab, a day must match both the day of the month and the day
of the week. Intervals count from the epoch, so that their slots do not drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, Protocol

from axiom.errors import ConfigError
from axiom.model import floor_time

MIN_INTERVAL_S = 10
FAR_DAYS = 366 * 8  # the 29th of February comes within this
_MOMENT, _DAY = timedelta(microseconds=1), timedelta(days=1)
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_INTERVAL = re.compile(r"(?:every\s+)?(\d+)\s*([smhd])[a-z]*")


class Slots(Protocol):
    """Moments without end."""

    @property
    def spec(self) -> str: ...  # noqa: D102
    def latest(self, now: datetime) -> datetime:
        """Return the last slot that is not after `now`."""
        ...

    def between(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the slots with since <= slot < until, oldest first."""
        ...


@dataclass(frozen=True)
class Every:
    """An interval."""

    interval: timedelta

    @property
    def spec(self) -> str:
        """Such as `every 5m`."""
        seconds = int(self.interval.total_seconds())
        unit, size = next((u, s) for u, s in _UNITS.items() if seconds % s == 0)
        return f"every {seconds // size}{unit}"

    def latest(self, now: datetime) -> datetime:
        """Return the last slot that is not after `now`."""
        return floor_time(now, self.interval)

    def between(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the slots with since <= slot < until, oldest first."""
        slot = floor_time(since - _MOMENT, self.interval) + self.interval
        while slot < until:
            yield slot
            slot += self.interval


@dataclass(frozen=True)
class Cron:
    """A cron expression of five fields."""

    spec: str

    @cached_property
    def _fields(self) -> Any:
        from celery.schedules import crontab

        return crontab.from_string(self.spec)

    @cached_property
    def _times(self) -> list[time]:
        found = product(sorted(self._fields.hour), sorted(self._fields.minute))
        return [time(hour, minute, tzinfo=UTC) for hour, minute in found]

    def _of_day(self, day: date) -> list[datetime]:
        fields = self._fields
        matches = (
            day.month in fields.month_of_year
            and day.day in fields.day_of_month
            and day.isoweekday() % 7 in fields.day_of_week
        )
        return [datetime.combine(day, at) for at in self._times] if matches else []

    def latest(self, now: datetime) -> datetime:
        """Return the last slot that is not after `now`."""
        day = now.astimezone(UTC).date()
        for back in range(FAR_DAYS):
            for slot in reversed(self._of_day(day - back * _DAY)):
                if slot <= now:
                    return slot
        raise ConfigError("schedule", f"{self.spec!r} never comes")

    def between(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the slots with since <= slot < until, oldest first."""
        day = since.astimezone(UTC).date()
        while datetime.combine(day, time(tzinfo=UTC)) < until:
            yield from (slot for slot in self._of_day(day) if since <= slot < until)
            day += _DAY


def after(slots: Slots, moment: datetime) -> datetime:
    """Return the first slot after a moment."""
    far = moment + timedelta(days=FAR_DAYS)
    return next(slots.between(moment + _MOMENT, far))


@lru_cache(maxsize=64)
def parse_slots(spec: str) -> Slots:
    """Read `every 5m`, `90s`, or a cron expression such as `*/5 9-16 * * mon-fri`.

    Raises:
        ConfigError: it is neither, or never comes.
    """
    text = " ".join(spec.lower().split())
    if found := _INTERVAL.fullmatch(text):
        return _interval(int(found[1]) * _UNITS[found[2]])
    from celery.schedules import ParseException

    cron = Cron(text)
    try:
        cron.latest(datetime.now(UTC))
    except (ValueError, ParseException) as error:
        raise _unreadable(spec) from error
    return cron


def _interval(seconds: int) -> Every:
    if not MIN_INTERVAL_S <= seconds <= 366 * _UNITS["d"]:
        raise ConfigError("schedule", f"an interval is {MIN_INTERVAL_S} s to 366 days")
    return Every(timedelta(seconds=seconds))


def _unreadable(spec: str) -> ConfigError:
    return ConfigError(
        "schedule", f"{spec!r} is neither an interval (every 5m) nor cron (*/5 * * * *), in UTC"
    )


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What is done about slots that were missed: `none`, the `latest`, or `all:N`, the newest N."""

    kind: str
    most: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.most}" if self.kind == "all" else self.kind


MOST_CAUGHT_UP = 10_000


def parse_catch_up(text: str) -> CatchUp:
    """Read a policy.

    Raises:
        ConfigError: it is none of `none`, `latest`, `all:N`.
    """
    kind, _, most = text.strip().lower().partition(":")
    if kind in ("none", "latest") and not most:
        return CatchUp(kind)
    if kind == "all" and most.isdigit() and 1 <= int(most) <= MOST_CAUGHT_UP:
        return CatchUp(kind, int(most))
    raise ConfigError(
        "catch-up", f"{text!r} is none of none, latest, all:N (N: 1 to {MOST_CAUGHT_UP})"
    )

"""The schedules of celeryconfig, as the ledger understands them."""

from __future__ import annotations

from typing import Any

from axiom.ledger.schedules import Default
from axiom.ledger.slots import Every, Slots, parse_catch_up, parse_slots
from axiom.model import PIPELINES


def defaults() -> dict[str, Default]:
    """Return what celeryconfig says of each pipeline; its cadence, where schedules are off."""
    import celeryconfig

    entries, policies = celeryconfig.beat_schedule, celeryconfig.catch_up
    return {
        name: Default(
            _slots(entries[name]["schedule"]) if name in entries else Every(cadence.slot),
            parse_catch_up(policies.get(name, "latest")),
        )
        for name, cadence in PIPELINES.items()
    }


def _slots(schedule: Any) -> Slots:
    """Read what Celery takes as a schedule: a crontab, a timedelta, a number of seconds."""
    if cron := getattr(schedule, "_orig_minute", None):
        rest = (getattr(schedule, f"_orig_{part}") for part in _CRON[1:])
        return parse_slots(" ".join(map(str, (cron, *rest))))
    return parse_slots(f"every {int(getattr(schedule, 'total_seconds', lambda: schedule)())}s")


_CRON = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")

"""Schedules in the ledger: what was changed at run time, and how far they were followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from axiom.ledger.slots import CatchUp, Slots, after, parse_catch_up, parse_slots
from axiom.model import PIPELINES, Json
from axiom.stores.postgres import Postgres, named_queries


@dataclass(frozen=True, slots=True)
class Default:
    """What celeryconfig says of a pipeline."""

    slots: Slots
    catch_up: CatchUp


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a pipeline runs, and what is done about slots that were missed."""

    pipeline: str
    slots: Slots
    catch_up: CatchUp
    is_default: bool
    paused: bool = False
    changed_by: str | None = None
    changed_at: datetime | None = None
    fired_at: datetime | None = None  # the last slot that beat has dealt with
    settled_at: datetime | None = None  # slots up to here will not be caught up any more

    def is_fresh(self, good_at: datetime | None, now: datetime) -> bool:
        """Whether the newest good logical time is that of the last slot whose deadline is over."""
        due_at = self.slots.latest(now - PIPELINES[self.pipeline].deadline)
        return good_at is not None and good_at >= due_at

    def next_at(self, now: datetime) -> datetime | None:
        """Return when it is due next; None while it is paused."""
        return None if self.paused else after(self.slots, now)

    def told(self, now: datetime) -> dict[str, Json]:
        """Return it as terminal and API tell it."""
        return {
            "pipeline": self.pipeline, "schedule": self.slots.spec, "catch_up": str(self.catch_up),
            "default": self.is_default, "paused": self.paused, "next_at": self.next_at(now),
            "changed_by": self.changed_by, "changed_at": self.changed_at,
        }  # fmt: skip


class Schedules:
    """The `schedules` table, over the defaults. Raises `StoreUnavailable`."""

    def __init__(self, postgres: Postgres, defaults: Mapping[str, Default]) -> None:
        self._db, self._defaults = postgres, defaults
        self._sql = named_queries("schedules")

    def all(self) -> dict[str, Schedule]:
        """Return every pipeline's schedule, in one query."""
        rows = {row["pipeline"]: row for row in self._db.query(self._sql["schedules"])}
        return {
            name: _schedule(name, default, rows.get(name, {}))
            for name, default in self._defaults.items()
        }

    def change(self, pipeline: str, changes: Mapping[str, str | None], *, by: str) -> None:
        """Change its `spec`, its `catch_up` or both at once; None: as celeryconfig says.

        Raises:
            ConfigError: one of them cannot be read; nothing was changed.
        """
        spec, policy = changes.get("spec"), changes.get("catch_up")
        asked = {
            "pipeline": pipeline, "by": by,
            "spec": parse_slots(spec).spec if spec is not None else None,
            "catch_up": str(parse_catch_up(policy)) if policy is not None else None,
            "set_spec": "spec" in changes, "set_catch_up": "catch_up" in changes,
        }  # fmt: skip
        self._db.execute(self._sql["set_schedule"], asked)

    def fired(self, pipeline: str, slot_at: datetime) -> None:
        """Keep that beat has dealt with the slots up to this one."""
        self._db.execute(self._sql["fired"], {"pipeline": pipeline, "slot_at": slot_at})


def settle(cursor: Any, schedule: Schedule, settled_at: datetime) -> bool:
    """Keep that slots up to a moment are dealt with; False when somebody else was first."""
    asked = {
        "pipeline": schedule.pipeline, "settled_at": settled_at, "was": schedule.settled_at,
    }  # fmt: skip
    cursor.execute(named_queries("schedules")["settled"], asked)
    return cursor.fetchone() is not None


def _schedule(pipeline: str, default: Default, row: Mapping[str, Any]) -> Schedule:
    spec, catch_up = row.get("spec"), row.get("catch_up")
    return Schedule(
        pipeline,
        parse_slots(spec) if spec else default.slots,
        parse_catch_up(catch_up) if catch_up else default.catch_up,
        is_default=not (spec or catch_up),
        paused=bool(row.get("paused")),
        changed_by=row.get("changed_by"),
        changed_at=row.get("changed_at"),
        fired_at=row.get("fired_at"),
        settled_at=row.get("settled_at"),
    )

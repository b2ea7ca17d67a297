"""Schedules in the ledger: what was changed at run time, and how far they were followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from axiom.ledger.slots import CatchUp, Slots, after, parse_catch_up, parse_slots
from axiom.model import PIPELINES
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

    def set_spec(self, pipeline: str, spec: str | None, *, by: str) -> None:
        """Change when a pipeline runs; None: as celeryconfig says.

        Raises:
            ConfigError: the spec cannot be read.
        """
        canonical = parse_slots(spec).spec if spec is not None else None
        self._set(pipeline, by, spec=canonical, set_spec=True)

    def set_catch_up(self, pipeline: str, policy: str | None, *, by: str) -> None:
        """Change what is done about missed slots; None: as celeryconfig says.

        Raises:
            ConfigError: the policy cannot be read.
        """
        canonical = str(parse_catch_up(policy)) if policy is not None else None
        self._set(pipeline, by, catch_up=canonical, set_catch_up=True)

    def reset(self, pipeline: str, *, by: str) -> None:
        """Forget every change of when it runs and what is caught up."""
        self._set(pipeline, by, set_spec=True, set_catch_up=True)

    def _set(
        self,
        pipeline: str,
        by: str,
        spec: str | None = None,
        catch_up: str | None = None,
        set_spec: bool = False,
        set_catch_up: bool = False,
    ) -> None:
        asked = {
            "pipeline": pipeline, "by": by, "spec": spec, "catch_up": catch_up,
            "set_spec": set_spec, "set_catch_up": set_catch_up,
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

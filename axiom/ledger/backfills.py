"""Ranges of logical times that are run beside the live work, oldest first, a few at a time.

A slot is claimed in the transaction that moves its backfill on, and asked for
after that: when this dies between the two, the watch finds the claimed run.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from axiom.errors import ConfigError, NotNow, UnknownRun
from axiom.ledger.schedules import Schedule, settle
from axiom.ledger.slots import Slots, parse_slots
from axiom.model import RunState
from axiom.stores.postgres import Jsonb, Postgres, named_queries

CHUNK, CHUNKS = 1000, 10  # slots looked at in one step, where most have their run already
MOST_SLOTS = 1_000_000
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Backfill:
    """A range, and how far it has come: `claimed` + `existed` of `total` slots are dealt with."""

    id: str
    pipeline: str
    kind: str  # "backfill" | "catch-up"
    spec: str
    since: datetime
    until: datetime  # not included
    next_at: datetime
    total: int
    claimed: int
    existed: int  # had their run already
    state: str  # "running" | "done" | "cancelled"
    created_by: str
    created_at: datetime
    ended_at: datetime | None
    states: Mapping[str, int] = field(default_factory=dict)  # of the runs it claimed


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that a backfill claimed and that is to be asked for."""

    run_id: str
    pipeline: str
    kind: str
    logical_at: datetime


class Backfills:
    """The `backfills` table. Raises `StoreUnavailable`."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("backfills")
        self._audit = named_queries("actions")["audit"]

    def create(
        self, pipeline: str, slots: Slots, since: datetime, until: datetime, *, by: str
    ) -> Backfill:
        """Ask for a range: since <= slot < until.

        Raises:
            ConfigError: it holds no slot, or too many.
        """
        total = sum(1 for _ in islice(slots.between(since, until), MOST_SLOTS + 1))
        if not 0 < total <= MOST_SLOTS:
            many = f"more than {MOST_SLOTS:,} slots" if total else "no slot"
            raise ConfigError("range", f"{since:%F %T} to {until:%F %T} holds {many}")
        row = self._row("backfill", pipeline, slots, since, until, total, by)
        details = {"id": row["id"], "since": f"{since:%FT%TZ}", "until": f"{until:%FT%TZ}"}
        with self._db.transaction() as cursor:
            cursor.execute(self._sql["create"], row)
            made: Any = cursor.fetchone()
            self._audited(cursor, "backfill", by, pipeline, details | {"slots": total})
        return Backfill(**made)

    def catch_up(self, schedule: Schedule, now: datetime) -> int:
        """Ask for the newest slots that nobody ran, as the schedule's policy says; return how many.

        Slots before the one that is on now count: nobody will claim them any more.
        """
        settled_at = schedule.settled_at or now
        on_at = schedule.slots.latest(now)
        due = schedule.slots.between(settled_at + _MOMENT, on_at)
        slots = list(islice(due, CHUNK * CHUNKS))
        if schedule.settled_at and not slots:
            return 0
        missed = [] if schedule.paused else self._missed(schedule, slots)
        with self._db.transaction() as cursor:
            mine = settle(cursor, schedule, slots[-1] if slots else settled_at)
            if mine and missed:
                self._create_catch_up(cursor, schedule, missed)
        return len(missed) if mine else 0

    def _missed(self, schedule: Schedule, slots: Sequence[datetime]) -> list[datetime]:
        asked = {"pipeline": schedule.pipeline, "slots": list(slots)}
        seen = {row["logical_at"] for row in self._db.query(self._sql["seen"], asked)}
        return [slot for slot in slots if slot not in seen][-schedule.catch_up.most :]

    def _create_catch_up(self, cursor: Any, schedule: Schedule, missed: Sequence[datetime]) -> None:
        row = self._row(
            "catch-up", schedule.pipeline, schedule.slots, missed[0], missed[-1] + _MOMENT,
            len(missed), "axiom",
        )  # fmt: skip
        cursor.execute(self._sql["create"], row)

    def advance(self, backfill_id: str, at_once: int) -> list[Claimed]:
        """Claim the next slots, so that at most `at_once` of its runs are active.

        Slots that have their run are counted and left alone. The last call ends it.
        """
        with self._db.transaction() as cursor:
            cursor.execute(self._sql["lock_backfill"], {"id": backfill_id})
            row: Any = cursor.fetchone()
            if row is None:
                return []
            cursor.execute(self._sql["active"], {"id": backfill_id})
            counted: Any = cursor.fetchone()
            return self._advance(cursor, row, at_once - counted["n"], idle=not counted["n"])

    def _advance(
        self, cursor: Any, row: Mapping[str, Any], room: int, *, idle: bool
    ) -> list[Claimed]:
        slots, next_at, found = parse_slots(row["spec"]), row["next_at"], list[Claimed]()
        for _ in range(CHUNKS):
            chunk = list(islice(slots.between(next_at, row["until"]), CHUNK))
            if not chunk and idle and not found:
                cursor.execute(self._sql["end_backfill"], {"id": row["id"], "state": "done"})
            if not chunk or len(found) >= room:
                break
            taken, fresh = self._taken(cursor, row, chunk, room - len(found))
            claimed = self._claim(cursor, row, fresh)
            next_at = taken[-1] + _MOMENT
            self._move_on(cursor, row, next_at, len(claimed), len(taken) - len(claimed))
            found += claimed
        return found

    def _taken(
        self, cursor: Any, row: Mapping[str, Any], chunk: list[datetime], room: int
    ) -> tuple[list[datetime], list[datetime]]:
        """Return the slots that are dealt with now, and those of them to be claimed."""
        cursor.execute(self._sql["taken"], {"pipeline": row["pipeline"], "slots": chunk})
        there = {each["logical_at"] for each in cursor.fetchall()}
        fresh = [slot for slot in chunk if slot not in there]
        if len(fresh) > room:
            return [slot for slot in chunk if slot <= fresh[room - 1]], fresh[:room]
        return chunk, fresh

    def _claim(
        self, cursor: Any, row: Mapping[str, Any], fresh: Sequence[datetime]
    ) -> list[Claimed]:
        asked = {key: row[key] for key in ("id", "pipeline", "kind")} | {"slots": list(fresh)}
        cursor.execute(self._sql["claim_slots"], asked)
        return [
            Claimed(each["id"], row["pipeline"], row["kind"], each["logical_at"])
            for each in cursor.fetchall()
        ]

    def _move_on(
        self, cursor: Any, row: Mapping[str, Any], next_at: datetime, claimed: int, existed: int
    ) -> None:
        asked = {"id": row["id"], "next_at": next_at, "claimed": claimed, "existed": existed}
        cursor.execute(self._sql["move_on"], asked)

    def cancel(self, backfill_id: str, *, by: str) -> list[str]:
        """Claim no more slots; return the ids of its runs that are still active.

        Raises:
            NotNow: it has ended already.
        """
        with self._db.transaction() as cursor:
            cursor.execute(self._sql["wait_backfill"], {"id": backfill_id})
            row: Any = cursor.fetchone()
            if row is None:
                raise NotNow(f"backfill {backfill_id[:8]} has ended already")
            cursor.execute(self._sql["end_backfill"], {"id": backfill_id, "state": "cancelled"})
            self._audited(cursor, "cancel backfill", by, row["pipeline"], {"id": backfill_id})
            cursor.execute(self._sql["active_ids"], {"id": backfill_id})
            active: Any = cursor.fetchall()
            return [each["id"] for each in active]

    def running(self) -> list[str]:
        """Return the ids of backfills that go on, oldest first."""
        return [row["id"] for row in self._db.query(self._sql["running"])]

    def newest(
        self, limit: int = 20, *, pipeline: str | None = None, most: int | None = None
    ) -> list[Backfill]:
        """Return those that go on and the last ones, newest first.

        `most`: so many runs of each state are counted at most; None counts all.
        """
        return self._found(None, limit, pipeline, most)

    def get(self, backfill_id: str) -> Backfill:
        """Return one; the id may be cut short as long as it is unique.

        Raises:
            UnknownRun: none, or several, start so.
        """
        found = self._found(backfill_id, 2)
        if len(found) != 1 or not backfill_id:
            raise UnknownRun(f"there is no one backfill {backfill_id!r}; list them: axiom backfill")
        return found[0]

    def _found(
        self,
        backfill_id: str | None,
        limit: int,
        pipeline: str | None = None,
        most: int | None = None,
    ) -> list[Backfill]:
        asked = {
            "id": backfill_id, "limit": limit, "pipeline": pipeline, "most": most,
            "states": list(RunState),
        }  # fmt: skip
        rows = self._db.query(self._sql["newest"], asked)
        return [Backfill(**row) for row in rows]

    def _row(
        self, kind: str, pipeline: str, slots: Slots, since: datetime, until: datetime,
        total: int, by: str,
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "id": str(uuid.uuid4()), "pipeline": pipeline, "kind": kind, "spec": slots.spec,
            "since": since, "until": until, "total": total, "by": by,
        }  # fmt: skip

    def _audited(
        self, cursor: Any, action: str, by: str, pipeline: str, details: Mapping[str, Any]
    ) -> None:
        asked = {
            "action": action, "by": by, "pipeline": pipeline, "run_id": None,
            "details": Jsonb(dict(details)),
        }  # fmt: skip
        cursor.execute(self._audit, asked)

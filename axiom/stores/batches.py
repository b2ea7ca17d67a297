"""Questions that wait for a batch, and where each stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from typing import Any

from axiom.paid import Call, Place, Submission, Waiting, batch_call_id
from axiom.stores.postgres import Jsonb, Postgres, named_queries

_CALL = [each.name for each in fields(Call)]


class BatchStore:
    """The table `batch_questions`, and the calls that go with it.

    Each change says from which state it goes, so that it happens once however often it is
    tried. Questions to an imitation and to Anthropic do not see each other. Raises
    `StoreUnavailable` when Postgres cannot be reached.
    """

    def __init__(self, postgres: Postgres, *, imitation: bool) -> None:
        self._db = postgres
        self._sql = named_queries("batches")
        self._only = {"imitation": imitation}

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Give whether nobody else works on batches; nobody begins to until the block ends."""
        alone = bool(self._db.query(self._sql["alone"])[0]["alone"])
        try:
            yield alone
        finally:
            if alone:
                self._db.query(self._sql["let_others"])

    # --- asking ---

    def answer(self, question_hash: str) -> Mapping[str, Any] | None:
        """Return what was answered: text, stop_reason and model."""
        rows = self._db.query(self._sql["answer"], {"question_hash": question_hash})
        return rows[0] if rows else None

    def put(self, call: Call, request: Mapping[str, Any]) -> Place:
        """Queue a question unless it is there; return where it stands."""
        asked = {name: getattr(call, name) for name in _CALL}
        asked |= {"subjects": list(call.subjects), "request": Jsonb(request)}
        row = self._db.query(self._sql["put"], asked)[0]
        return Place(row["state"], row["reason"])

    def forget(self, unasked: timedelta) -> int:
        """Drop what nobody asked for so long, or was answered otherwise; return how many."""
        return self._db.execute(self._sql["forget"], {"unasked": unasked})

    # --- handing in ---

    def queued(self) -> list[Waiting]:
        """Return what may be handed in, the oldest first."""
        rows = self._db.query(self._sql["queued"], self._only)
        return [_waiting(row) for row in rows]

    def hold_back(self, call: Call, reason: str) -> None:
        """Say why a question may not go yet."""
        asked = {"question_hash": call.question_hash, "reason": reason}
        self._db.execute(self._sql["hold_back"], asked)

    def begin(
        self, submission_id: str, calls: Sequence[Call]
    ) -> list[tuple[Call, Mapping[str, Any]]]:
        """Book the calls of a batch that is about to be made; return those that may go.

        Left out is what another is asking or was answered at this moment.
        """
        by_id = {call.id: call for call in calls}
        with self._db.transaction() as cursor:
            cursor.execute(self._sql["lock"], {"hashes": [call.question_hash for call in calls]})
            free = {row["hash"] for row in map(dict, cursor)}
            going = [call for call in calls if call.question_hash in free]
            cursor.execute(
                self._sql["begin"],
                {
                    "submission_id": submission_id,
                    "hashes": [call.question_hash for call in going],
                    "call_ids": [call.id for call in going],
                    "attempts": [call.attempt for call in going],
                },
            )
            return [(by_id[row["call_id"]], row["request"]) for row in map(dict, cursor)]

    def created(self, submission_id: str, batch_id: str) -> None:
        """Note the batch that a submission became."""
        asked = {"submission_id": submission_id, "batch_id": batch_id}
        self._db.execute(self._sql["created"], asked)

    # --- what is out ---

    def unsure(self, older_than: timedelta) -> list[Submission]:
        """Return the submissions of which it is not known whether they became a batch."""
        rows = self._db.query(self._sql["unsure"], self._only | {"older_than": older_than})
        found = defaultdict[str, list[dict[str, Any]]](list)
        for row in rows:
            found[row["submission_id"]].append(row)
        return [
            Submission(name, each[0]["begun_at"], [_call(row) for row in each])
            for name, each in found.items()
        ]

    def known(self, batch_ids: Sequence[str]) -> set[str]:
        """Return those of these batches that were noted."""
        rows = self._db.query(self._sql["known"], {"batch_ids": list(batch_ids)})
        return {row["batch_id"] for row in rows}

    def submitted(self) -> dict[str, list[Call]]:
        """Return the calls that are out, by batch."""
        found = defaultdict[str, list[Call]](list)
        for row in self._db.query(self._sql["submitted"], self._only):
            found[row["batch_id"]].append(_call(row))
        return dict(found)

    # --- what came back ---

    def requeue(self, call: Call, delay: timedelta) -> None:
        """Queue a question again; its next attempt comes no earlier than that."""
        self._db.execute(self._sql["requeue"], {"call_id": call.id, "delay": delay})

    def refuse(self, call: Call, reason: str, told: timedelta) -> None:
        """Keep why a question cannot be answered, for those who ask for it meanwhile."""
        asked = {"call_id": call.id, "reason": reason, "told": told}
        self._db.execute(self._sql["refuse"], asked)

    def done(self, call: Call) -> None:
        """Take a question out whose answer is kept."""
        self._db.execute(self._sql["done"], {"call_id": call.id})


def _waiting(row: Mapping[str, Any]) -> Waiting:
    name = batch_call_id(row["question_hash"], row["attempt"])
    call = _call({"id": name, "batch_id": None} | dict(row))
    return Waiting(call, row["age_s"], row["reason"] is not None)


def _call(row: Mapping[str, Any]) -> Call:
    return Call(**{name: row[name] for name in _CALL})

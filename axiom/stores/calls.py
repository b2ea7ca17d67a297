"""The call book: every paid call, from before it is made; and the answers, kept by question."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any, Literal

from axiom.errors import Refused, StoreUnavailable
from axiom.paid import IMITATION, MOST_UNREADABLE, Call, Standing, Usage
from axiom.resilience.budget import OpenCall
from axiom.stores.postgres import Postgres, named_queries

Group = Literal["pipeline", "model", "company", "day"]
SCOPES = ("day", "pipeline", "run")
BUSY_S = 5.0  # until who found another at work looks again
# asdict() would copy each value, and take as long as a way to the server
_CALL, _USAGE = tuple(Call.__dataclass_fields__), tuple(Usage.__dataclass_fields__)


class CallBook:
    """The tables `calls`, `answers` and `budgets`.

    A call is booked at its worst before it is made, and at what it cost in the same
    transaction that keeps its answer: whenever its process dies, the book says no less
    than what was spent. Raises `StoreUnavailable` when Postgres cannot be reached.
    """

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("calls")
        self._held = threading.local()  # the question that this thread puts

    # --- questions ---

    @contextmanager
    def asking(self, draft: Call, lease_s: float) -> Iterator[Standing]:
        """Let no other worker put this question meanwhile; wait a little while one does.

        Unless the question needs no call, one is booked at once: the draft, with the next
        attempt's number and id. Who must wait before it withdraws it and begins it later.
        The lock is this thread's connection's, and ends with it: a call that is open although
        the lock is free, and for less than `lease_s`, may still be under way.

        Raises:
            Refused: another worker puts this question.
        """
        asked = _row(draft) | {
            "key": f"question/{draft.question_hash}", "lease_s": lease_s,
            "most_unreadable": MOST_UNREADABLE,
        }  # fmt: skip
        self._db.renew()
        lock = self._db.planned("ask", self._sql["ask"])
        look = self._db.planned("known_of", self._sql["known_of"])
        try:
            row = self._db.query(f"{lock}; {look}", asked)[0]
        except BaseException:  # a time limit too: the lock outlives what was asked after it
            self._db.close()
            raise
        limits = {scope: Decimal(usd) for scope, usd in (row["limits"] or {}).items()}
        self._held.key = asked["key"]
        try:
            yield Standing(
                row["answer"], row["attempts"], limits, row["in_batch"],
                max(row["busy_s"] or 0, 0), row["hopeless"],
            )  # fmt: skip
        finally:
            if self._held.key:  # `finish` lets go of it in the same message
                self._db.query(self._sql["asked"], asked)

    # --- calls ---

    def begin(self, call: Call) -> None:
        """Book a call that is about to be made, at its worst.

        Raises:
            Refused: another worker makes this very call.
        """
        begin = self._db.planned("begin_call", self._sql["begin"])
        if not self._db.query(f"{self._sql['begun']}; {begin}", _row(call)):
            raise Refused("another worker is asking this", BUSY_S)

    def withdraw(self, call: Call) -> None:
        """Strike out a call that was booked and not made."""
        self._db.execute(self._sql["withdraw"], {"id": call.id})

    def finish(
        self,
        call: Call,
        usage: Usage,
        usd: Decimal,
        *,
        text: str,
        stop_reason: str,
        model: str,
        request_id: str | None,
    ) -> None:
        """Keep the answer and what it cost, together.

        It is tried again on a new connection, since it was paid for: to do it twice is to do
        it once.
        """
        row = _row(call) | {name: getattr(usage, name) for name in _USAGE} | {
            "usd": usd, "text": text, "stop_reason": stop_reason, "outcome": stop_reason,
            "answered_by": model, "request_id": request_id,
        }  # fmt: skip
        try:
            self._finish(row)
        except StoreUnavailable:
            self._finish(row)

    def _finish(self, row: dict[str, Any]) -> None:
        finish = self._db.planned("finish_call", self._sql["finish"])
        if key := getattr(self._held, "key", None):
            kept = self._db.planned("kept", self._sql["kept"])
            finish += f"; {kept}"  # in one message they are one transaction
        self._db.execute(finish, row | {"key": key})
        self._held.key = None

    def fail(self, call: Call, outcome: str, request_id: str | None = None) -> None:
        """Book a call that failed and cost nothing."""
        row = {"id": call.id, "outcome": outcome, "request_id": request_id}
        self._db.execute(self._sql["fail"], row)

    def lose(self, call: Call, outcome: str) -> None:
        """Book a call whose answer was lost, at its worst, also if its row was lost."""
        lose = f"{self._sql['begin']}; {self._sql['lose']}"
        self._db.execute(lose, _row(call) | {"outcome": outcome})

    def lose_unbooked(self, held: OpenCall) -> None:
        """Book a call as lost of which nothing is left but what was put aside for it."""
        question_hash, _, attempt = held.call_id.rpartition("-")
        named = dict(scope.split(":")[:2] for scope in held.scopes if ":" in scope)
        row = {
            "id": held.call_id, "question_hash": question_hash, "attempt": int(attempt),
            "pipeline": named.get("pipeline", "none"), "run_id": named.get("run", "none"),
            "worst_usd": held.worst_usd, "age_s": held.age_s,
            "imitation": question_hash.startswith(IMITATION),
        }  # fmt: skip
        self._db.execute(self._sql["lose_unbooked"], row)

    def lose_old(self, older_than: timedelta) -> list[str]:
        """Book the calls that died with their process; return their ids."""
        rows = self._db.query(self._sql["lose_old"], {"older_than": older_than})
        return [row["id"] for row in rows]

    def ended(self, ids: Sequence[str]) -> dict[str, Decimal]:
        """Return what those of these calls cost that have ended."""
        rows = self._db.query(self._sql["ended"], {"ids": list(ids)})
        return {row["id"]: row["usd"] for row in rows}

    def begun(self, ids: Sequence[str]) -> set[str]:
        """Return those of these calls that were ever made."""
        return {r["id"] for r in self._db.query(self._sql["known_ids"], {"ids": list(ids)})}

    # --- budgets and costs ---

    def booked(self, scope: str, held: Sequence[str]) -> tuple[Decimal, dict[str, Decimal]]:
        """Return what a scope has cost, as the budget names it, and its open calls at their worst.

        Left out are the calls in `held`.
        """
        kind, *rest = scope.split(":")
        asked: dict[str, Any] = {"held": list(held), "day": None, "pipeline": None, "run_id": None}
        if kind == "run":
            asked |= {"run_id": rest[0]}
        else:
            asked |= {"day": rest[-1], "pipeline": rest[0] if kind == "pipeline" else None}
        rows = self._db.query(self._sql["booked"], asked)
        ended = sum((row["usd"] for row in rows if row["id"] is None), Decimal(0))
        return ended, {row["id"]: row["usd"] for row in rows if row["id"]}

    def limits(self) -> dict[str, tuple[Decimal, str]]:
        """Return the limits that a person set, and who, by scope: day, pipeline, run."""
        rows = self._db.query(self._sql["limits"])
        return {row["scope"]: (row["limit_usd"], row["set_by"]) for row in rows}

    def set_limit(self, scope: str, limit_usd: Decimal | None, *, by: str) -> None:
        """Set the limit of a scope; None: back to the settings."""
        name = "clear_limit" if limit_usd is None else "set_limit"
        self._db.execute(self._sql[name], {"scope": scope, "limit_usd": limit_usd, "by": by})

    def costs(self, by: Group, since: datetime) -> Sequence[Mapping[str, Any]]:
        """Return calls, tokens and dollars by group, the dearest first (days: newest first).

        `imitation` rows were paid to nobody.
        """
        rows = self._db.query(self._sql["costs"], {"by": by, "since": since})
        return sorted(rows, key=itemgetter("key"), reverse=True) if by == "day" else rows


def _row(call: Call) -> dict[str, Any]:
    return {name: getattr(call, name) for name in _CALL} | {"subjects": list(call.subjects)}

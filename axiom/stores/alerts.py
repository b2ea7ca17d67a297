"""Alerts: what a person should know, once per cause; and who was told of it.

A condition opens an alert, keeps it open while it lasts, and clears it: one alert of a cause
is open at a time. News is noted once and clears never.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from axiom.errors import UnknownAlert
from axiom.model import Json, content_hash, one_line
from axiom.stores.postgres import Jsonb, Postgres, named_queries

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

SEVERITIES = ("info", "warning", "critical")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition that a person should know of, as a rule found it."""

    rule: str
    cause: str  # names the condition, and stays the same while it lasts
    severity: str
    subject: str  # says it all in a line
    hint: str  # what to do
    pipeline: str | None = None
    detail: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is told, of what, how often."""

    channels: Sequence[str]
    severities: Sequence[str] = ("warning", "critical")
    clear_after: timedelta = timedelta(seconds=15)
    remind: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a round changed."""

    opened: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()


class AlertStore:
    """The tables `alerts`, `notifications`, `mutes` and `alert_round`."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("alerts")

    def raise_alert(self, cause: str, *, severity: str, subject: str, detail: Json) -> bool:
        """Note news; False when this cause has been noted already."""
        row = {
            "id": content_hash(cause)[:32], "cause": cause, "severity": severity,
            "subject": subject, "detail": Jsonb(detail),
        }  # fmt: skip
        return bool(self._query("note", row))

    # --- questions ---

    def newest(self, limit: int = 20) -> list[Row]:
        """Return the newest alerts, news included."""
        return self._query("newest", {"limit": limit})

    def open_alerts(self, limit: int = 200) -> list[Row]:
        """Return what is open or acknowledged, the gravest first; `muted` says who is spared."""
        return self._query("open", {"limit": limit})

    def news(self, limit: int = 20) -> list[Row]:
        """Return the newest of what was noted: it is no alarm."""
        return self._query("news", {"limit": limit})

    def history(
        self, *, rule: str | None = None, before: datetime | None = None, limit: int = 50
    ) -> list[Row]:
        """Return what there was, the newest first; go on with the last one's `raised_at`."""
        return self._query("history", {"rule": rule, "before": before, "limit": limit})

    def mutes(self) -> list[Row]:
        """Return what is muted now: `what`, `until_at`, `by`."""
        return self._query("mutes")

    def unsent(self) -> list[Row]:
        """Return how many notifications could not be sent so far, by channel, and why."""
        return self._query("unsent")

    def last_round(self) -> Row | None:
        """Return how long ago the newest look ended, and who began the newest; None: none did."""
        rows = self._query("last_round")
        return rows[0] if rows else None

    # --- what a person does ---

    def acknowledge(self, alert_id: str, by: str) -> Row:
        """Say that somebody looks after an alert: no reminder comes, an all-clear does.

        The id may be cut short, or be the cause of an open alert.

        Raises:
            UnknownAlert: there is no such alert, there are several, or it is not open.
        """
        found = self._query("like", {"name": alert_id}) if alert_id else []
        if len(found) != 1:
            problem = "several alerts start with" if found else "there is no alert"
            raise UnknownAlert(f"{problem} {alert_id!r}; list them: axiom alerts")
        if not self._query("acknowledge", {"id": found[0]["id"], "by": by}):
            raise UnknownAlert(f"alert {found[0]['id'][:8]} is {found[0]['state']} already")
        return self._query("alert", {"id": found[0]["id"]})[0]

    def mute(self, what: str, until: datetime, by: str) -> None:
        """Tell nobody of a rule, a pipeline or a cause until then; it is still recorded."""
        self._query("mute", {"what": what, "until": until, "by": by})

    def unmute(self, what: str) -> bool:
        """Tell of it again; False when it was not muted."""
        return bool(self._query("unmute", {"what": what}))

    # --- a round ---

    def take_round(self, by: str, every: timedelta) -> int | None:
        """Become the one who looks this time; None when somebody did less than `every` ago."""
        rows = self._query("take_round", {"by": by, "every": every})
        return int(rows[0]["number"]) if rows else None

    def reconcile(
        self, number: int, findings: Sequence[Finding], judged: Collection[str], policy: Policy
    ) -> Changes | None:
        """Open, keep and clear alerts, and put what is to be told in the outbox, or nothing at all.

        Alerts of rules that are not in `judged` stay as they are: nobody could tell. Returns
        None when a round that was taken after `number` has ended: that one has looked later.
        """
        with self._db.transaction() as cursor:
            if not self._run(cursor, "fence", {"number": number}):
                return None
            opened = [found.cause for found in findings if self._see(cursor, found)]
            cleared = self._clear(cursor, findings, judged, policy)
            self._tell(cursor, [row["id"] for row in cleared], policy)
        return Changes(tuple(opened), tuple(row["cause"] for row in cleared))

    def _see(self, cursor: Cursor, found: Finding) -> bool:
        row = {
            "id": uuid.uuid4().hex, "cause": found.cause, "rule": found.rule,
            "pipeline": found.pipeline, "severity": found.severity,
            "subject": one_line(found.subject),
            "detail": Jsonb(dict(found.detail)), "hint": found.hint,
        }  # fmt: skip
        return bool(self._run(cursor, "see", row)[0]["opened"])

    def _clear(
        self, cursor: Cursor, findings: Sequence[Finding], judged: Collection[str], policy: Policy
    ) -> list[Row]:
        seen = [found.cause for found in findings]
        asked = {"judged": list(judged), "seen": seen, "after": policy.clear_after}
        return self._run(cursor, "clear", asked)

    def _tell(self, cursor: Cursor, cleared: list[str], policy: Policy) -> None:
        asked = {"severities": list(policy.severities), "remind": policy.remind}
        told = self._run(cursor, "to_tell", asked)
        news = [(row["id"], row["kind"]) for row in told]
        known = self._run(cursor, "told", {"ids": cleared}) if cleared else []
        news += [(row["id"], "cleared") for row in known]
        for alert_id, kind in news:
            for channel in policy.channels:
                row = {"alert_id": alert_id, "kind": kind, "channel": channel}
                self._run(cursor, "notify", row)

    # --- the outbox ---

    def claim_notification(self, lease: timedelta, resting: Collection[str] = ()) -> Row | None:
        """Take one notification that is due, with its alert; None when none is.

        It is this caller's for the length of the lease, and comes back after it unless it was
        said to be sent: one who dies in between sends at most one message twice.
        """
        rows = self._query("claim_notification", {"lease": lease, "resting": list(resting)})
        if not rows:
            return None
        return rows[0] | {"alert": self._query("alert", {"id": rows[0]["alert_id"]})[0]}

    def sent(self, notification_id: int) -> None:
        """Say that a notification is out."""
        self._query("sent", {"id": notification_id})

    def not_sent(self, notification_id: int, error: str, delay: timedelta) -> None:
        """Say why a notification could not be sent, and when to try again."""
        self._query("not_sent", {"id": notification_id, "error": error[:500], "delay": delay})

    def drop(self, notification_id: int, error: str) -> None:
        """Give a notification up."""
        self._query("drop", {"id": notification_id, "error": error[:500]})

    # --- what the rules ask of the ledger ---

    def late_runs(self) -> list[Row]:
        """Return runs past their deadline, with `late_s`."""
        return self._query("late")

    def pipelines(self, names: Sequence[str]) -> list[Row]:
        """Return how each pipeline stands: its last end, when it last was good, its pause."""
        return self._query("pipelines", {"names": list(names)})

    def quarantined(self, within: timedelta) -> list[Row]:
        """Return how many rows were not accepted of late, by pipeline."""
        return self._query("quarantined", {"within": within})

    def _query(self, name: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        return self._db.query(self._sql[name], params)

    def _run(self, cursor: Cursor, name: str, params: Mapping[str, Any]) -> list[Row]:
        cursor.execute(self._sql[name], params)
        return [dict(row) for row in cursor] if cursor.description else []

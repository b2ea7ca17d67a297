"""Tell people: e-mail by SMTP, and webhooks in Slack's shape.

What is told is text that others wrote in part (reasons of failed runs, names of machines): it
is cut to one line for a subject, and escaped for Slack, so that it cannot add a header, mention
a channel or hide a link.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import structlog

from axiom.config import Settings
from axiom.errors import TransientError
from axiom.model import one_line, utcnow
from axiom.stores.alerts import AlertStore

log = structlog.get_logger(__name__)
TIMEOUT_S = 5.0
LEASE = timedelta(seconds=60)  # longer than a message takes
BACKOFF_S = (10.0, 30.0, 60.0, 300.0, 900.0)
GIVE_UP_AFTER = timedelta(days=1)
MOST_AT_ONCE = 50
LONGEST_LINE = 200
_COLOURS = {"critical": "#b3261e", "warning": "#c77700", "info": "#3b6ea5"}


class NotDelivered(TransientError):
    """A message could not be handed over."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is told; `key` names it, so that one sent twice can be known."""

    key: str
    thread: str
    subject: str
    body: str
    severity: str
    at: datetime


class Channel(Protocol):
    """A way to a person."""

    name: str

    def send(self, message: Message) -> None:
        """Hand a message over.

        Raises:
            NotDelivered: nobody took it.
        """


def channels(settings: Settings) -> list[Channel]:
    """Return the ways to people that the settings name."""
    found: list[Channel] = []
    if settings.alert_to:
        url = settings.smtp_url.get_secret_value()
        found.append(Mail(url, settings.alert_from, settings.alert_to))
    return found + [Webhook(hook.get_secret_value()) for hook in settings.alert_webhook]


class Mail:
    """E-mail by SMTP: `smtp://`, `smtp+starttls://`, `smtps://`, with `user:password@` or not."""

    name = "email"

    def __init__(self, url: str, sender: str, to: Sequence[str]) -> None:
        self._url, self._sender, self._to = urlsplit(url), sender, list(to)

    def send(self, message: Message) -> None:
        """Send to all recipients in one message."""
        try:
            with self._connect() as server:
                refused = server.send_message(self._mail(message), self._sender, self._to)
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(f"SMTP {self._url.hostname}: {_short(str(error))}") from error
        for who, why in refused.items():
            log.warning("recipient_refused", recipient=who, error=str(why))

    def check(self) -> None:
        """Connect and log in, without a message.

        Raises:
            NotDelivered: that does not work.
        """
        try:
            with self._connect() as server:
                server.noop()
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(f"SMTP {self._url.hostname}: {_short(str(error))}") from error

    def _connect(self) -> smtplib.SMTP:
        host, scheme = self._url.hostname or "", self._url.scheme
        if scheme == "smtps":
            context = ssl.create_default_context()
            port = self._url.port or 465
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        else:
            port = self._url.port or (587 if scheme == "smtp+starttls" else 25)
            server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        try:
            if scheme == "smtp+starttls":
                server.starttls(context=ssl.create_default_context())
            if self._url.username:
                server.login(unquote(self._url.username), unquote(self._url.password or ""))
        except BaseException:
            server.close()
            raise
        return server

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, ", ".join(self._to)
        mail["Subject"] = _short(message.subject)
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.key}@axiom>"
        mail["References"] = f"<{message.thread}@axiom>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
        mail.set_content(message.body)
        return mail


class Webhook:
    """A POST of JSON in the shape that Slack, Mattermost and others take."""

    def __init__(self, url: str) -> None:
        self._url = url
        host = urlsplit(url).hostname
        self.name = f"webhook {host} {sha256(url.encode()).hexdigest()[:6]}"  # it is a secret

    def send(self, message: Message) -> None:
        """Post it; redirects are not followed."""
        request = urllib.request.Request(
            self._url,
            data=json.dumps(slack(message)).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "axiom"},
        )
        try:
            with urllib.request.build_opener(_NoRedirects()).open(request, timeout=TIMEOUT_S):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            raise NotDelivered(f"{self.name} answered {error.code}") from None
        except (OSError, ValueError) as error:
            reason = str(getattr(error, "reason", error))
            raise NotDelivered(f"{self.name}: {_short(reason)}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def slack(message: Message) -> dict[str, Any]:
    """Return the message as Slack takes it."""
    subject = _escaped(_short(message.subject))
    attachment = {
        "color": _COLOURS.get(message.severity, "#3b6ea5"),
        "fallback": subject,
        "text": _escaped(message.body),
        "ts": int(message.at.timestamp()),
    }
    return {"text": subject, "attachments": [attachment]}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(text: str) -> str:
    return one_line(text, LONGEST_LINE)


def render(alert: Mapping[str, Any], kind: str, key: str) -> Message:
    """Say in words what happened to an alert."""
    words = {"raised": alert["severity"].upper(), "reminder": "STILL", "cleared": "RESOLVED"}
    subject = f"[axiom] {words[kind]}: {_short(alert['subject'])}"
    lines = [alert["subject"], "", f"since      {_moment(alert['raised_at'])}"]
    if kind == "cleared":
        lasted = alert["cleared_at"] - alert["raised_at"]
        lines.append(f"until      {_moment(alert['cleared_at'])} ({_rounded(lasted)})")
    lines += [f"severity   {alert['severity']}", f"rule       {alert['rule']}"]
    if alert["pipeline"]:
        lines.append(f"pipeline   {alert['pipeline']}")
    lines.append(f"alert      {alert['id'][:8]}")
    if kind != "cleared":
        lines += ["", f"What to do: {alert['hint']}" if alert["hint"] else ""]
        lines.append(f"No more reminders: axiom alerts ack {alert['id'][:8]}")
    severity = "info" if kind == "cleared" else alert["severity"]
    return Message(key, alert["id"], subject, "\n".join(lines) + "\n", severity, utcnow())


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _rounded(span: timedelta) -> timedelta:
    return timedelta(seconds=round(span.total_seconds()))


def deliver(store: AlertStore, ways: Sequence[Channel]) -> int:
    """Send what is due; return how much went out.

    A channel that fails rests until the next call, so that one that hangs costs its time-out
    once. Killed between the sending and the mark, a message goes out once more, under the same
    Message-ID.
    """
    by_name, resting, sent = {way.name: way for way in ways}, set[str](), 0
    for _ in range(MOST_AT_ONCE):
        row = store.claim_notification(LEASE, resting)
        if row is None:
            break
        way = by_name.get(row["channel"])
        if way is None:
            store.drop(row["id"], "the settings do not name this channel any more")
        elif _sent(store, way, row):
            sent += 1
        else:
            resting.add(way.name)
    return sent


def _sent(store: AlertStore, way: Channel, row: Mapping[str, Any]) -> bool:
    message = render(row["alert"], row["kind"], f"{row['alert_id']}.{row['id']}")
    try:
        way.send(message)
    except NotDelivered as error:
        log.warning("not_delivered", channel=way.name, error=str(error), attempt=row["attempts"])
        if utcnow() - row["made_at"] > GIVE_UP_AFTER:
            store.drop(row["id"], str(error))
        else:
            delay_s = BACKOFF_S[min(row["attempts"], len(BACKOFF_S)) - 1]
            store.not_sent(row["id"], str(error), timedelta(seconds=delay_s))
        return False
    store.sent(row["id"])
    return True

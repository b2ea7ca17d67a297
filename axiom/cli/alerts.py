"""`axiom alerts`: what is open, who looks after it, who is spared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from axiom.cli import show
from axiom.cli.actions import who
from axiom.errors import ConfigError
from axiom.model import one_line, utcnow

if TYPE_CHECKING:
    from axiom.stores.alerts import AlertStore

COLOURS = {"critical": "bold red", "warning": "yellow", "info": "dim"}
GRAVE = 6  # the exit code
_UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=365)


def list_open(limit: int, *, as_json: bool) -> int:
    """List open alerts; 6 when one is critical and nobody looks after it."""
    store = _store()
    rows, mutes, unsent = store.open_alerts(limit), store.mutes(), store.unsent()
    if as_json:
        show.print_json({"alerts": rows, "mutes": mutes, "unsent": unsent})
    else:
        _show(rows)
        _show_notes(mutes, unsent, store.last_round())
    return GRAVE if any(map(is_grave, rows)) else 0


def is_grave(row: Mapping[str, Any]) -> bool:
    """Whether it is critical and nobody looks after it."""
    return bool(row["severity"] == "critical" and row["state"] == "open" and not row["muted"])


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        show.say("Nothing is wrong that anybody knows of.")
        return
    now = utcnow()
    for row in rows:
        state = "muted" if row.get("muted") else row["state"]
        _line(row, f"for {show.ago(row['raised_at'], now)}, {state}")
        if row["hint"]:
            show.console().print(_indented(row["hint"], "dim"))


def _line(row: Mapping[str, Any], when: str) -> None:
    from rich.text import Text

    colour = COLOURS.get(row["severity"], "")
    head = Text.assemble((row["severity"], colour), f" {row['id'][:8]}  ", (when, "dim"))
    out = show.console()
    out.print(head)
    out.print(_indented(one_line(row["subject"])))


def _indented(text: str, style: str = "") -> Any:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(text, style=style), (0, 0, 0, 2))


def _show_notes(
    mutes: Sequence[Mapping[str, Any]],
    unsent: Sequence[Mapping[str, Any]],
    last: Mapping[str, Any] | None,
) -> None:
    for row in mutes:
        show.say(f"{row['what']} is muted until {show.moment(row['until_at'])} by {row['by']}.")
    for row in unsent:
        show.say(f"{row['n']} messages by {row['channel']} wait to be sent: {row['error']}")
    if last is None:
        show.say("Nobody looks yet: beat does, and the workers of the queue control.")
    elif last["age_s"] > 60:
        show.say(f"Nobody has looked since {show.moment(last['ended_at'])}: is beat running?")


def history(rule: str | None, limit: int, *, as_json: bool) -> None:
    """List what there was, and news."""
    rows = _store().history(rule=rule, limit=limit)
    if as_json:
        show.print_json(rows)
        return
    for row in rows:
        until = f" to {show.moment(row['cleared_at'])}" if row["cleared_at"] else ""
        _line(row, f"{show.moment(row['raised_at'])}{until}, {row['state']}")
    if not rows:
        show.say("There was nothing.")


def acknowledge(alert: str, *, as_json: bool) -> None:
    """Acknowledge an alert."""
    from axiom.tasks import operate

    row = operate.acknowledge(alert, by=who())
    show.say_or_json(f"{row['id'][:8]} is yours: {row['subject']}", row, as_json=as_json)


def mute(what: str, duration: str, *, as_json: bool) -> None:
    """Mute a rule, a pipeline or a cause."""
    from axiom.tasks import operate

    until, by = utcnow() + span(duration), who()
    operate.mute(what, until, by=by)
    show.say_or_json(
        f"{what} is muted until {show.moment(until)} UTC; undo it: axiom alerts unmute {what}",
        {"what": what, "until_at": until, "by": by},
        as_json=as_json,
    )


def unmute(what: str, *, as_json: bool) -> None:
    """Unmute it."""
    from axiom.tasks import operate

    changed = operate.unmute(what, by=who())
    text = f"{what} is {'told again' if changed else 'not muted'}"
    show.say_or_json(text, {"what": what, "changed": changed}, as_json=as_json)


def span(text: str) -> timedelta:
    """Read a length of time such as `30min`, `2h` or `1d`."""
    found = re.fullmatch(r"(\d{1,6})\s*(s|min|m|h|d)", text.strip())
    if found is None or not timedelta(0) < (read := _span(found)) <= _LONGEST:
        raise ConfigError("--for", f"{text!r} is no length of time, such as 30min, 2h or 1d")
    return read


def _span(found: re.Match[str]) -> timedelta:
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def send_test(*, as_json: bool) -> int:
    """Send a test message by each channel; 1 when one did not take it, or there is none."""
    from axiom.config import settings
    from axiom.tasks.alerting import notify

    now = utcnow()
    ways = notify.channels(settings())
    told = [{"channel": way.name, **_try(way, now)} for way in ways]
    good = bool(told) and all(row["ok"] for row in told)
    if as_json:
        show.print_json({"ok": good, "channels": told})
    elif not told:
        show.say("No channel is set: AXIOM_SMTP_URL with AXIOM_ALERT_TO, or AXIOM_ALERT_WEBHOOK.")
    for row in () if as_json else told:
        show.say(f"{row['channel']}: {'taken' if row['ok'] else row['error']}")
    return 0 if good else 1


def _try(way: Any, now: datetime) -> dict[str, Any]:
    from axiom.tasks.alerting import notify

    key = f"test.{now.timestamp():.6f}"
    body = "Somebody ran: axiom alerts test\n"
    message = notify.Message(key, key, "[axiom] a test; nothing is wrong", body, "info", now)
    try:
        way.send(message)
    except notify.NotDelivered as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "error": None}


def _store() -> AlertStore:
    from axiom.tasks.services import services

    return services().alerts

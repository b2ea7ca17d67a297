"""Schedules in the ledger, and the beat that follows them, on a real Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from axiom.errors import ConfigError, StoreUnavailable
from axiom.ledger.actions import Actions
from axiom.ledger.ledger import Ledger
from axiom.ledger.schedules import Default, Schedules
from axiom.ledger.slots import parse_catch_up, parse_slots
from axiom.model import utcnow
from axiom.stores.postgres import Postgres
from axiom.tasks.beat import Firing

HOUR = timedelta(hours=1)
DEFAULTS = {
    "events": Default(parse_slots("*/5 * * * *"), parse_catch_up("latest")),
    "graph": Default(parse_slots("0 * * * *"), parse_catch_up("none")),
}


@pytest.fixture
def postgres(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture
def schedules(postgres: Postgres) -> Schedules:
    return Schedules(postgres, DEFAULTS)


class Beat:
    """A beat whose clock and messages the test holds."""

    def __init__(self, schedules: Schedules, now: datetime) -> None:
        self.now, self.sent = now, list[tuple[str, str]]()
        self.firing = Firing(schedules, self._send, lambda: self.now)

    def _send(self, pipeline: str, kwargs: Mapping[str, Any], fresh_s: float) -> None:
        assert 0 < fresh_s < 3600
        assert kwargs["trigger"] == "schedule"
        self.sent.append((pipeline, f"{datetime.fromisoformat(kwargs['at']):%H:%M:%S}"))

    def at(self, now: datetime) -> list[tuple[str, str]]:
        self.now, self.sent = now, []
        self.firing.tick()
        return self.sent


def tomorrow(clock: str) -> datetime:
    # after what `change` keeps by the clock of the database
    at = datetime.strptime(clock, "%H:%M:%S").replace(tzinfo=UTC).time()
    return datetime.combine(utcnow().date() + timedelta(days=1), at, tzinfo=UTC)


def test_a_schedule_is_the_default_until_it_is_changed(
    schedules: Schedules, postgres: Postgres
) -> None:
    assert schedules.all()["events"].is_default
    schedules.change("events", {"spec": "EVERY  90s"}, by="ann (cli)")
    schedules.change("events", {"catch_up": "all:24"}, by="ann (cli)")
    found = schedules.all()["events"]
    assert (found.slots.spec, str(found.catch_up), found.changed_by) == (
        "every 90s", "all:24", "ann (cli)",
    )  # fmt: skip
    schedules.change("events", {"spec": None}, by="bob (cli)")
    back = schedules.all()["events"]
    assert (back.slots.spec, str(back.catch_up)) == ("*/5 * * * *", "all:24")
    rows = Actions(postgres, Ledger(postgres)).audit(9)
    assert [(row.action, row.by, row.details["spec"]) for row in rows] == [
        ("schedule", "bob (cli)", None), ("schedule", "ann (cli)", "every 90s"),
        ("schedule", "ann (cli)", "every 90s"),
    ]  # fmt: skip
    assert rows[0].details["spec_was"] == "every 90s"


def test_what_cannot_be_read_changes_nothing(schedules: Schedules) -> None:
    with pytest.raises(ConfigError):
        schedules.change("events", {"spec": "soon"}, by="ann")
    with pytest.raises(ConfigError):
        schedules.change("events", {"spec": "every 9s", "catch_up": "some"}, by="ann")
    assert schedules.all()["events"].is_default


# --- the beat ---


def test_each_slot_is_fired_once_also_by_a_beat_that_starts_again(schedules: Schedules) -> None:
    beat = Beat(schedules, tomorrow("14:02:00"))
    assert beat.at(tomorrow("14:02:00")) == []  # a first start is the watch's concern
    assert beat.at(tomorrow("14:05:00")) == [("events", "14:05:00")]
    assert beat.at(tomorrow("14:05:04")) == []
    again = Beat(schedules, tomorrow("14:06:00"))
    assert again.at(tomorrow("14:06:00")) == []
    assert again.at(tomorrow("14:10:00")) == [("events", "14:10:00")]


def test_it_sleeps_until_the_next_slot(schedules: Schedules) -> None:
    beat = Beat(schedules, tomorrow("14:02:00"))
    assert beat.firing.tick() == 180


def test_a_late_slot_is_fired_once_or_not_at_all_by_the_policy(schedules: Schedules) -> None:
    Beat(schedules, tomorrow("12:02:00")).firing.tick()
    late = Beat(schedules, tomorrow("14:58:30"))
    assert late.at(tomorrow("14:58:30")) == [("events", "14:55:00")]  # graph: none
    assert late.at(tomorrow("15:00:10")) == [("events", "15:00:00"), ("graph", "15:00:00")]


def test_a_changed_schedule_holds_from_its_next_slot_on(schedules: Schedules) -> None:
    now = utcnow()
    beat = Beat(schedules, now)
    beat.at(now)
    schedules.change("graph", {"spec": "every 10s"}, by="ann")
    first = parse_slots("every 10s").latest(utcnow()) + timedelta(seconds=10)
    assert beat.at(first - timedelta(milliseconds=1)) == []
    assert ("graph", f"{first:%H:%M:%S}") in beat.at(first)


def test_a_paused_pipeline_is_not_fired_nor_made_up_for(
    schedules: Schedules, postgres: Postgres
) -> None:
    beat = Beat(schedules, tomorrow("14:02:00"))
    beat.at(tomorrow("14:02:00"))
    Ledger(postgres).pause("events", by="ann")
    assert beat.at(tomorrow("14:06:00")) == []
    Ledger(postgres).resume("events", by="ann")
    assert beat.at(tomorrow("14:07:00")) == []
    assert beat.at(tomorrow("14:10:00")) == [("events", "14:10:00")]


def test_without_the_ledger_the_schedules_that_were_read_are_followed(
    schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = Beat(schedules, tomorrow("14:02:00"))
    beat.at(tomorrow("14:02:00"))

    def away(*_: object) -> None:
        raise StoreUnavailable("Postgres is away")

    monkeypatch.setattr(schedules, "all", away)
    monkeypatch.setattr(schedules, "fired", away)
    assert beat.at(tomorrow("14:05:00")) == [("events", "14:05:00")]
    assert beat.at(tomorrow("14:05:04")) == []

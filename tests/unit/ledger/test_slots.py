"""When a pipeline is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from axiom.errors import ConfigError
from axiom.ledger.schedules import Schedule
from axiom.ledger.slots import CatchUp, after, parse_catch_up, parse_slots

NOW = datetime(2026, 11, 23, 14, 37, 20, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("spec", "latest", "following"),
    [
        ("* * * * *", "23 14:37:00", "23 14:38:00"),
        ("*/5 * * * *", "23 14:35:00", "23 14:40:00"),
        ("0 * * * *", "23 14:00:00", "23 15:00:00"),
        ("30 9-16 * * mon-fri", "23 14:30:00", "23 15:30:00"),
        ("0 16 * * fri", "20 16:00:00", "27 16:00:00"),
        ("0 0 * * sun", "22 00:00:00", "29 00:00:00"),
        ("every 90s", "23 14:36:00", "23 14:37:30"),
        ("5m", "23 14:35:00", "23 14:40:00"),
        ("every 2 hours", "23 14:00:00", "23 16:00:00"),
        ("1d", "23 00:00:00", "24 00:00:00"),
    ],
)
def test_slots_before_and_after_a_moment(spec: str, latest: str, following: str) -> None:
    slots = parse_slots(spec)
    assert f"{slots.latest(NOW):%d %T}" == latest
    assert f"{after(slots, NOW):%d %T}" == following
    assert after(slots, slots.latest(NOW)) == after(slots, NOW)  # a slot is not after itself


def test_a_rare_slot_is_found_over_years() -> None:
    slots = parse_slots("0 0 29 2 *")
    assert slots.latest(NOW) == datetime(2024, 2, 29, tzinfo=UTC)
    assert after(slots, NOW) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize("spec", ["*/5 * * * *", "every 5m"])
def test_a_range_includes_its_start_and_not_its_end(spec: str) -> None:
    since = datetime(2026, 11, 23, 14, tzinfo=UTC)
    found = list(parse_slots(spec).between(since, since + timedelta(minutes=15)))
    assert [f"{slot:%H:%M}" for slot in found] == ["14:00", "14:05", "14:10"]
    assert next(islice(parse_slots(spec).between(since + timedelta(seconds=1), NOW), 1)) == found[1]


@pytest.mark.parametrize("spec", ["every 90s", "every 5m", "every 2h", "every 3d", "0 9 * * mon"])
def test_a_spec_reads_as_it_was_written(spec: str) -> None:
    assert parse_slots(spec).spec == spec
    assert parse_slots(f" {spec.upper()} ").spec == spec


@pytest.mark.parametrize(
    "spec",
    ["", "soon", "61 * * * *", "* * * *", "*/0 * * * *", "1,,2 * * * *", "0 0 30 2 *", "every 5s",
     "every 0m", "every 400d", "every -5m", "* * * * * *", "every 99999999999999999999d"],
)  # fmt: skip
def test_what_is_no_schedule_is_told(spec: str) -> None:
    with pytest.raises(ConfigError, match="schedule: "):
        parse_slots(spec)


def test_policies_are_read() -> None:
    assert [str(parse_catch_up(text)) for text in ("none", "LATEST", "all:24")] == [
        "none", "latest", "all:24",
    ]  # fmt: skip
    for text in ("", "all", "all:0", "all:x", "some", "none:3", "all:10001"):
        with pytest.raises(ConfigError, match="catch-up: "):
            parse_catch_up(text)


@pytest.mark.parametrize(
    ("spec", "good", "now", "fresh"),
    [
        ("every 1m", "12:00", "12:01", True),
        ("every 1m", "12:00", "12:59", False),
        ("every 6h", "12:00", "17:00", True),  # as it was changed: hours are no staleness
        ("every 6h", "06:00", "17:00", False),
    ],
)
def test_a_pipeline_is_fresh_by_the_schedule_that_it_has(
    spec: str, good: str, now: str, fresh: bool
) -> None:
    schedule = Schedule("ingestion", parse_slots(spec), CatchUp("none"), is_default=False)
    good_at, at = (datetime.fromisoformat(f"2026-01-05T{each}Z") for each in (good, now))
    assert schedule.is_fresh(good_at, at) is fresh
    assert not schedule.is_fresh(None, at)

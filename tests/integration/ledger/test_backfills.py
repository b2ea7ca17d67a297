"""Backfills and catch-up, on a real Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from axiom.errors import ConfigError, NotNow, UnknownRun
from axiom.ledger.backfills import Backfill, Backfills
from axiom.ledger.history import History
from axiom.ledger.ledger import Ledger
from axiom.ledger.schedules import Default, Schedules
from axiom.ledger.slots import parse_catch_up, parse_slots
from axiom.model import RunState, SkipCode
from axiom.stores.postgres import Postgres

AT = datetime(2026, 1, 5, 14, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
EVERY_5 = parse_slots("every 5m")


@pytest.fixture
def postgres(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture
def ledger(postgres: Postgres) -> Ledger:
    return Ledger(postgres)


@pytest.fixture
def backfills(postgres: Postgres) -> Backfills:
    return Backfills(postgres)


def ask(backfills: Backfills, hours: float = 1) -> Backfill:
    return backfills.create("events", EVERY_5, AT, AT + hours * HOUR, by="ann (cli)")


def live(ledger: Ledger, run_id: str, at: datetime, pipeline: str = "events") -> bool:
    return ledger.claim(
        run_id, pipeline, at, engine="celery", trigger="schedule", deadline=MINUTE
    ).granted


def worked_off(backfills: Backfills, ledger: Ledger, backfill_id: str, at_once: int) -> list[str]:
    """Run a backfill to its end; return its logical times in order."""
    order: list[str] = []
    while backfills.get(backfill_id).state == "running":
        for claimed in backfills.advance(backfill_id, at_once):
            order.append(f"{claimed.logical_at:%H:%M}")
        active = [run for run in ledger.runs(limit=1000) if run.state is RunState.QUEUED]
        assert len(active) <= at_once
        for run in active:
            ledger.close(run.id, RunState.SUCCEEDED)
    return order


def test_a_range_is_run_oldest_first_a_few_at_a_time_each_once(
    backfills: Backfills, ledger: Ledger
) -> None:
    made = ask(backfills)
    order = worked_off(backfills, ledger, made.id, at_once=5)
    assert order == [f"14:{minute:02}" for minute in range(0, 60, 5)]
    done = backfills.get(made.id[:8])
    assert (done.state, done.total, done.claimed, done.existed) == ("done", 12, 12, 0)
    assert done.states == {"succeeded": 12}
    assert backfills.running() == []


def test_its_end_after_its_last_run_is_a_change_of_its_own(
    backfills: Backfills, ledger: Ledger, postgres: Postgres
) -> None:
    history = History(postgres)
    made = ask(backfills, hours=1 / 12)
    [claimed] = backfills.advance(made.id, 5)
    ledger.close(claimed.run_id, RunState.SUCCEEDED)
    before = set(history.pulse())
    backfills.advance(made.id, 5)
    assert [(each.run_id, each.state) for each in set(history.pulse()) - before] == [
        (made.id, "done")
    ]


def test_what_has_its_run_is_counted_and_not_run_again(
    backfills: Backfills, ledger: Ledger
) -> None:
    for n in (0, 10, 55):
        live(ledger, f"run-{n}", AT + n * MINUTE)
        ledger.close(f"run-{n}", RunState.FAILED)
    ledger.skip(
        "closed",
        "events",
        AT + 5 * MINUTE,
        trigger="schedule",
        reason="closed",
        code=SkipCode.CLOSED,
    )
    made = ask(backfills)
    assert len(worked_off(backfills, ledger, made.id, at_once=2)) == 9
    done = backfills.get(made.id)
    assert (done.claimed, done.existed) == (9, 3)


def test_a_backfill_neither_waits_for_the_live_run_nor_holds_it_up(
    backfills: Backfills, ledger: Ledger
) -> None:
    assert live(ledger, "live", AT + 9 * HOUR)
    made = ask(backfills)
    assert len(backfills.advance(made.id, 3)) == 3
    ledger.close("live", RunState.SUCCEEDED)
    assert live(ledger, "next", AT + 10 * HOUR)


def test_two_who_move_a_backfill_on_claim_each_time_once(
    postgres_url: str, backfills: Backfills
) -> None:
    made = ask(backfills)
    other = Postgres(postgres_url)
    with other.transaction() as cursor:
        cursor.execute("SELECT FROM backfills FOR UPDATE")
        assert backfills.advance(made.id, 3) == []  # somebody is at it
    assert len(backfills.advance(made.id, 3)) == 3
    assert backfills.advance(made.id, 3) == []


def test_a_claimed_run_of_a_backfill_may_still_be_skipped(
    backfills: Backfills, ledger: Ledger
) -> None:
    made = ask(backfills)
    [claimed] = backfills.advance(made.id, 1)
    ledger.skip(
        claimed.run_id,
        "events",
        claimed.logical_at,
        trigger="backfill",
        reason="closed",
        code=SkipCode.CLOSED,
    )
    assert backfills.get(made.id).states == {"skipped": 1}
    assert len(backfills.advance(made.id, 1)) == 1


def test_a_year_of_what_is_there_already_is_passed_over_in_large_steps(
    backfills: Backfills, postgres: Postgres
) -> None:
    postgres.execute(
        "INSERT INTO runs (id, pipeline, logical_at, engine, state, trigger)"
        " SELECT n::text, 'events', %s + n * interval '5 min', 'celery', 'succeeded', 'schedule'"
        " FROM generate_series(0, 19999) AS n",
        (AT,),
    )
    made = backfills.create("events", EVERY_5, AT, AT + 20_001 * 5 * MINUTE, by="ann")
    assert backfills.advance(made.id, 2) == []
    assert backfills.get(made.id).existed == 10_000
    backfills.advance(made.id, 2)
    [last] = backfills.advance(made.id, 2)
    assert last.logical_at == AT + 20_000 * 5 * MINUTE


def test_a_cancelled_backfill_claims_no_more(backfills: Backfills) -> None:
    made = ask(backfills)
    [claimed] = backfills.advance(made.id, 1)
    assert backfills.cancel(made.id, by="ann") == [claimed.run_id]
    assert backfills.advance(made.id, 9) == []
    assert backfills.get(made.id).state == "cancelled"
    with pytest.raises(NotNow):
        backfills.cancel(made.id, by="ann")


def test_a_range_without_a_slot_is_refused(backfills: Backfills) -> None:
    with pytest.raises(ConfigError, match="holds no slot"):
        backfills.create("events", EVERY_5, AT + MINUTE, AT + 2 * MINUTE, by="ann")
    with pytest.raises(ConfigError, match="more than"):
        backfills.create("events", parse_slots("10s"), AT, AT + 9999 * 24 * HOUR, by="ann")
    assert backfills.newest() == []
    for unknown in ("x", ""):
        with pytest.raises(UnknownRun):
            backfills.get(unknown)


# --- catch-up ---


def test_slots_that_nobody_ran_are_caught_up_once_the_newest_of_them(
    postgres: Postgres, backfills: Backfills, ledger: Ledger
) -> None:
    schedules = Schedules(postgres, {"events": Default(EVERY_5, parse_catch_up("all:4"))})

    def look(now: datetime) -> int:
        return backfills.catch_up(schedules.all()["events"], now)

    assert look(AT) == 0  # begins to count
    assert look(AT + MINUTE) == 0
    live(ledger, "there", AT + 25 * MINUTE)
    assert look(AT + 32 * MINUTE) == 4  # 5 … 25 are past, 30 is on; 25 was run
    assert look(AT + 33 * MINUTE) == 0
    [made] = backfills.newest()
    assert (made.kind, made.created_by) == ("catch-up", "axiom")
    times = [f"{each.logical_at:%H:%M}" for each in backfills.advance(made.id, 9)]
    assert sorted(times) == ["14:05", "14:10", "14:15", "14:20"]
    assert look(AT + 2 * HOUR) == 4  # of 18 that were missed
    newest = backfills.newest()[0]
    assert f"{newest.since:%H:%M}" == "15:40"


def test_what_was_missed_while_paused_is_not_caught_up(
    postgres: Postgres, backfills: Backfills, ledger: Ledger
) -> None:
    schedules = Schedules(postgres, {"events": Default(EVERY_5, parse_catch_up("all:4"))})
    backfills.catch_up(schedules.all()["events"], AT)
    ledger.pause("events", by="ann")
    assert backfills.catch_up(schedules.all()["events"], AT + HOUR) == 0
    ledger.resume("events", by="ann")
    assert backfills.catch_up(schedules.all()["events"], AT + HOUR) == 0
    assert backfills.newest() == []

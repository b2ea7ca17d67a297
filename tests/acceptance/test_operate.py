"""What a person does while real workers and a real beat are at work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from axiom.ledger.backfills import Backfill, Backfills
from axiom.model import Run, RunState, SkipCode, StepState
from tests.acceptance.conftest import Stack, children, end, wait_for

pytestmark = pytest.mark.timeout(240)
START = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
INSTRUMENTS = 25


def at(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def trigger(stack: Stack, minutes: int, pipeline: str = "ingestion") -> str:
    return str(stack.axiom("trigger", pipeline, "--at", at(minutes))["run"])


def prices_of(stack: Stack, run_id: str) -> int:
    rows = stack.postgres.query("SELECT count(*) AS n FROM prices WHERE run_id = %s", (run_id,))
    return int(rows[0]["n"])


def in_the_middle(stack: Stack, minutes: int) -> str:
    """Ask for a run, and return when the step that stores its prices has begun."""
    run_id = trigger(stack, minutes)
    wait_for(lambda: stack.attempts(run_id, "store_prices"), what="the step")
    waits = "SELECT 1 AS n FROM pg_locks WHERE NOT granted AND relation = 'prices'::regclass"
    wait_for(lambda: stack.postgres.query(waits), what="waiting for the table")
    return run_id


@contextmanager
def scheduled(stack: Stack) -> Iterator[None]:
    """A beat that also fires pipelines; they are paused when it ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXIOM_TEST_SCHEDULES", "on")
        patch.setenv("AXIOM_BACKFILL_RUNS", "100")
        beat = stack.celery("beat")
        try:
            yield
        finally:
            beat.terminate()  # else it would keep its lock from the next one
            beat.wait(30)


def live_runs(stack: Stack, since: datetime) -> list[Run]:
    found = stack.ledger.runs(pipeline="ingestion", limit=1000)
    return [run for run in found if run.trigger == "schedule" and run.created_at >= since]


def made_runs(stack: Stack, since: datetime, n: int) -> list[Run]:
    """Live runs, at least `n`, but for those that gave way to one that was still at work."""

    def look() -> list[Run]:
        found = [run for run in live_runs(stack, since) if run.skip_code is not SkipCode.BUSY]
        return found if len(found) >= n else []

    return list(wait_for(look, what=f"{n} live runs"))


def test_a_changed_schedule_is_followed_within_5_s_and_a_backfill_does_not_delay_it(
    stack: Stack,
) -> None:
    with scheduled(stack):
        worker = stack.worker("live@here")
        # a first look, by which beat knows what was dealt with
        wait_for(
            lambda: stack.postgres.query("SELECT 1 AS n FROM schedules WHERE fired_at IS NOT NULL")
        )
        for pipeline in ("graph", "events", "correlation"):
            stack.axiom("pause", pipeline)
        [changed] = stack.axiom("schedule", "ingestion", "every 10s")
        changed_at = datetime.fromisoformat(changed["changed_at"])
        first = wait_for(lambda: live_runs(stack, changed_at), what="a run by the new schedule")[-1]
        # its first slot comes within 10 s; beat knew of it 5 s after the change
        assert first.logical_at - changed_at <= timedelta(seconds=15)
        quiet = stack.ended(made_runs(stack, changed_at, 1)[-1].id)

        # 3600 slots that nobody ran, 100 of them at once: their messages fill the queues
        made = stack.axiom("backfill", "ingestion", "--since", at(-600), "--until", at(0))
        assert made["total"] == 3600
        wait_for(lambda: _backfill(stack, made["id"]).claimed > 150, what="a backfill at work")
        began_at = stack.postgres.query("SELECT clock_timestamp() AS at")[0]["at"]
        beside = [stack.ended(run.id) for run in made_runs(stack, began_at, 2)]
        assert {run.state for run in [quiet, *beside]} == {RunState.SUCCEEDED}
        for run in beside:  # it went before those that had been waiting for longer
            assert _overtaken(stack, made["id"], run) > 20
        ended = stack.axiom("backfill", "--cancel", made["id"])
        assert ended["state"] == "cancelled"
        assert not {"queued", "running"} & set(ended["states"])
        stack.axiom("schedule", "ingestion", "--default")
        stack.axiom("pause", "ingestion")  # what is left active would keep the next from starting
        wait_for(lambda: not stack.ledger.idle(), what="the end of every run")
        end(worker)


def _overtaken(stack: Stack, backfill_id: str, live: Run) -> int:
    """How many runs of a backfill were there before a live one and ended after it."""
    rows = stack.postgres.query(
        "SELECT count(*) AS n FROM runs WHERE backfill_id = %s AND created_at < %s"
        " AND coalesce(ended_at, clock_timestamp()) > %s",
        (backfill_id, live.created_at, live.ended_at),
    )
    return int(rows[0]["n"])


def _backfill(stack: Stack, backfill_id: str) -> Backfill:
    return Backfills(stack.postgres).get(backfill_id)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_cancelled_run_stops_writes_nothing_more_and_can_go_on(stack: Stack, pool: str) -> None:
    worker = stack.worker(f"{pool}@here", "-P", pool)
    minutes = 1 if pool == "prefork" else 2
    with stack.held_up():
        run_id = in_the_middle(stack, minutes)
        stack.axiom("cancel", run_id[:8], "--reason", "wrong day")
        stuck = "SELECT 1 AS n FROM pg_locks WHERE NOT granted AND relation = 'prices'::regclass"
        wait_for(lambda: not stack.postgres.query(stuck), what="the end of the step's session")
    # the worker is free: what comes next runs
    assert stack.ended(trigger(stack, minutes + 10)).state is RunState.SUCCEEDED
    run = stack.ledger.run(run_id)
    assert run.state is RunState.CANCELLED
    assert run.reason
    assert run.reason.endswith("(cli): wrong day")
    states = {step.name: step.state for step in stack.ledger.steps(run_id)}
    assert (states["store_prices"], states["close_run"]) == (
        StepState.CANCELLED, StepState.SKIPPED,
    )  # fmt: skip
    assert prices_of(stack, run_id) == 0
    assert stack.run("axiom", "cancel", run_id, check=False).returncode == 3

    assert stack.axiom("retry", run_id)["retries"] == 1
    again = stack.ended(run_id)
    assert (again.state, again.reason) == (RunState.SUCCEEDED, None)
    kept = [step.attempt for step in stack.ledger.steps(run_id) if step.name == "fetch_quotes"]
    assert kept == [1]  # what had succeeded was not run again
    assert stack.ledger.attempts(run_id)[0].outcome == "cancelled"
    end(worker)


def test_a_run_is_cancelled_while_its_worker_is_killed(stack: Stack) -> None:
    worker = stack.worker("killed@here")
    with stack.held_up():
        run_id = in_the_middle(stack, 20)
        for child in children(worker):
            child.send_signal(signal.SIGKILL)
        stack.axiom("cancel", run_id)
    assert stack.ended(trigger(stack, 21)).state is RunState.SUCCEEDED
    assert stack.ledger.run(run_id).state is RunState.CANCELLED
    assert prices_of(stack, run_id) == 0
    end(worker)


def test_a_retry_whose_message_is_lost_is_made_good_by_the_watch(stack: Stack) -> None:
    worker = stack.worker("lost@here")
    with stack.held_up():
        run_id = in_the_middle(stack, 30)
        stack.axiom("cancel", run_id)
    from axiom.ledger.actions import Actions

    # as when who asked is killed between the ledger and the broker
    Actions(stack.postgres, stack.ledger).retry(run_id, by="ann", is_there=lambda ref: True)
    stack.beat()
    assert stack.ended(run_id).state is RunState.SUCCEEDED
    end(worker)


def test_a_backfill_survives_that_everything_is_killed(stack: Stack) -> None:
    worker = stack.worker("first@here")
    stack.beat()
    made = stack.axiom("backfill", "ingestion", "--since", at(100), "--until", at(112))
    wait_for(lambda: _backfill(stack, made["id"]).claimed > 2, what="a backfill at work")
    end(worker)
    other = stack.worker("second@here")
    wait_for(lambda: _backfill(stack, made["id"]).state == "done", 120, "the backfill's end")
    done = _backfill(stack, made["id"])

    assert (done.claimed, dict(done.states)) == (12, {"succeeded": 12})
    again = stack.axiom("backfill", "ingestion", "--since", at(100), "--until", at(112))
    wait_for(lambda: _backfill(stack, again["id"]).state == "done", what="nothing to do")
    assert (_backfill(stack, again["id"]).claimed, _backfill(stack, again["id"]).existed) == (0, 12)
    end(other)

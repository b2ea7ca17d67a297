"""Claims, steps and the watch, on a real Postgres."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from axiom.errors import UnknownRun
from axiom.flow import Call
from axiom.ledger.ledger import Ledger
from axiom.ledger.watch import MAX_RESUMES, resume_stalled
from axiom.model import Claim, RunState, SkipCode, StepState
from axiom.stores.postgres import Postgres

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ledger(postgres_url: str) -> Ledger:
    return Ledger(Postgres(postgres_url))


def claim(
    ledger: Ledger, run_id: str, at: datetime = AT, *, engine: str = "celery", overlap: bool = False
) -> Claim:
    return ledger.claim(
        run_id, "ingestion", at, engine=engine, trigger="manual", deadline=MINUTE, overlap=overlap
    )


def planned(ledger: Ledger, run_id: str, *steps: str, at: datetime = AT) -> None:
    assert claim(ledger, run_id, at).granted
    ledger.plan(run_id, [Call(step) for step in steps], {"shape": []})


def start(ledger: Ledger, run_id: str, step: str) -> object:
    return ledger.start_step(run_id, Call(step), worker="w1", task_id="t1")


# --- claims ---


def test_a_skip_names_no_run_that_blocks_nothing(ledger: Ledger) -> None:
    assert claim(ledger, "beside", AT - MINUTE, overlap=True).granted
    assert claim(ledger, "first-live", AT).granted
    skipped = claim(ledger, "second", AT + MINUTE)
    assert skipped.run.reason == "run first-li is still active"


def test_a_logical_time_is_granted_once(ledger: Ledger) -> None:
    assert claim(ledger, "one").granted
    second = claim(ledger, "two")
    assert not second.granted
    assert second.run.state is RunState.SKIPPED
    assert second.run.reason == "run one has this logical time already (queued)"
    assert second.run.skip_code is SkipCode.TAKEN


def test_a_slot_that_is_fired_twice_leaves_no_second_row(ledger: Ledger) -> None:
    claim(ledger, "one")
    again = ledger.claim(
        "two", "ingestion", AT, engine="celery", trigger="schedule", deadline=MINUTE
    )
    assert (again.granted, again.run.id) == (False, "one")
    assert len(ledger.runs()) == 1


def test_a_run_whose_process_has_gone_makes_room(postgres_url: str, ledger: Ledger) -> None:
    elsewhere = Postgres(postgres_url)
    Ledger(elsewhere).hold("one")
    claim(ledger, "one", engine="langgraph")
    assert claim(ledger, "two", AT + MINUTE, engine="langgraph").run.state is RunState.SKIPPED
    elsewhere.close()
    locks = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
    _eventually(lambda: not ledger._db.query(locks))  # the server hears of it a little later
    assert claim(ledger, "three", AT + 2 * MINUTE, engine="langgraph").granted
    gone = ledger.run("one")
    assert (gone.state, gone.reason) == (RunState.CANCELLED, "its process ended")


def test_a_step_and_its_run_end_together(ledger: Ledger) -> None:
    planned(ledger, "one", "first", "second")
    start(ledger, "one", "first")
    reason = "first: bad data"
    ledger.fail_step(
        "one", Call("first"), error="bad data", traceback="", closing=(RunState.FAILED, reason)
    )
    assert (ledger.run("one").state, ledger.run("one").reason) == (RunState.FAILED, reason)
    assert start(ledger, "one", "second") is None  # a run that ended goes no further


def test_a_redelivered_message_is_granted_its_own_active_run_again(ledger: Ledger) -> None:
    claim(ledger, "one")
    again = claim(ledger, "one")
    assert again.granted
    ledger.close("one", RunState.SUCCEEDED)
    assert not claim(ledger, "one").granted


def test_of_many_claims_at_once_one_is_granted(postgres_url: str, ledger: Ledger) -> None:
    granted: list[bool] = []
    barrier = threading.Barrier(8)

    def ask(n: int) -> None:
        own = Ledger(Postgres(postgres_url))
        barrier.wait()
        granted.append(claim(own, f"run-{n}").granted)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == [False] * 7 + [True]


def test_a_run_beside_an_active_one_is_skipped_and_says_why(ledger: Ledger) -> None:
    claim(ledger, "one")
    second = claim(ledger, "two", AT + MINUTE)
    assert second.run.state is RunState.SKIPPED
    assert second.run.reason == "run one is still active"
    assert second.run.skip_code is SkipCode.BUSY


def test_a_run_may_overlap_when_told_to(ledger: Ledger) -> None:
    claim(ledger, "one")
    assert claim(ledger, "two", AT + MINUTE, overlap=True).granted


def test_the_two_engines_do_not_take_each_others_claims(ledger: Ledger) -> None:
    assert claim(ledger, "one").granted
    assert claim(ledger, "two", engine="langgraph").granted


def test_a_skipped_time_may_be_claimed_later(ledger: Ledger) -> None:
    claim(ledger, "one")
    claim(ledger, "two", AT + MINUTE)
    ledger.close("one", RunState.SUCCEEDED)
    assert claim(ledger, "three", AT + MINUTE).granted


# --- steps ---


def test_a_step_learns_what_came_before_it(ledger: Ledger) -> None:
    planned(ledger, "one", "first", "second")
    start(ledger, "one", "first")
    ledger.finish_step("one", Call("first"), {"rows": 25})
    started = ledger.start_step("one", Call("second"), worker="w1", task_id="t2")
    assert started is not None
    assert started.inputs == {"first": {"rows": 25}}
    assert (started.pipeline, started.logical_at, started.attempt) == ("ingestion", AT, 1)


def test_a_finished_step_is_not_started_again(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    start(ledger, "one", "first")
    ledger.finish_step("one", Call("first"), 1)
    assert start(ledger, "one", "first") is None


def test_a_step_of_an_ended_run_is_not_started(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    ledger.close("one", RunState.CANCELLED)
    assert start(ledger, "one", "first") is None
    assert [s.state for s in ledger.steps("one")] == [StepState.SKIPPED]


def test_a_second_delivery_waits_for_the_first_and_then_does_nothing(
    postgres_url: str, ledger: Ledger
) -> None:
    planned(ledger, "one", "first")
    start(ledger, "one", "first")
    answers: list[object] = []
    asked = threading.Event()

    def deliver() -> None:
        own = Ledger(Postgres(postgres_url))
        own.runs()  # connects
        asked.set()
        answers.append(start(own, "one", "first"))

    second = threading.Thread(target=deliver)
    second.start()
    asked.wait(10)
    second.join(0.2)
    assert second.is_alive()
    ledger.finish_step("one", Call("first"), 1)
    second.join(10)
    assert answers == [None]


def test_a_dead_process_lets_go_of_its_step(postgres_url: str, ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    dying = Postgres(postgres_url)
    Ledger(dying).start_step("one", Call("first"), worker="w1", task_id="t1")
    assert [run["held"] for run in ledger.idle()] == [True]
    dying.close()
    again = ledger.start_step("one", Call("first"), worker="w2", task_id="t1")
    assert again is not None
    assert again.attempt == 2


def test_planning_again_changes_nothing(ledger: Ledger) -> None:
    planned(ledger, "one", "first", "second")
    start(ledger, "one", "first")
    ledger.finish_step("one", Call("first"), 1)
    ledger.plan("one", [Call("first"), Call("second")], {"shape": []})
    assert [s.state for s in ledger.steps("one")] == [StepState.SUCCEEDED, StepState.PENDING]


def test_an_ended_run_stays_as_it_ended(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    ledger.close("one", RunState.FAILED, "broken")
    ledger.close("one", RunState.SUCCEEDED)
    assert ledger.run("one").state is RunState.FAILED


# --- pause, questions ---


def test_a_pause_is_kept_until_it_is_taken_back(ledger: Ledger) -> None:
    assert ledger.pause("graph", by="ann", reason="feed is wrong")
    assert not ledger.pause("graph", by="bob")
    paused = ledger.paused("graph")
    assert paused is not None
    assert (paused["paused_by"], paused["pause_reason"]) == ("ann", "feed is wrong")
    assert ledger.resume("graph", by="ann")
    assert not ledger.resume("graph", by="ann")
    assert ledger.paused("graph") is None


def test_a_run_is_found_by_the_start_of_its_id(ledger: Ledger) -> None:
    claim(ledger, "abcdef")
    assert ledger.run("abc").id == "abcdef"
    for unknown in ("x", "", "%", "a_c"):
        with pytest.raises(UnknownRun):
            ledger.run(unknown)


def test_the_previous_good_run_is_found(ledger: Ledger) -> None:
    for n, state in enumerate([RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED]):
        claim(ledger, f"run-{n}", AT + n * MINUTE)
        ledger.close(f"run-{n}", state)
    # what a partial run left is looked at again
    assert ledger.previous("ingestion", AT + 9 * MINUTE) == AT
    assert ledger.previous("ingestion", AT) is None


def test_the_replay_starts_once(ledger: Ledger) -> None:
    assert ledger.replay_start(AT) == AT
    assert ledger.replay_start(AT + MINUTE) == AT


# --- the watch ---


def watch(ledger: Ledger, *, stall_after_s: float = 0.0, waiting: bool = False) -> list[str]:
    published: list[str] = []
    resume_stalled(
        ledger,
        stall_after_s=stall_after_s,
        waiting=lambda pipeline, steps: waiting,
        publish=lambda run: published.append(run.id),
    )
    return published


def test_a_run_that_stopped_moving_is_published_again(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    assert watch(ledger) == ["one"]


def test_a_run_that_nobody_planned_is_published_again(ledger: Ledger) -> None:
    claim(ledger, "one")
    assert watch(ledger) == ["one"]


def test_a_run_is_left_alone_while_it_moves(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    assert watch(ledger, stall_after_s=60) == []


def test_a_run_is_left_alone_while_a_step_of_it_is_held(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    start(ledger, "one", "first")
    assert watch(ledger) == []


def test_a_run_is_left_alone_while_its_messages_wait(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    assert watch(ledger, waiting=True) == []


def test_a_run_is_left_alone_until_its_retry_is_due(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    start(ledger, "one", "first")
    ledger.retry_step("one", Call("first"), error="down", traceback="", delay_s=60)
    assert watch(ledger) == []


def test_a_run_that_cannot_be_helped_fails(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    for _ in range(MAX_RESUMES):
        assert watch(ledger) == ["one"]
    assert watch(ledger) == []
    ended = ledger.run("one")
    assert ended.state is RunState.FAILED
    assert (
        ended.reason == f"stopped moving {MAX_RESUMES + 1} times; the logs of its workers say why"
    )


def test_a_run_that_is_late_goes_on_and_one_that_is_late_by_days_fails(ledger: Ledger) -> None:
    for run_id, late_h in (("late", 47), ("lost", 49)):
        ledger.claim(
            run_id, "graph", AT + late_h * MINUTE, engine="celery", trigger="manual",
            deadline=timedelta(hours=-late_h), overlap=True,
        )  # fmt: skip
        ledger.plan(run_id, [Call("first")], {"shape": []})
        ledger.start_step(run_id, Call("first"), worker="w", task_id="t")
        ledger.defer_step(run_id, Call("first"), reason="no budget", delay_s=60)
    assert watch(ledger) == []
    assert ledger.run("late").state is RunState.RUNNING
    lost = ledger.run("lost")
    assert (lost.state, lost.reason) == (RunState.FAILED, "not done 48 h after its deadline")


def test_two_watches_publish_a_stalled_run_once(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    seen = ledger.idle()[0]["resumed_at"]
    assert ledger.count_resume("one", seen)
    assert not ledger.count_resume("one", seen)


def test_a_deferred_step_was_no_attempt(ledger: Ledger) -> None:
    planned(ledger, "one", "first")
    for _ in range(10):
        started = ledger.start_step("one", Call("first"), worker="w", task_id="t")
        assert started
        assert started.attempt == 1
        ledger.defer_step("one", Call("first"), reason="the budget is spent", delay_s=60)
    [row] = ledger.steps("one")
    assert (row.state, row.attempt) == (StepState.RETRYING, 0)
    assert row.error == "deferred: the budget is spent"


def test_resumptions_that_helped_do_not_count(ledger: Ledger) -> None:
    names = [f"step_{n}" for n in range(MAX_RESUMES + 3)]
    planned(ledger, "one", *names, "last")
    for name in names:
        assert watch(ledger) == ["one"]
        start(ledger, "one", name)
        ledger.finish_step("one", Call(name), None)
    for _ in range(MAX_RESUMES):
        assert watch(ledger) == ["one"]
    assert watch(ledger) == []
    assert ledger.run("one").state is RunState.FAILED


WAITS = """
import sys
from axiom.flow import Call
from axiom.ledger.ledger import Ledger
from axiom.stores.postgres import Postgres
Ledger(Postgres(sys.argv[1])).start_step("one", Call("a"), worker="w2", task_id="t2")
"""


def test_who_dies_while_it_waits_for_a_step_does_not_begin_it(
    postgres_url: str, ledger: Ledger
) -> None:
    planned(ledger, "one", "a", "b")
    start(ledger, "one", "a")
    database, locks = Postgres(postgres_url), "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
    second = subprocess.Popen([sys.executable, "-c", WAITS, postgres_url])
    _eventually(lambda: len(database.query(f"{locks} AND NOT granted")) == 1)
    second.kill()
    second.wait()
    _eventually(lambda: not database.query(f"{locks} AND NOT granted"))
    ledger.defer_step("one", Call("a"), reason="no budget", delay_s=0)
    [step, _] = ledger.steps("one")
    assert (step.state, step.attempt) == (StepState.RETRYING, 0)


def _eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)

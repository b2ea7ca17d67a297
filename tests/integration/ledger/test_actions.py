"""What a person does to runs, on a real Postgres."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from axiom.errors import NotNow, StoreUnavailable, UnknownRun
from axiom.flow import Call, Each, Flow, Parallel
from axiom.ledger.actions import Actions, references
from axiom.ledger.ledger import Ledger
from axiom.model import RunState, StepState
from axiom.stores.postgres import Postgres

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _step(name: str) -> Callable[[object], None]:
    def step(ctx: object) -> None:
        return None

    step.__name__ = name
    return step


FLOW = Flow(
    "graph", _step("choose"), Each("choose", _step("fetch"), _step("read")), _step("join"),
    Parallel(_step("left"), _step("right")), _step("last"),
)  # fmt: skip
ITEMS = ("A", "B")
CALLS = [call for stage in FLOW.plan(ITEMS) for call in stage.calls()]


@pytest.fixture
def postgres(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture
def ledger(postgres: Postgres) -> Ledger:
    return Ledger(postgres)


@pytest.fixture
def actions(postgres: Postgres, ledger: Ledger) -> Actions:
    return Actions(postgres, ledger)


def begin(ledger: Ledger, run_id: str = "one", at: datetime = AT, engine: str = "celery") -> None:
    claim = ledger.claim(run_id, "graph", at, engine=engine, trigger="manual", deadline=MINUTE)
    assert claim.granted
    ledger.plan(run_id, CALLS, {"shape": FLOW.describe(), "items": list(ITEMS)})


def start(ledger: Ledger, call: Call, *, task_id: str = "t", retries: int = 0) -> object:
    return ledger.start_step("one", call, worker="w", task_id=task_id, retries=retries)


def succeed(ledger: Ledger, *calls: Call, output: object = 1) -> None:
    for call in calls:
        start(ledger, call)
        ledger.finish_step("one", call, output)


def fail(ledger: Ledger, call: Call) -> None:
    start(ledger, call)
    ledger.fail_step("one", call, error="bad data", traceback="Traceback")


def states(ledger: Ledger, run_id: str = "one") -> dict[str, StepState]:
    return {f"{step.name} {step.item}".strip(): step.state for step in ledger.steps(run_id)}


def everything_is_there(ref: str) -> bool:
    return True


# --- cancel ---


def test_a_cancelled_run_ends_and_its_steps_with_it(ledger: Ledger, actions: Actions) -> None:
    begin(ledger)
    succeed(ledger, Call("choose"))
    start(ledger, Call("fetch", "A"), task_id="running")
    assert actions.cancel("one", by="ann (console)", reason="wrong day") == ["running"]
    run = ledger.run("one")
    assert (run.state, run.reason) == (
        RunState.CANCELLED, "cancelled by ann (console): wrong day",
    )  # fmt: skip
    found = states(ledger)
    assert found.pop("choose") is StepState.SUCCEEDED
    assert found.pop("fetch A") is StepState.CANCELLED
    assert set(found.values()) == {StepState.SKIPPED}
    [attempt] = ledger.attempts("one")
    assert (attempt.name, attempt.item, attempt.outcome) == ("fetch", "A", "cancelled")


def test_what_a_cancelled_step_still_hands_in_is_refused(ledger: Ledger, actions: Actions) -> None:
    begin(ledger)
    start(ledger, Call("choose"))
    actions.cancel("one", by="ann", reason=None)
    ledger.finish_step("one", Call("choose"), 1, closing=(RunState.SUCCEEDED, None))
    assert ledger.run("one").state is RunState.CANCELLED
    assert states(ledger)["choose"] is StepState.CANCELLED
    assert start(ledger, Call("fetch", "A")) is None


def test_a_cancelled_step_can_store_nothing_more(
    postgres_url: str, ledger: Ledger, actions: Actions
) -> None:
    begin(ledger)
    elsewhere = Postgres(postgres_url)
    step = Ledger(elsewhere)
    step.start_step("one", Call("choose"), worker="w", task_id="t")

    def store_in_two_statements() -> None:
        with elsewhere.transaction() as cursor:
            cursor.execute("INSERT INTO replay (started_at) VALUES (now())")
            actions.cancel("one", by="ann", reason=None)
            assert actions.stop_sessions() == 1
            cursor.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        store_in_two_statements()
    assert not elsewhere.query("SELECT started_at FROM replay")
    assert actions.stop_sessions() == 0


def test_a_run_that_ended_cannot_be_cancelled(ledger: Ledger, actions: Actions) -> None:
    begin(ledger)
    ledger.close("one", RunState.SUCCEEDED)
    with pytest.raises(NotNow, match="run one has ended already"):
        actions.cancel("one", by="ann", reason=None)
    with pytest.raises(UnknownRun):
        actions.cancel("two", by="ann", reason=None)
    assert actions.audit(9) == []


# --- retry ---


def partial(ledger: Ledger) -> None:
    """A run whose item A could not be read, joined without it."""
    begin(ledger)
    succeed(ledger, Call("choose"), Call("fetch", "A"), Call("fetch", "B"), Call("read", "B"))
    fail(ledger, Call("read", "A"))
    succeed(ledger, Call("join"), Call("left"), Call("right"), Call("last"))
    ledger.close("one", RunState.PARTIAL, "read (A): bad data")


def test_a_retry_repeats_what_failed_and_what_follows_it(ledger: Ledger, actions: Actions) -> None:
    partial(ledger)
    before = ledger.run("one")
    run = actions.retry("one", by="ann", is_there=everything_is_there)
    assert (run.id, run.state, run.reason, run.retries) == ("one", RunState.RUNNING, None, 1)
    assert run.deadline_at
    assert before.deadline_at
    assert run.deadline_at > before.deadline_at
    done, open_ = StepState.SUCCEEDED, StepState.PENDING
    assert states(ledger) == {
        "choose": done, "fetch A": done, "read A": open_, "fetch B": done, "read B": done,
        "join": open_, "left": open_, "right": open_, "last": open_,
    }  # fmt: skip
    [failed] = ledger.attempts("one")  # what went wrong is still told
    assert (failed.name, failed.outcome, failed.error) == ("read", "failed", "bad data")
    [row] = actions.audit(9)
    assert (row.by, row.action, row.run_id) == ("ann", "retry", "one")
    assert row.details["was"] == "partial"


def test_a_message_from_before_a_retry_does_nothing(ledger: Ledger, actions: Actions) -> None:
    partial(ledger)
    actions.retry("one", by="ann", is_there=everything_is_there)
    assert start(ledger, Call("last")) is None
    assert start(ledger, Call("read", "A"), retries=1) is not None


def test_who_was_cancelled_does_not_end_the_step_of_those_who_try_again(
    postgres_url: str, ledger: Ledger, actions: Actions
) -> None:
    begin(ledger)
    start(ledger, Call("choose"), task_id="old")
    actions.cancel("one", by="ann", reason=None)
    actions.retry("one", by="ann", is_there=everything_is_there)
    ledger.let_go("one", Call("choose"))
    other = Ledger(Postgres(postgres_url))
    assert other.start_step("one", Call("choose"), worker="w", task_id="new", retries=1)
    for _ in range(2):  # with its closing too
        ledger.finish_step("one", Call("choose"), "old", closing=(RunState.FAILED, "old"))
    assert states(ledger)["choose"] is StepState.RUNNING
    assert ledger.run("one").state is RunState.RUNNING
    other.finish_step("one", Call("choose"), "new")
    assert ledger.steps("one")[0].output == "new"


def test_a_retry_repeats_what_handed_on_an_artifact_that_has_gone(
    ledger: Ledger, actions: Actions
) -> None:
    begin(ledger)
    succeed(ledger, Call("choose"), *(Call(name, i) for name in ("fetch", "read") for i in ITEMS))
    succeed(ledger, Call("join"), output={"rows": "axiom:artifact:one:rows"})
    fail(ledger, Call("left"))
    ledger.close("one", RunState.FAILED)
    actions.retry("one", by="ann", is_there=lambda ref: False)
    found = states(ledger)
    assert found["read B"] is StepState.SUCCEEDED
    assert {found[name] for name in ("join", "left", "right", "last")} == {StepState.PENDING}


def test_attempts_are_counted_anew_and_the_old_ones_kept(ledger: Ledger, actions: Actions) -> None:
    begin(ledger)
    start(ledger, Call("choose"))
    ledger.retry_step("one", Call("choose"), error="slow", traceback="T", delay_s=0)
    fail(ledger, Call("choose"))
    ledger.close("one", RunState.FAILED)
    actions.retry("one", by="ann", is_there=everything_is_there)
    assert ledger.steps("one")[0].attempt == 0
    kept = [(each.attempt, each.outcome, each.error) for each in ledger.attempts("one")]
    assert kept == [(1, "retried", "slow"), (2, "failed", "bad data")]


def test_an_attempt_whose_process_died_is_kept(postgres_url: str, ledger: Ledger) -> None:
    begin(ledger)
    dying = Postgres(postgres_url)
    Ledger(dying).start_step("one", Call("choose"), worker="w1", task_id="t")
    dying.close()
    start(ledger, Call("choose"))
    [attempt] = ledger.attempts("one")
    assert (attempt.worker, attempt.outcome, attempt.attempt) == ("w1", "died", 1)


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.SKIPPED])
def test_what_went_well_is_not_retried(ledger: Ledger, actions: Actions, state: RunState) -> None:
    begin(ledger)
    with pytest.raises(NotNow, match="is still active"):
        actions.retry("one", by="ann", is_there=everything_is_there)
    ledger.close("one", state)
    with pytest.raises(NotNow, match="nothing to retry"):
        actions.retry("one", by="ann", is_there=everything_is_there)


def test_a_run_of_one_process_is_not_retried(ledger: Ledger, actions: Actions) -> None:
    begin(ledger, engine="langgraph")
    ledger.close("one", RunState.FAILED)
    with pytest.raises(NotNow, match="ran in one process"):
        actions.retry("one", by="ann", is_there=everything_is_there)


def test_a_run_is_not_retried_beside_an_active_one(ledger: Ledger, actions: Actions) -> None:
    begin(ledger)
    ledger.close("one", RunState.FAILED)
    begin(ledger, "two", AT + MINUTE)
    with pytest.raises(NotNow, match="another run of its pipeline is active"):
        actions.retry("one", by="ann", is_there=everything_is_there)
    assert ledger.run("one").state is RunState.FAILED
    assert actions.audit(9) == []


def test_references_are_found_wherever_they_are() -> None:
    ref = "axiom:artifact:one:rows"
    assert references({"a": [{"b": ref}], "c": "text", "d": 1}) == [ref]


# --- audit ---


def test_each_action_leaves_who_and_when(ledger: Ledger, actions: Actions) -> None:
    ledger.pause("graph", by="ann (console)", reason="feed is wrong")
    ledger.pause("graph", by="bob (cli)")  # changed nothing
    ledger.resume("graph", by="bob (cli)")
    asked = actions.record("trigger", by="ann", pipeline="graph", run_id="x", at=None)
    actions.record_failure(asked, "no broker")
    rows = actions.audit(9)
    assert [(row.action, row.by) for row in rows] == [
        ("trigger", "ann"), ("resume", "bob (cli)"), ("pause", "ann (console)"),
    ]  # fmt: skip
    assert rows[0].details == {"failed": "no broker"}
    assert rows[2].details == {"reason": "feed is wrong"}
    assert [row.action for row in actions.audit(1, before=rows[1].id)] == ["pause"]

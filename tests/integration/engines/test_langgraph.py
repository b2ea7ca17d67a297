"""Runs in one process, on a real ledger."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from axiom.engines.execute import Engine
from axiom.engines.langgraph import run_in_process, state_graph
from axiom.errors import BudgetSpent, ProviderUnavailable
from axiom.flow import Context, Each, Flow, Parallel
from axiom.ledger.ledger import Ledger
from axiom.model import PIPELINES, Cadence, RunState, StepState
from axiom.stores.artifacts import MemoryArtifacts
from axiom.stores.postgres import Postgres

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


class Script:
    """Services of the toy flow: what each step should do when it is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.faults: dict[tuple[str, str], list[Exception]] = {}

    def play(self, step: str, ctx: Context[Any]) -> None:
        self.calls.append((step, ctx.item))
        if faults := self.faults.get((step, ctx.item)):
            raise faults.pop(0)


Step = Callable[[Context[Script]], Any]


def step(name: str, value: Step) -> Step:
    def run(ctx: Context[Script]) -> Any:
        ctx.services.play(name, ctx)
        return value(ctx)

    run.__name__ = name
    return run


FLOW = Flow(
    "ingestion",
    step("pick", lambda ctx: ["a", "b", "c"]),
    Each(
        "pick",
        step("fetch", lambda ctx: f"raw {ctx.item}"),
        step("read", lambda ctx: ctx.inputs["fetch"][ctx.item].upper()),
    ),
    step("join", lambda ctx: sorted(ctx.inputs.get("read", {}).values())),
    Parallel(step("left", lambda ctx: 1), step("right", lambda ctx: 2)),
    step("close", lambda ctx: {"joined": ctx.inputs["join"], "lost": ctx.failures}),
)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def engine(postgres_url: str, script: Script) -> Engine:
    return Engine(Ledger(Postgres(postgres_url)), script, MemoryArtifacts(), "langgraph", "here")


def run(engine: Engine, at: datetime = AT) -> Any:
    return run_in_process(engine, FLOW, at, wait=lambda _s: None).run


def outputs(engine: Engine, run_id: str) -> dict[tuple[str, str], Any]:
    return {(s.name, s.item): s.output for s in engine.ledger.steps(run_id)}


def test_every_step_runs_once_and_hands_on_what_it_returned(engine: Engine, script: Script) -> None:
    ended = run(engine)
    assert ended.state is RunState.SUCCEEDED
    assert len(script.calls) == len(set(script.calls)) == 11
    said = outputs(engine, ended.id)
    assert said["join", ""] == ["RAW A", "RAW B", "RAW C"]
    assert said["close", ""] == {"joined": ["RAW A", "RAW B", "RAW C"], "lost": {}}


def test_a_failing_item_leaves_its_siblings_alone_and_the_run_partial(
    engine: Engine, script: Script
) -> None:
    script.faults["fetch", "b"] = [ValueError("no such company")]
    ended = run(engine)
    assert ended.state is RunState.PARTIAL
    assert ended.reason == "fetch (b): ValueError: no such company"
    states = {(s.name, s.item): s.state for s in engine.ledger.steps(ended.id)}
    assert states["read", "b"] is StepState.SKIPPED
    assert outputs(engine, ended.id)["close", ""]["lost"] == {
        "fetch": {"b": "ValueError: no such company"}
    }


def test_a_run_fails_when_every_item_failed(engine: Engine, script: Script) -> None:
    script.faults = {("fetch", item): [ValueError("gone")] for item in "abc"}
    assert run(engine).state is RunState.FAILED


def test_a_failing_step_in_series_ends_the_run_with_its_traceback(
    engine: Engine, script: Script
) -> None:
    script.faults["join", ""] = [ValueError("cannot join")]
    ended = run(engine)
    assert (ended.state, ended.reason) == (RunState.FAILED, "join: ValueError: cannot join")
    steps = {s.name: s for s in engine.ledger.steps(ended.id)}
    assert "in play" in (steps["join"].traceback or "")
    assert steps["close"].state is StepState.SKIPPED
    assert ("left", "") not in script.calls


def test_what_another_attempt_may_mend_is_tried_again(engine: Engine, script: Script) -> None:
    script.faults["fetch", "a"] = [ProviderUnavailable("down"), ProviderUnavailable("down")]
    ended = run(engine)
    assert ended.state is RunState.SUCCEEDED
    assert {s.item: s.attempt for s in engine.ledger.steps(ended.id) if s.name == "fetch"} == {
        "a": 3,
        "b": 1,
        "c": 1,
    }


def test_attempts_end(engine: Engine, script: Script) -> None:
    script.faults["join", ""] = [ProviderUnavailable("down") for _ in range(10)]
    ended = run(engine)
    assert ended.state is RunState.FAILED
    assert [s.attempt for s in engine.ledger.steps(ended.id) if s.name == "join"] == [4]


def test_what_a_limit_of_ours_puts_off_is_no_attempt(engine: Engine, script: Script) -> None:
    script.faults["join", ""] = [BudgetSpent("spent", retry_in_s=1) for _ in range(10)]
    ended = run(engine)
    assert ended.state is RunState.SUCCEEDED
    assert [s.attempt for s in engine.ledger.steps(ended.id) if s.name == "join"] == [1]


def test_who_sits_in_front_of_it_does_not_wait_for_ever(engine: Engine, script: Script) -> None:
    script.faults["join", ""] = [BudgetSpent("the day is spent", 100) for _ in range(10)]
    ended = run(engine)
    assert (ended.state, ended.reason) == (RunState.FAILED, "join: the day is spent")
    assert len(script.faults["join", ""]) == 7


def test_a_logical_time_is_run_once(engine: Engine, script: Script) -> None:
    first = run(engine)
    again = run_in_process(engine, FLOW, AT)
    assert not again.granted
    assert again.run.reason == f"run {first.id[:8]} has this logical time already (succeeded)"
    assert len(script.calls) == 11


def test_an_interrupted_run_says_so_and_makes_room(engine: Engine, script: Script) -> None:
    script.faults["join", ""] = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        run(engine)
    [ended] = engine.ledger.runs()
    assert (ended.state, ended.reason) == (RunState.CANCELLED, "interrupted: KeyboardInterrupt")
    assert run(engine, AT + timedelta(minutes=1)).state is RunState.SUCCEEDED


def test_the_graph_draws_itself(engine: Engine) -> None:
    drawn = state_graph(engine, FLOW, "unused", ["a", "b"]).get_graph().draw_mermaid()
    assert "fetch a" in drawn


def test_every_pipeline_has_a_cadence() -> None:
    assert all(isinstance(cadence, Cadence) for cadence in PIPELINES.values())

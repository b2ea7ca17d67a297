"""From a FLOW to a LangGraph graph that runs in this process, without a broker.

The same steps, the same ledger, the same results as the queue engine; to try a
pipeline, to debug it, and to compare the two.
"""

from __future__ import annotations

import operator
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, TypedDict
from urllib.parse import quote

from axiom.engines.execute import Engine, execute_step, plan_run
from axiom.errors import AxiomError
from axiom.flow import Call, Flow, Stage
from axiom.model import PIPELINES, Claim, Json, RunState

MAX_CONCURRENCY = 8
PATIENCE_S = 120.0


class _State(TypedDict):
    # what steps hand on is in the ledger; the graph carries only what failed in series
    stopped: Annotated[list[str], operator.add]


def run_in_process(
    engine: Engine,
    flow: Flow,
    logical_at: datetime,
    *,
    params: Mapping[str, Json] | None = None,
    max_concurrency: int = MAX_CONCURRENCY,
    wait: Callable[[float], None] = time.sleep,
) -> Claim:
    """Claim, plan and run a pipeline here; the claim's run tells how it ended.

    Retries wait in place. Steps of a group run in threads, `max_concurrency` at
    a time.
    """
    run_id = str(uuid.uuid4())
    engine.ledger.hold(run_id)
    claim = engine.ledger.claim(
        run_id,
        flow.pipeline,
        logical_at,
        engine=engine.name,
        trigger="manual",
        deadline=PIPELINES[flow.pipeline].deadline,
        params=params,
    )
    if not claim.granted:
        return claim
    try:
        planned = plan_run(engine, flow, run_id, run_id)
        while planned.kind == "retry":
            wait(planned.delay_s)
            planned = plan_run(engine, flow, run_id, run_id)
        if planned.kind == "done":
            graph = state_graph(engine, flow, run_id, planned.output, wait)
            config = {"max_concurrency": max_concurrency, "recursion_limit": 10_000}
            graph.invoke({"stopped": []}, config)
    except BaseException as error:
        engine.ledger.close(run_id, RunState.CANCELLED, f"interrupted: {type(error).__name__}")
        raise
    return Claim(engine.ledger.run(run_id), granted=True)


def state_graph(
    engine: Engine,
    flow: Flow,
    run_id: str,
    items: Sequence[str],
    wait: Callable[[float], None] = time.sleep,
) -> Any:
    """Build and compile the graph of a planned run; `draw_mermaid` works on what it returns."""
    from langgraph.graph import END, START, StateGraph

    graph = StateGraph(_State)
    ends: list[str] = [START]
    for stage in flow.plan(items)[1 if flow.planner else 0 :]:
        for call in stage.calls():
            node: Any = _node(engine, flow, run_id, call, wait)  # its overloads know no closures
            graph.add_node(_name(call), node)
        for before, after in _edges(stage, ends):
            graph.add_edge(before, after)
        if stage.branches:
            ends = [_name(branch[-1]) for branch in stage.branches]
    for end in ends:
        graph.add_edge(end, END)
    return graph.compile()


def _edges(stage: Stage, ends: list[str]) -> Iterator[tuple[str | list[str], str]]:
    before: str | list[str] = ends[0] if len(ends) == 1 else ends  # a list waits for all
    for branch in stage.branches:
        names = [_name(call) for call in branch]
        yield before, names[0]
        yield from pairwise(names)


def _name(call: Call) -> str:
    # LangGraph reserves colons and bars
    return f"{call.step} {quote(call.item)}" if call.item else call.step


def _node(
    engine: Engine, flow: Flow, run_id: str, call: Call, wait: Callable[[float], None]
) -> Callable[[_State], dict[str, list[str]]]:
    def node(state: _State) -> dict[str, list[str]]:
        if state["stopped"]:
            return {"stopped": []}
        outcome, waited_s = execute_step(engine, flow, run_id, call, task_id=""), 0.0
        while outcome.kind == "retry":
            wait(outcome.delay_s)
            waited_s += outcome.delay_s
            # somebody sits in front of this: after a while a limit of ours fails the step
            outcome = execute_step(
                engine, flow, run_id, call, task_id="", may_defer=waited_s < PATIENCE_S
            )
        failed = outcome.kind == "failed" and not flow.tolerates(call.step)
        return {"stopped": [call.step] if failed else []}

    return node


def require_state(claim: Claim) -> None:
    """Raise when a run was not made.

    Raises:
        AxiomError: it says which run holds the logical time, or is still active.
    """
    if not claim.granted:
        run = claim.run
        raise AxiomError(
            f"{run.pipeline} at {run.logical_at:%Y-%m-%dT%H:%M:%SZ} was not run: {run.reason}"
        )

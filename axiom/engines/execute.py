"""Run one step, by whichever engine: the ledger's bookkeeping around a pure function."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from axiom.engines.version import code_version
from axiom.errors import AxiomError, RateLimited, Refused, StoreUnavailable, TransientError
from axiom.flow import CURRENT, Artifacts, Call, Context, Flow
from axiom.model import Json, RunState, Started
from axiom.telemetry.observe import observed
from axiom.telemetry.redact import redact

if TYPE_CHECKING:
    from axiom.ledger.ledger import Ledger

MAX_ATTEMPTS = 4  # also for a step whose worker dies each time: a poison step ends
BACKOFF_BASE_S, BACKOFF_MAX_S = 1.0, 30.0
DEFER_S, DEFER_MAX_S = 30.0, 300.0


@dataclass(frozen=True, slots=True)
class Engine:
    """What every engine needs: the record, the pipeline's services, and who it is."""

    ledger: Ledger
    services: Any
    artifacts: Artifacts
    name: str
    worker: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended: `done` (also when there was nothing to do), `retry`, or `failed`."""

    kind: Literal["done", "retry", "failed"]
    output: Json = None
    error: str = ""
    delay_s: float = 0.0


def execute_step(
    engine: Engine,
    flow: Flow,
    run_id: str,
    call: Call,
    *,
    task_id: str,
    also_transient: tuple[type[BaseException], ...] = (),
    may_defer: bool = True,
    retries: int = 0,
) -> Outcome:
    """Run a step once and record it; never raises for what the step did.

    The last step of the flow closes the run: `succeeded`, or `partial` when a
    mapped or parallel step failed, or `failed` when all of its items did. A
    step in series that fails closes the run as `failed`.
    """
    started = engine.ledger.start_step(
        run_id, call, worker=engine.worker, task_id=task_id, retries=retries
    )
    if started is None:
        return Outcome("done")
    try:
        with observed(run_id, started.pipeline, call.step, call.item, started.attempt) as seen:
            outcome = _run_started(engine, flow, run_id, call, started, also_transient, may_defer)
            seen(outcome.kind, outcome.error)
            return outcome
    except BaseException:  # it could not be recorded: who comes next must not find it held
        with suppress(StoreUnavailable):
            engine.ledger.let_go(run_id, call)
        raise


def _run_started(
    engine: Engine,
    flow: Flow,
    run_id: str,
    call: Call,
    started: Started,
    also_transient: tuple[type[BaseException], ...],
    may_defer: bool,
) -> Outcome:
    try:
        if started.attempt > MAX_ATTEMPTS:
            raise AxiomError(f"gave up: {MAX_ATTEMPTS} attempts ended without an answer")
        context = _context(engine, run_id, call, started)
        here = CURRENT.set(context)
        try:
            output = flow.steps()[call.step](context)
        finally:
            CURRENT.reset(here)
    except Exception as error:
        if isinstance(error, Refused) and may_defer:
            return _deferred(engine, run_id, call, error)
        return _not_done(engine, flow, run_id, call, started, error, also_transient)
    closing = _verdict(engine.ledger, run_id) if call.step == flow.last else None
    engine.ledger.finish_step(run_id, call, output, closing=closing)
    return Outcome("done", output)


def _context(engine: Engine, run_id: str, call: Call, started: Started) -> Context[Any]:
    return Context(
        run_id=run_id,
        pipeline=started.pipeline,
        logical_at=started.logical_at,
        services=engine.services,
        artifacts=engine.artifacts,
        item=call.item,
        params=started.params,
        inputs=started.inputs,
        failures=started.failures,
        step=call.step,
    )


def _deferred(engine: Engine, run_id: str, call: Call, error: Refused) -> Outcome:
    # nothing failed: it is not an attempt
    delay_s = min(error.retry_in_s or DEFER_S, DEFER_MAX_S)
    engine.ledger.defer_step(run_id, call, reason=describe(error), delay_s=delay_s)
    return Outcome("retry", error=describe(error), delay_s=delay_s)


def _not_done(
    engine: Engine,
    flow: Flow,
    run_id: str,
    call: Call,
    started: Started,
    error: Exception,
    also_transient: tuple[type[BaseException], ...],
) -> Outcome:
    text, trace = redact(describe(error)), redact(traceback.format_exc())
    if isinstance(error, (TransientError, *also_transient)) and started.attempt < MAX_ATTEMPTS:
        delay_s = backoff_s(started.attempt, error)
        engine.ledger.retry_step(run_id, call, error=text, traceback=trace, delay_s=delay_s)
        return Outcome("retry", error=text, delay_s=delay_s)
    closing = None if flow.tolerates(call.step) else (RunState.FAILED, f"{call.step}: {text}")
    engine.ledger.fail_step(run_id, call, error=text, traceback=trace, closing=closing)
    return Outcome("failed", error=text)


def backoff_s(
    attempt: int, error: BaseException, uniform: Callable[[float, float], float] = random.uniform
) -> float:
    """Seconds before the next attempt: exponential with full jitter, or what the server asked.

    Source: M. Brooker, "Exponential Backoff And Jitter", 2015.
    """
    if isinstance(error, RateLimited) and error.retry_after_s is not None:
        return min(max(error.retry_after_s, 0.0), BACKOFF_MAX_S)
    return uniform(0.1, min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** (attempt - 1)))


def describe(error: BaseException) -> str:
    """One line for an operator; the kind is left out where the message stands for itself."""
    text = str(error).strip().partition("\n")[0]
    return text if isinstance(error, AxiomError) and text else f"{type(error).__name__}: {text}"


def _verdict(ledger: Ledger, run_id: str) -> tuple[RunState, str | None]:
    counts = ledger.step_states(run_id)
    failed = [row for row in counts if row["state"] == "failed"]
    if not failed:
        return RunState.SUCCEEDED, None
    succeeded = {row["name"] for row in counts if row["state"] == "succeeded"}
    hopeless = any(row["name"] not in succeeded and row["items"] != [""] for row in failed)
    return RunState.FAILED if hopeless else RunState.PARTIAL, "; ".join(map(_failure, failed))


def _failure(row: dict[str, Any]) -> str:
    items = ", ".join(filter(None, row["items"]))
    more = f" and {row['n'] - len(row['items'])} more" if row["n"] > len(row["items"]) else ""
    return f"{row['name']}{f' ({items}{more})' if items else ''}: {row['error']}"


def plan_run(engine: Engine, flow: Flow, run_id: str, task_id: str, retries: int = 0) -> Outcome:
    """Run the planning step, where the flow has one, and keep the plan in the ledger.

    The outcome's output is the list of items.
    """
    items: list[str] = []
    if flow.planner:
        first = Call(flow.planner)
        engine.ledger.plan(run_id, [first], {"shape": flow.describe(), "items": []})
        planned = execute_step(engine, flow, run_id, first, task_id=task_id, retries=retries)
        if planned.kind != "done":
            return planned
        items = _planned_items(engine.ledger, run_id, first)
    calls = [call for stage in flow.plan(items) for call in stage.calls()]
    plan = {"shape": flow.describe(), "items": items, "code": code_version(flow)}
    engine.ledger.plan(run_id, calls, plan)
    return Outcome("done", items)


def _planned_items(ledger: Ledger, run_id: str, first: Call) -> list[str]:
    # from the ledger, so that planning again gives the items of the first time
    for row in ledger.steps(run_id):
        if row.name == first.step:
            return list(row.output or ())
    return []

"""The Celery side of a pipeline: one task per step and one `run`, made from its FLOW.

Task bodies hold bookkeeping only; what a step does is in `axiom.pipelines`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from celery import Celery, Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded

from axiom.engines.celery import BEHIND, LIVE, canvas
from axiom.engines.execute import Outcome, describe, execute_step, plan_run
from axiom.errors import AxiomError, ReplayEnded, StoreUnavailable
from axiom.flow import Call, Flow
from axiom.inputs import parse_moment, require_past
from axiom.model import PIPELINES, Claim, Json, Run, RunState, SkipCode, floor_time, utcnow
from axiom.params import checked, told
from axiom.tasks.services import celery_engine, services

log = structlog.get_logger(__name__)
STORE_RETRY_S = 3.0  # while the ledger is away, messages wait and nothing is lost
STORE_RETRIES = 1200


class StepFailed(AxiomError):
    """A step in series failed; the run has ended."""


def register(flow: Flow) -> Task:
    """Make the tasks of a pipeline; return its `run`."""
    limit_s = PIPELINES[flow.pipeline].deadline.total_seconds()
    limits = {"soft_time_limit": limit_s, "time_limit": limit_s + 30}
    for name in flow.steps():
        _register_step(flow, name, limits)
    return _register_run(flow)


def _register_step(flow: Flow, name: str, limits: Mapping[str, float]) -> None:
    @shared_task(
        name=f"axiom.tasks.{flow.pipeline}.{name}",
        bind=True,
        ignore_result=True,
        max_retries=None,
        **limits,
    )
    def step(self: Task, run_id: str, item: str = "", retries: int = 0) -> None:
        call = Call(name, item)
        with _facts(self, run=run_id, pipeline=flow.pipeline, step=name, item=item):
            outcome = _recorded(self, flow, run_id, call, retries)
            if outcome.kind == "retry":
                # the ledger counts the attempts
                raise self.retry(countdown=outcome.delay_s, exc=StepFailed(outcome.error))
            if name == flow.last or (outcome.kind == "failed" and not flow.tolerates(name)):
                _make_room(self)
            if outcome.kind == "failed" and not flow.tolerates(name):
                raise StepFailed(outcome.error)  # ends the chain, and shows in Flower

    step.__doc__ = flow.steps()[name].__doc__


def _make_room(task: Task) -> None:
    """After the last step of a backfilled run: the next may begin before the watch looks."""
    if task.request.delivery_info.get("priority") == BEHIND:
        task.app.send_task("axiom.tasks.backfill.advance", expires=5, priority=LIVE)


def _recorded(task: Task, flow: Flow, run_id: str, call: Call, retries: int) -> Outcome:
    engine = celery_engine(task.request.hostname)
    # after a restart of Postgres each thread of a pool would else lose a step's attempt to it
    services().postgres.renew()
    try:
        return execute_step(
            engine, flow, run_id, call,
            task_id=task.request.id, retries=retries, also_transient=(SoftTimeLimitExceeded,),
        )  # fmt: skip
    except StoreUnavailable as error:
        log.warning("ledger_unavailable", error=str(error))
        raise task.retry(countdown=STORE_RETRY_S, max_retries=STORE_RETRIES, exc=error) from error


def _register_run(flow: Flow) -> Task:
    pipeline = flow.pipeline

    # `max_retries` must be said here: None given to `retry` means the default of 3
    @shared_task(name=f"axiom.tasks.{pipeline}.run", bind=True, max_retries=None)
    def run(
        self: Task,
        at: str | None = None,
        params: dict[str, Json] | None = None,
        trigger: str = "manual",
        overlap: bool = False,
    ) -> dict[str, Json]:
        with _facts(self, run=self.request.id, pipeline=pipeline):
            try:
                return _run(
                    self, flow, logical_time(pipeline, at, trigger), params, trigger, overlap
                )
            except StoreUnavailable as error:
                log.warning("ledger_unavailable", error=str(error))
                raise self.retry(
                    countdown=STORE_RETRY_S, max_retries=STORE_RETRIES, exc=error
                ) from error

    run.__doc__ = (
        f"Run the {pipeline} pipeline.\n\n"
        "`at`: logical time, ISO 8601 (default: now); `params`: "
        f"{told(flow.params)};\n`overlap`: also while another run is active."
    )
    return run


def logical_time(pipeline: str, at: str | None, trigger: str) -> datetime:
    """Return the moment that a run stands for.

    Scheduled runs stand for their slot, so that a slot runs once however often
    it is fired; a person's run stands for the moment that it was asked for.

    Raises:
        ConfigError: `at` is not an ISO 8601 time, or a person's lies in the future.
    """
    if at is None:
        now = utcnow()
        return now if trigger == "manual" else floor_time(now, PIPELINES[pipeline].slot)
    moment = parse_moment(at, "at")
    return require_past(moment) if trigger == "manual" else moment


def _run(
    task: Task,
    flow: Flow,
    logical_at: datetime,
    params: Mapping[str, Json] | None,
    trigger: str,
    overlap: bool,
) -> dict[str, Json]:
    engine = celery_engine(task.request.hostname)
    scheduled = trigger != "manual"
    by_schedule = trigger in ("schedule", "first")
    params = checked(params or {}, flow.params, engine.services)
    if by_schedule and (pause := engine.ledger.paused(flow.pipeline)):
        return {"run": None, "state": "paused", "reason": pause["pause_reason"]}
    if found := _closed(flow.pipeline, logical_at, scheduled, pauses=by_schedule):
        code, reason = found
        skipped = engine.ledger.skip(
            task.request.id, flow.pipeline, logical_at, trigger=trigger, reason=reason, code=code
        )
        return _told(Claim(skipped, granted=False))
    claim = engine.ledger.claim(
        task.request.id,
        flow.pipeline,
        logical_at,
        engine="celery",
        trigger=trigger,
        deadline=PIPELINES[flow.pipeline].deadline,
        params=params,
        overlap=overlap,
    )
    if claim.granted:
        publish(task.app, flow, claim.run, hostname=task.request.hostname)
    return _told(claim)


def _closed(
    pipeline: str, logical_at: datetime, scheduled: bool, *, pauses: bool
) -> tuple[SkipCode, str] | None:
    try:
        reason: str | None = services().market.closed_reason(logical_at)
    except ReplayEnded as error:
        for each in PIPELINES if pauses else ():  # one that a person asked for says nothing of now
            services().ledger.pause(each, by="axiom", reason=str(error))
        return SkipCode.ENDED, str(error)
    applies = scheduled and pipeline == "ingestion"
    return (SkipCode.CLOSED, reason) if reason and applies else None


def _told(claim: Claim) -> dict[str, Json]:
    told = {"run": claim.run.id, "state": claim.run.state, "reason": claim.run.reason}
    log.info("run_claimed" if claim.granted else "run_not_made", **told)
    return told


def publish(app: Celery, flow: Flow, run: Run, *, hostname: str) -> None:
    """Plan a run and publish its canvas; safe to call again for the same run."""
    engine = celery_engine(hostname)
    planned = plan_run(engine, flow, run.id, run.id, run.retries)
    if planned.kind == "retry":
        # planning is short and has no message of its own to come back
        engine.ledger.close(run.id, RunState.FAILED, f"{flow.planner}: {planned.error}")
    elif planned.kind == "done":
        priority = BEHIND if run.backfill_id else LIVE
        canvas(
            app, flow, run.id, planned.output, retries=run.retries, priority=priority
        ).apply_async()


class _facts:  # noqa: N801  (used as a function)
    """Bind facts to every log line of this task; log what escapes it."""

    def __init__(self, task: Task, **facts: str) -> None:
        self._facts = facts | {"task": task.request.id, "worker": task.request.hostname}

    def __enter__(self) -> None:
        structlog.contextvars.bind_contextvars(**self._facts)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and isinstance(error, AxiomError):
            log.error("task_failed", error=describe(error))
        structlog.contextvars.clear_contextvars()

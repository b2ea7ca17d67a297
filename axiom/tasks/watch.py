"""The watch: every few seconds, mend the runs that stopped moving."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog
from celery import Celery, Task, shared_task

from axiom.config import settings
from axiom.engines.celery import PRIORITIES, queue_of
from axiom.errors import StoreUnavailable
from axiom.ledger import watch
from axiom.model import PIPELINES, RunState, floor_time, utcnow
from axiom.tasks.backfill import advance_all, catch_up
from axiom.tasks.base import publish
from axiom.tasks.flows import flow_of
from axiom.tasks.services import services

log = structlog.get_logger(__name__)
FIRST_EXPIRES_S = 5  # by then the watch has looked again


@shared_task(name="axiom.tasks.watch.resume_stalled", bind=True, ignore_result=True)
def resume_stalled(self: Task) -> None:
    """Publish again what stopped moving, or fail what cannot be helped."""
    try:
        _resume(self.app, self.request.hostname)
        services().actions.stop_sessions()  # where who cancelled died before it
        catch_up()
        advance_all(self.app)
        start_first(self.app)
    except StoreUnavailable as error:
        log.warning("ledger_unavailable", error=str(error))
        return
    _sweep_calls()


def _resume(app: Celery, hostname: str) -> None:
    done = watch.resume_stalled(
        services().ledger,
        stall_after_s=settings().stall_after_s,
        give_up_after=timedelta(hours=settings().give_up_after_h),
        waiting=lambda pipeline, steps: _waiting(app, pipeline, steps),
        publish=lambda run: publish(app, flow_of(run.pipeline), run, hostname=hostname),
    )
    for what, run_ids in done.items():
        for run_id in run_ids:
            log.warning("run_stalled", run=run_id, done=what)


@shared_task(name="axiom.tasks.watch.publish_run", bind=True, ignore_result=True)
def publish_run(self: Task, run_id: str) -> None:
    """Publish a run that a person lets go on; when this fails, `resume_stalled` does it."""
    run = services().ledger.run(run_id)
    if run.state is RunState.RUNNING:
        publish(self.app, flow_of(run.pipeline), run, hostname=self.request.hostname)


def _sweep_calls() -> None:
    if settings().analyst != "claude":
        return
    try:
        lost = services().claude.sweep()
    except StoreUnavailable as error:
        log.warning("calls_not_swept", error=str(error))
        return
    for call_id in lost:
        log.warning("call_lost", call=call_id, reason="its process died")


def start_first(app: Celery) -> None:
    """Fire what has never run, at once: at a first start nobody waits for the hour.

    Prices come first, since the others read them. Firing again before the run
    is claimed does no harm: it stands for the same slot.
    """
    if settings().schedules == "off":
        return
    ledger, now = services().ledger, utcnow()
    done, paused = ledger.last_runs(), ledger.pauses()
    priced = [run for run in ledger.runs(pipeline="ingestion", limit=1) if run.ended_at]
    for pipeline in PIPELINES:
        ready = pipeline == "ingestion" or priced
        if ready and pipeline not in done and pipeline not in paused:
            slot_at = floor_time(now, PIPELINES[pipeline].slot)
            app.send_task(
                f"axiom.tasks.{pipeline}.run",
                kwargs={"trigger": "first"},
                task_id=f"first-{pipeline}-{slot_at:%Y%m%dT%H%M}",  # one a slot, also when skipped
                expires=FIRST_EXPIRES_S,
            )


def _waiting(app: Celery, pipeline: str, steps: list[str]) -> bool:
    """Whether a queue that one of these steps would come from holds messages."""
    queues = {queue_of(app, pipeline, step) for step in steps} or {queue_of(app, pipeline, "run")}
    return any(depths(app, queues).values())


def depths(app: Celery, queues: Iterable[str]) -> dict[str, int]:
    """Count the messages that wait in queues, whatever their priority."""
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        keys = {queue: [channel._q_for_pri(queue, n) for n in PRIORITIES] for queue in queues}
        return {queue: sum(map(channel.client.llen, of)) for queue, of in keys.items()}

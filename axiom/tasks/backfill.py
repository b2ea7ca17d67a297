"""Move backfills on: a few runs of each at a time, behind live work in every queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery, Task, shared_task

from axiom.config import settings
from axiom.engines.celery import BEHIND
from axiom.errors import StoreUnavailable
from axiom.model import utcnow
from axiom.tasks.services import services

if TYPE_CHECKING:
    from axiom.ledger.backfills import Claimed

log = structlog.get_logger(__name__)


@shared_task(name="axiom.tasks.backfill.advance", bind=True, ignore_result=True)
def advance(self: Task, **_: Any) -> None:
    """Ask for the next runs of every backfill."""
    try:
        advance_all(self.app)
    except StoreUnavailable as error:
        log.warning("ledger_unavailable", error=str(error))


def advance_all(app: Celery) -> None:
    """Ask for the next runs of every backfill. A message that is lost, the watch makes good."""
    backfills = services().backfills
    for backfill_id in backfills.running():
        for claimed in backfills.advance(backfill_id, settings().backfill_runs):
            _ask(app, claimed)


def _ask(app: Celery, claimed: Claimed) -> None:
    app.send_task(
        f"axiom.tasks.{claimed.pipeline}.run",
        kwargs={"at": claimed.logical_at.isoformat(), "trigger": claimed.kind, "overlap": True},
        task_id=claimed.run_id,
        priority=BEHIND,
    )


def catch_up() -> None:
    """Ask for slots that nobody ran, where a pipeline's schedule says `all:N`."""
    if settings().schedules == "off":
        return
    for schedule in services().schedules.all().values():
        if schedule.catch_up.kind == "all":
            missed = services().backfills.catch_up(schedule, utcnow())
            if missed:
                log.warning("slots_missed", pipeline=schedule.pipeline, slots=missed)

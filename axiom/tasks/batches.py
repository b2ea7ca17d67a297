"""Look after Claude's batches, every few seconds."""

from __future__ import annotations

import structlog
from celery import shared_task

from axiom.config import settings
from axiom.errors import StoreUnavailable
from axiom.tasks.services import services

log = structlog.get_logger(__name__)


@shared_task(name="axiom.tasks.batches.work", ignore_result=True)
def work() -> None:
    """Settle what came back, and hand in what waits; switched off, only the former."""
    try:
        services().claude.batches.work(submit=settings().claude_batch == "on")
    except StoreUnavailable as error:
        log.warning("batches_wait", error=str(error))

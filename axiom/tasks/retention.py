"""Every night: drop what is older than it is to be kept."""

from __future__ import annotations

import structlog
from celery import shared_task

from axiom.config import settings
from axiom.errors import StoreUnavailable
from axiom.model import utcnow
from axiom.tasks.services import services

log = structlog.get_logger(__name__)


@shared_task(name="axiom.tasks.retention.prune", ignore_result=True)
def prune() -> None:
    """Drop old runs, steps, prices, quarantine and audit, by the `AXIOM_KEEP_*_DAYS` settings."""
    from axiom.ledger import retention  # in a pool's child, not in each worker's main process

    kept = settings()
    keep = retention.Keep(
        runs=kept.keep_runs_days,
        prices=kept.keep_prices_days,
        quarantine=kept.keep_quarantine_days,
        audit=kept.keep_audit_days,
    )
    try:
        dropped = retention.prune(services().postgres, keep, utcnow())
    except StoreUnavailable as error:  # tomorrow again
        log.warning("not_pruned", error=str(error))
        return
    log.info("pruned", **{what.replace(" ", "_"): n for what, n in dropped.items()})

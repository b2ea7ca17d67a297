"""Take a snapshot: ask the ledger, the broker, the processes and the servers, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import structlog

from axiom.config import Settings
from axiom.errors import StoreUnavailable
from axiom.model import PIPELINES, utcnow
from axiom.tasks import state
from axiom.tasks.alerting.rules import Limits, PipelineFacts, Snapshot, Spent
from axiom.tasks.probes import ServiceState, probe_all

if TYPE_CHECKING:
    from axiom.ledger.slots import Slots
    from axiom.tasks.services import Services

log = structlog.get_logger(__name__)
T = TypeVar("T")
QUARANTINE_WITHIN = timedelta(minutes=15)
MOMENT = timedelta(microseconds=1)


def take(services: Services, *, reached_s: float) -> Snapshot:
    """Return what is known now; what cannot be asked is None.

    `reached_s` says for how long this process could reach Redis without a break.

    Raises:
        StoreUnavailable: the ledger is away, and nothing can be kept.
    """
    alerts, wanted = services.alerts, services.settings
    asks_claude = wanted.analyst == "claude"
    servers = _services(wanted)
    # a broker that hangs would be waited for at each of the questions
    hears = _is_up(servers, "redis")
    return Snapshot(
        at=utcnow(),
        late=alerts.late_runs(),
        pipelines=_pipelines(services),
        quarantined=alerts.quarantined(QUARANTINE_WITHIN),
        services=servers,
        queues=_or_none(state.queues) if hears else None,
        workers=_or_none(state.workers) if hears else None,
        reached_s=reached_s,
        breaker=_or_none(state.breaker) if hears and asks_claude else None,
        budgets=_or_none(lambda: _budgets(services)) if asks_claude else None,
        limits=limits(wanted),
    )


def limits(wanted: Settings) -> Limits:
    """Return the thresholds that the settings ask for."""
    return Limits(
        queue_deep=wanted.alert_queue_deep,
        queue_old_s=wanted.alert_queue_old_s,
        quarantine_rows=wanted.alert_quarantine_rows,
        disk_free_mb=wanted.alert_disk_free_mb,
        budget_share=wanted.alert_budget_share,
        gone_after_s=wanted.gone_after_s,
        settled_s=wanted.alert_settled_s,
    )


def _pipelines(services: Services) -> list[PipelineFacts]:
    due_at = _due(services)
    return [
        PipelineFacts(
            row["pipeline"], row["run_id"], row["state"], row["reason"], row["good_at"],
            due_at.get(row["pipeline"]),
        )
        for row in services.alerts.pipelines(list(PIPELINES))
    ]  # fmt: skip


def _due(services: Services) -> dict[str, datetime]:
    """Return for each pipeline with a schedule the slot of which a good run is due by now."""
    if services.settings.schedules == "off":
        return {}
    return {
        name: due(schedule.slots, utcnow() - PIPELINES[name].deadline, services.settings)
        for name, schedule in services.schedules.all().items()
        if not schedule.paused
    }


def due(slots: Slots, by: datetime, wanted: Settings) -> datetime:
    """Return the slot that is as many back as may be missed."""
    slot_at = by
    for _ in range(wanted.alert_stale_slots):
        slot_at = slots.latest(slot_at) - MOMENT
    return slot_at + MOMENT


def _services(wanted: Settings) -> Sequence[ServiceState]:
    """Ask all; what fails is asked once more at once, since one look that fails says little."""
    found = probe_all(wanted)
    failed = [each.name for each in found if not each.up]
    again = {each.name: each for each in (probe_all(wanted, failed) if failed else ())}
    return [again.get(each.name, each) for each in found]


def _is_up(found: Sequence[ServiceState], name: str) -> bool:
    return any(each.up for each in found if each.name == name)


def _budgets(services: Services) -> list[Spent]:
    return [
        Spent(row["budget"], float(row["limit_usd"]), float(row["spent_usd"] + row["reserved_usd"]))
        for row in services.claude.standing()
        if row["spent_usd"] is not None
    ]


def _or_none(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except StoreUnavailable as error:
        log.warning("not_known", error=str(error))
        return None

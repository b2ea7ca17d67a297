"""What is going on now, as far as it can be asked: each part is there or says why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from axiom.console.web import Console, Missing
from axiom.model import PIPELINES, utcnow

if TYPE_CHECKING:
    from axiom.ledger.schedules import Schedule

NEWS = 5


@dataclass(frozen=True, slots=True)
class Now:
    """Queues, processes, the breaker, alerts and news; each may be `Missing`."""

    queues: Any
    workers: Any
    breaker: Any
    alerts: Any
    news: Any
    services: Any = ()


async def now(console: Console) -> Now:
    """Ask all parts, one of which may be away."""
    from axiom.tasks import state

    asked = (
        state.queues, state.workers, state.breaker,
        lambda: console.services.alerts.open_alerts(50),
        lambda: console.services.alerts.news(NEWS),
    )  # fmt: skip
    return Now(*[await console.part(each) for each in asked])


async def schedules(console: Console) -> Any:
    """Return each pipeline's schedule; none of them where they cannot be asked."""
    from axiom.tasks import operate

    found = await console.part(operate.schedules)
    return {} if isinstance(found, Missing) else found


def freshness(schedule: Schedule | None, good_at: datetime | None, at: datetime) -> str:
    """`fresh` as its schedule has it, else `stale`; `never` where nothing was good yet."""
    if good_at is None:
        return "never"
    return "fresh" if schedule and schedule.is_fresh(good_at, at) else "stale"


async def dollars_today(console: Console) -> Any:
    """Return what today cost by pipeline, and what an imitation would have; or `Missing`."""
    today = utcnow().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = await console.part(partial(console.history.dollars, today))
    if isinstance(rows, Missing):
        return rows
    paid = dict.fromkeys(PIPELINES, 0.0)
    for row in rows:
        if not row["imitation"]:
            paid[row["pipeline"]] = paid.get(row["pipeline"], 0.0) + float(row["usd"])
    return paid | {
        "total": sum(paid.values()),
        "imitated": sum(float(row["usd"]) for row in rows if row["imitation"]),
        "calls": sum(row["calls"] for row in rows),
    }

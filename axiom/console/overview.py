"""The first page: how everything stands, and what wants a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from axiom.console import drawing
from axiom.console.live import TOPICS, Topic
from axiom.console.now import dollars_today, freshness, now, schedules
from axiom.console.pipelines import trouble
from axiom.console.web import Console, Missing, console, page
from axiom.model import utcnow

router = APIRouter(include_in_schema=False)


async def facts(console: Console, _: str = "") -> dict[str, Any]:
    """Gather the page's facts; what is away is `Missing`."""
    found: Any = await console.part(console.history.overview)
    at, slots = utcnow(), await schedules(console)
    if not isinstance(found, Missing):
        for row in found:
            await _complete(console, row, at, slots.get(row["pipeline"]))
    return {
        "rows": found,
        "now": await now(console),
        "dollars": await dollars_today(console),
        "day_usd": float(console.settings.claude_day_usd),
    }


async def _complete(console: Console, row: dict[str, Any], at: datetime, slots: Any) -> None:
    name, last = row["pipeline"], row["last"]
    row["fresh"] = freshness(slots, row["good_at"], at)
    row["next_at"] = slots.next_at(at) if slots else None
    bad = last is not None and last.state in ("failed", "partial")
    row["failing"] = await console.part(lambda: console.history.failing(name)) if bad else None
    going = last if last and not last.ended_at else None
    steps = await console.ask(console.history.timeline, going) if going else {}
    row |= await trouble(console, last, steps, at)
    row["columns"] = drawing.columns(row["recent"], width=400, height=44, slots=40, now=at)
    row["state"] = "paused" if row["paused_at"] else last.state.value if last else "never"


@router.get("/", response_class=HTMLResponse)
async def overview(request: Request) -> HTMLResponse:
    """Show how everything stands."""
    return page(request, "overview.html", topic="overview:", **await facts(console(request)))


TOPICS["overview"] = Topic(
    facts,
    {"pipelines": "overview_pipelines.html", "system": "overview_system.html"},
    follows=lambda pulse, name: True,
    slow=True,
)

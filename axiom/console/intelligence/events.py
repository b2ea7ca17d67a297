"""Events: stories as they come, filtered; one story, who told it and what it belongs to."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from axiom.console.intelligence.graph import moment
from axiom.console.intelligence.reading import Reading, analyst_told
from axiom.console.live import TOPICS, Topic
from axiom.console.web import Console, console, page
from axiom.model import EventType
from axiom.stores.events import EVER, Place

router = APIRouter(include_in_schema=False)
ROWS, LINES = 40, 8
LINES_SPAN = timedelta(days=14)
SIGNS = ("positive", "neutral", "negative")
Short = Annotated[str, Query(max_length=80)]


def choice(asked: dict[str, str]) -> dict[str, Any]:
    """Return the filters of a page as the store takes them; what is none is left out."""
    kind, sign = asked.get("type", ""), asked.get("sentiment", "")
    return {
        "kind": kind if kind in set(EventType) else None,
        "ticker": asked.get("company", "").strip().upper()[:40] or None,
        "sign": sign if sign in SIGNS else None,
        "since": moment(asked.get("since", "")) or EVER,
    }


def found(reading: Reading, asked: dict[str, str], before: Place | None) -> dict[str, Any]:
    """Gather the page's facts."""
    rows, further = reading.events.page(reading.market, before=before, limit=ROWS, **choice(asked))
    newest: datetime | None = rows[0]["published_at"] if rows else None
    told = [reading.events.lines(reading.market, newest - LINES_SPAN, LINES)] if newest else [[]]
    return {
        "rows": rows, "next": further, "lines": told[0], "reading": reading, "asked": asked,
        "query": urlencode({k: v for k, v in asked.items() if v}), "analyst_told": analyst_told,
    }  # fmt: skip


@router.get("/events", response_class=HTMLResponse)
async def events(
    request: Request,
    type: Short = "",
    company: Short = "",
    sentiment: Short = "",
    since: Short = "",
    before: Short = "",
    before_id: Short = "",
) -> HTMLResponse:
    """Show stories, newest first."""
    here, at = console(request), moment(before)
    asked = {"type": type, "company": company, "sentiment": sentiment, "since": since}
    facts = await here.ask(found, here.reading, asked, (at, before_id) if at else None)
    return page(
        request, "intelligence/events.html", topic=None if at else f"events:{facts['query']}",
        types=list(EventType), signs=SIGNS, older=at, **facts,
    )  # fmt: skip


async def _live(console: Console, name: str) -> dict[str, Any]:
    asked = dict.fromkeys(("type", "company", "sentiment", "since"), "")
    asked |= {k: v[:80] for k, v in parse_qsl(name) if k in asked}
    return await console.ask(found, console.reading, asked, None)


TOPICS["events"] = Topic(
    _live,
    {"events": "intelligence/events_table.html", "lines": "intelligence/events_lines.html"},
    follows=lambda pulse, name: pulse.pipeline == "events",
)


@router.get("/events/{event_id}", response_class=HTMLResponse)
async def event(request: Request, event_id: str) -> HTMLResponse:
    """Show a story."""
    here = console(request)
    reading, ask = here.reading, here.ask
    story = await ask(reading.events.one, reading.market, event_id)
    if story is None:
        raise HTTPException(404, "No such event is known.")
    return page(
        request, "intelligence/event.html", e=story, reading=reading, analyst_told=analyst_told,
        tellings=await ask(reading.events.told_by, event_id),
        line=await ask(partial(reading.events.story_line, event_id, limit=30)),
    )  # fmt: skip

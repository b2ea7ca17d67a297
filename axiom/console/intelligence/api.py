"""The JSON API of prices, graph, events, correlations and search, under `/api/v1`.

All answers are bounded; what goes on says where, in `next`. Times are UTC, in ISO 8601. Each
answer names its market: `replay` is recorded data.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request

from axiom.console.intelligence import correlation as correlations_page
from axiom.console.intelligence import graph as graph_page
from axiom.console.intelligence import prices as prices_page
from axiom.console.intelligence.answers import (
    Bars,
    Change,
    Evidence,
    Found,
    Group,
    Neighbourhood,
    Pairs,
    Path,
    Price,
    Prices,
    Stories,
    Structure,
    Told,
)
from axiom.console.intelligence.search import Kind, Question, search
from axiom.console.web import console
from axiom.model import EdgeType, EventType, Label
from axiom.stores.events import EVER
from axiom.stores.graph_around import around
from axiom.stores.graph_path import explained_path

router = APIRouter(prefix="/api/v1")
Moment = Annotated[
    str, Query(max_length=40, description="as it was known at this time (ISO 8601); now if empty")
]
Ticker = Annotated[str | None, Query(max_length=40)]


def _missing(what: str) -> HTTPException:
    return HTTPException(404, what)


# --- prices ---


@router.get("/prices", tags=["prices"])
async def prices(
    request: Request,
    q: prices_page.Text = "",
    after: prices_page.Text = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Prices:
    """Return what instruments stand at, in the order of their tickers."""
    here = console(request)
    found = await here.ask(prices_page.listed, here.reading, q, after, limit + 1)
    rows = await here.ask(prices_page.standings, here.reading, found[:limit])
    more = found[limit - 1].ticker if len(found) > limit else None
    return Prices(market=here.reading.market, prices=[_price(row) for row in rows], next=more)


def _price(row: dict[str, Any]) -> Price:
    last, instrument = row["last"] or {}, row["instrument"]
    return Price(
        ticker=instrument.ticker, name=instrument.name, change=row["change"],
        stored_at=last.get("ingested_at"), last_prices=[each["price"] for each in row["ticks"]],
        **{k: last.get(k) for k in ("price", "currency", "observed_at", "source", "flag")},
    )  # fmt: skip


@router.get("/prices/{ticker}/bars", tags=["prices"])
async def bars(
    request: Request,
    ticker: str,
    size: Literal["day", "minute"] = "day",
    since: datetime | None = None,
    until: datetime | None = None,
    adjusted: bool = True,
    limit: Annotated[int, Query(ge=1, le=5000)] = 250,
) -> Bars:
    """Return a ticker's bars by day or minute, with gaps, splits and dividends."""
    here = console(request)
    asked: dict[str, Any] = {"adjusted": adjusted, "limit": limit, "since": since, "until": until}
    found = await here.ask(partial(prices_page.series, here.reading, ticker, size, **asked))
    if found is None:
        raise _missing(f"no price of {ticker[:20]} is known in {here.reading.market}")
    actions = await here.ask(here.reading.bars.known_actions, ticker, here.reading.market)
    return Bars.model_validate(asdict(found) | {"actions": actions})


# --- graph ---


@router.get("/graph", tags=["graph"])
async def graph(
    request: Request,
    of: Annotated[str, Query(max_length=600, description="a company's ticker, or a node's key")],
    label: Label = Label.COMPANY,
    type: Annotated[list[EdgeType] | None, Query()] = None,
    depth: Annotated[int, Query(ge=1, le=2)] = 1,
    as_of: Moment = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Neighbourhood:
    """Return the edges around a node, with their evidence."""
    here, at = console(request), graph_page.moment(as_of)
    kinds = [str(each) for each in type or []]
    asked = (here.reading.graph, here.reading.market, of, label, kinds, depth, at, limit)
    edges, _ = await here.ask(around, *asked)
    return Neighbourhood.model_validate(
        {"market": here.reading.market, "of": of, "label": label, "as_of": at, "edges": edges}
    )


@router.get("/graph/edge", tags=["graph"])
async def edge(
    request: Request,
    key: Annotated[str, Query(max_length=600, description="an edge's evidence.key")],
    as_of: Moment = "",
) -> Evidence:
    """Return one edge and all versions of its claim."""
    here = console(request)
    found = await here.ask(here.reading.graph.evidence, key, graph_page.moment(as_of))
    if found is None or found["evidence"]["market"] != here.reading.market:
        raise _missing("no such edge was known")
    return Evidence.model_validate(found)


@router.get("/graph/moments", tags=["graph"])
async def moments(
    request: Request,
    of: Annotated[str, Query(max_length=600)],
    label: Label = Label.COMPANY,
) -> list[datetime]:
    """Return the last moments at which something changed around a node, oldest first."""
    here = console(request)
    return await here.ask(graph_page.steps, here.reading, of, label)


@router.get("/graph/path", tags=["graph"])
async def path(
    request: Request,
    a: Annotated[str, Query(max_length=100)],
    b: Annotated[str, Query(max_length=100)],
    as_of: Moment = "",
) -> Path:
    """Return how two companies are linked, each edge with its evidence."""
    here, at = console(request), graph_page.moment(as_of)
    asked = (here.reading.graph, a, b, here.reading.market, at)
    found = await here.ask(explained_path, *asked)
    return Path.model_validate({"a": a, "b": b, "as_of": at, "path": found})


@router.get("/graph/structure", tags=["graph"])
async def structure(
    request: Request,
    by: Literal["pagerank", "degree", "strength"] = "pagerank",
    as_of: Moment = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 25,
) -> Structure:
    """Return the companies that matter most, and the communities, as of the last run."""
    here = console(request)
    found = await here.ask(graph_page.structure, here.reading, graph_page.moment(as_of))
    if found is None:
        raise _missing("no run of the graph is kept from then")
    told = {"market": here.reading.market, "companies": graph_page.ranked(found, by, limit)}
    return Structure.model_validate(found | told)


# --- events ---


@router.get("/events", tags=["events"])
async def events(
    request: Request,
    type: EventType | None = None,
    company: Ticker = None,
    sentiment: Literal["positive", "neutral", "negative"] | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    before_id: str = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Stories:
    """Return events, newest first; a page may be short: go on while there is `next`."""
    here = console(request)
    rows, more = await here.ask(
        partial(
            here.reading.events.page, here.reading.market, kind=type and str(type),
            ticker=company, sign=sentiment, since=since or EVER,
            before=(before, before_id) if before else None, limit=limit,
        )
    )  # fmt: skip
    place = {"before": more[0], "before_id": more[1]} if more else None
    return Stories.model_validate({"events": rows, "next": place})


@router.get("/events/{event_id}", tags=["events"])
async def event(request: Request, event_id: str) -> Told:
    """Return an event, who told it, and the story line that it belongs to."""
    here = console(request)
    reading = here.reading
    found = await here.ask(reading.events.one, reading.market, event_id)
    if found is None:
        raise _missing("no such event is known")
    tellings = await here.ask(reading.events.told_by, event_id)
    line = [row["id"] for row in await here.ask(reading.events.story_line, event_id)]
    return Told.model_validate({"event": found, "tellings": tellings, "line": line})


# --- correlations ---


async def _group(request: Request, window: int | None, method: str) -> dict[str, Any]:
    here = console(request)
    found = await here.ask(correlations_page.groups, here.reading)
    wanted = [g for g in found if g["method"] == method and window in (None, g["window"])]
    if not wanted:
        raise _missing("no such correlation is computed")
    return max(wanted, key=lambda group: group["window"])


@router.get("/correlations", tags=["correlations"])
async def correlations(
    request: Request,
    window: int | None = None,
    method: correlations_page.Method = "pearson",
    tickers: Annotated[str, Query(max_length=800, description="at most 60, by comma")] = "",
    limit: Annotated[int, Query(ge=1, le=2000)] = 500,
) -> Pairs:
    """Return the strongest pairs of the newest result, or all pairs among some tickers."""
    here, group = console(request), await _group(request, window, method)
    store, names = here.reading.correlations, correlations_page.tickers_of(tickers)
    if names:
        pairs = await here.ask(store.among, group, names)
    else:
        pairs = await here.ask(store.strongest, group, limit)
    return Pairs.model_validate({"group": group, "pairs": [asdict(each) for each in pairs]})


@router.get("/correlations/groups", tags=["correlations"])
async def groups(request: Request) -> list[Group]:
    """Return the newest result of each window and method."""
    here = console(request)
    found = await here.ask(correlations_page.groups, here.reading)
    return [Group.model_validate(each) for each in found]


@router.get("/correlations/changes", tags=["correlations"])
async def changes(
    request: Request,
    window: int | None = None,
    method: correlations_page.Method | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[Change]:
    """Return what changed and what an analyst said of it, newest first."""
    here = console(request)
    wanted = [
        group
        for group in await here.ask(correlations_page.groups, here.reading)
        if window in (None, group["window"]) and method in (None, group["method"])
    ]
    rows = await here.ask(here.reading.correlations.explained, wanted, limit)
    return [Change.model_validate(row | {"window": row["window_days"]}) for row in rows]


# --- search ---


@router.get("/search", tags=["search"])
async def find(
    request: Request,
    q: Question,
    kind: Annotated[list[Kind] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> list[Found]:
    """Return the events and profiles that are nearest in meaning; a worker does the work."""
    kinds: tuple[str, ...] = tuple(kind) if kind else ("event", "profile")
    rows = await search(console(request), q, kinds, limit)
    return [Found.model_validate(row) for row in rows]

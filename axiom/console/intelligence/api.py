"""The JSON API of prices, graph, events, correlations and search, under `/api/v1`.

All answers are bounded; what goes on says where, in `next`. Times are UTC, in ISO 8601. Each
answer names its market: `replay` is recorded data.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, Field

from axiom.console.intelligence import correlation as correlations_page
from axiom.console.intelligence import graph as graph_page
from axiom.console.intelligence import prices as prices_page
from axiom.console.intelligence.search import Kind, Question, search
from axiom.console.web import console
from axiom.model import EdgeType, EventType, Label
from axiom.stores.events import EVER
from axiom.stores.graph_path import explained_path

router = APIRouter(prefix="/api/v1")
Moment = Annotated[
    str, Query(max_length=40, description="as it was known at this time (ISO 8601); now if empty")
]
Ticker = Annotated[str | None, Query(max_length=40)]


class Price(BaseModel):
    """What an instrument stands at."""

    ticker: str
    name: str
    price: float | None
    currency: str | None
    change: float | None = Field(description="since the last price of an earlier day; 0.01 is 1 %")
    observed_at: datetime | None
    stored_at: datetime | None
    source: str | None
    flag: str | None = Field(description="why the last price is doubtful; it is kept all the same")
    last_prices: list[float]


class Prices(BaseModel):
    """A page of instruments; go on with `after`."""

    market: str
    prices: list[Price]
    next: str | None


class Bar(BaseModel):
    """What was paid in a span."""

    day: date
    start_at: datetime
    end_at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    currency: str
    ticks: int
    flagged: int = Field(description="how many of the ticks are outliers; none is dropped")


class Gap(BaseModel):
    """A span without bars, and why."""

    start_at: datetime
    end_at: datetime
    n: int
    reason: str


class Action(BaseModel):
    """A split (shares for one) or a dividend (money a share)."""

    kind: str
    ex_date: date
    amount: float
    currency: str | None
    recorded_at: datetime


class Bars(BaseModel):
    """Bars, oldest first, with what must be known to read them."""

    ticker: str
    market: str
    size: str
    timezone: str
    since: datetime
    until: datetime
    adjusted: bool
    adjusted_by: str
    cut: bool = Field(description="there are bars before the first")
    bars: list[Bar]
    gaps: list[Gap]
    actions: list[Action]


class Edge(BaseModel):
    """A claim of the graph, and what it rests on."""

    type: EdgeType
    head: str
    head_name: str | None
    tail: str
    tail_name: str | None
    evidence: dict[str, Any] = Field(
        description="source, span (verbatim), confidence, analyst, prompt_hash, market, "
        "valid_from/valid_to (in the world), recorded_at/recorded_to (here), key"
    )


class Near(Edge):
    """An edge among others."""

    told: int = Field(description="claims that say the same; the surest is this")


class Neighbourhood(BaseModel):
    """The edges around a node, the surest first."""

    market: str
    of: str
    label: Label
    as_of: datetime | None
    edges: list[Near]


class Evidence(Edge):
    """An edge with all versions of its claim."""

    versions: list[dict[str, Any]]


class Path(BaseModel):
    """A shortest path; null: none of at most six edges is known."""

    a: str
    b: str
    as_of: datetime | None
    path: list[Edge] | None


class Structure(BaseModel):
    """Who matters and who belongs together, as of a run of the graph."""

    market: str
    logical_at: datetime
    run_id: str
    nodes: dict[str, int]
    edges: dict[str, int]
    companies: list[dict[str, Any]]
    communities: list[list[str]]


class Mood(BaseModel):
    """How a story sounds for a company: probabilities, which sum to 1; score is in [-1, 1]."""

    positive: float
    neutral: float
    negative: float
    score: float


class Story(BaseModel):
    """An event."""

    id: str
    market: str
    headline: str
    summary: str
    url: str
    source: str
    published_at: datetime
    first_told_at: datetime
    type: EventType
    tickers: list[str]
    sentiment: dict[str, Mood]
    relevance: float
    novelty: float
    confidence: float
    analyst: str
    prompt_hash: str
    run_id: str
    line_id: str
    corroborations: int = Field(description="other sources that told it")


class Place(BaseModel):
    """Where a page goes on."""

    before: datetime
    before_id: str


class Stories(BaseModel):
    """A page of events, newest first."""

    events: list[Story]
    next: Place | None


class Telling(BaseModel):
    """A headline that tells a story."""

    headline_id: str
    headline: str
    source: str
    published_at: datetime
    similarity: float
    found_by: str


class Told(BaseModel):
    """An event, its tellings, and the ids of its story line."""

    event: Story
    tellings: list[Telling]
    line: list[str]


class Pair(BaseModel):
    """A correlation."""

    a: str
    b: str
    window: int
    method: str
    n: int
    r: float
    low: float
    high: float
    p: float
    q: float
    n_eff: float | None
    q_by: float | None
    shrunk: float | None
    cleaned: float | None
    break_q: float | None
    lag: int | None
    lag_r: float | None
    lag_q: float | None


class Group(BaseModel):
    """A result: a window, a method and a logical time."""

    market: str
    window: int
    method: str
    logical_at: datetime
    shown_until: datetime
    run_id: str


class Pairs(BaseModel):
    """A result's pairs: all among `tickers`, or its strongest."""

    group: Group
    pairs: list[Pair]


class Change(BaseModel):
    """A change, what was said of it and by whom, and the pair's numbers then."""

    a: str
    b: str
    window: int
    method: str
    kind: str
    text: str
    analyst: str
    prompt_hash: str
    logical_at: datetime
    run_id: str
    r: float | None
    low: float | None
    high: float | None
    q: float | None
    n: int | None


class Found(BaseModel):
    """What is near to a question."""

    kind: Kind
    similarity: float = Field(description="a cosine")
    market: str
    text: str
    tickers: list[str]
    id: str | None = None
    at: datetime | None = None
    type: str | None = None
    source: str | None = None
    url: str | None = None


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
    edges, _ = await here.ask(graph_page.around, here.reading, of, label, kinds, depth, at, limit)
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

"""What the JSON API of prices, graph, events, correlations and search answers with."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from axiom.console.intelligence.search import Kind
from axiom.model import EdgeType, EventType, Label


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

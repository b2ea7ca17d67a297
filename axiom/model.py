"""The things that Axiom speaks of. Frozen, without I/O.

Times ending in `_at` are aware UTC. Money is in the currency named beside it.
`market` says which world a row belongs to (`replay` or `yfinance`): rows of
different markets are never mixed in a result.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

Json = Any  # what `json.dumps` takes; steps hand on only this
T = TypeVar("T")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a pipeline has a logical time, and how long a run of it may take."""

    slot: timedelta
    deadline: timedelta


PIPELINES: Mapping[str, Cadence] = {
    "ingestion": Cadence(timedelta(minutes=1), timedelta(seconds=50)),
    "graph": Cadence(timedelta(hours=1), timedelta(minutes=20)),
    "events": Cadence(timedelta(minutes=5), timedelta(minutes=4)),
    "correlation": Cadence(timedelta(hours=1), timedelta(minutes=10)),
}


# --- what the market shows -------------------------------------------------


@dataclass(frozen=True, slots=True)
class Instrument:
    """A thing that is traded, named by its ticker."""

    ticker: str
    name: str
    currency: str = "USD"
    exchange: str = "XNYS"


@dataclass(frozen=True, slots=True)
class Quote:
    """One tick: the price of a ticker at a moment."""

    ticker: str
    price: float
    observed_at: datetime
    source: str
    currency: str = "USD"
    open: float | None = None
    high: float | None = None
    low: float | None = None
    volume: float | None = None
    flag: str | None = None  # why a stored quote is doubtful, such as "jump"
    bar_s: int | None = None  # what open to volume span; None: the day so far


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """A split (`amount`: shares after it for one before) or a dividend (`amount`: money a share).

    It takes effect at the start of its ex-date, a day of the exchange.
    """

    ticker: str
    kind: str  # "split" | "dividend"
    ex_date: date
    amount: float
    source: str
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Raw input that was not accepted, kept with the reason."""

    reason: str
    source: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Profile:
    """What a provider says of a company; `text` is what an analyst reads and quotes."""

    ticker: str
    name: str
    text: str
    source: str
    facts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def input_hash(self) -> str:
        """Change of this is what makes another analysis worth its cost."""
        return content_hash(self.ticker, self.name, self.text, self.source)


@dataclass(frozen=True, slots=True)
class Headline:
    """Raw text of a news feed: untrusted, it stays data."""

    text: str
    published_at: datetime
    source: str
    url: str = ""
    summary: str = ""
    tickers: tuple[str, ...] = ()  # the provider's hint

    @property
    def id(self) -> str:
        """The same telling by the same source has the same id."""
        return content_hash(self.text, self.source, self.published_at.isoformat())[:24]

    @property
    def text_hash(self) -> str:
        """The same words by anyone have the same hash."""
        return content_hash(" ".join(self.text.lower().split()))[:24]


# --- what analysts make of it ----------------------------------------------


class EventType(StrEnum):
    """The closed taxonomy of events."""

    EARNINGS = "earnings"
    GUIDANCE = "guidance"
    MERGER_ACQUISITION = "merger_acquisition"
    PRODUCT = "product"
    LEGAL_REGULATORY = "legal_regulatory"
    MANAGEMENT_CHANGE = "management_change"
    ANALYST_ACTION = "analyst_action"
    FINANCING = "financing"
    SUPPLY_CHAIN = "supply_chain"
    LABOUR = "labour"
    MACRO = "macro"
    PRICE_MOVE = "price_move"
    OTHER = "other"


class Label(StrEnum):
    """Labels of graph nodes."""

    COMPANY = "Company"
    PERSON = "Person"
    PRODUCT = "Product"
    INDUSTRY = "Industry"
    COUNTRY = "Country"
    EVENT = "Event"


class EdgeType(StrEnum):
    """Types of graph edges."""

    COMPETES_WITH = "COMPETES_WITH"
    SUPPLIES = "SUPPLIES"
    CUSTOMER_OF = "CUSTOMER_OF"
    PARTNERS_WITH = "PARTNERS_WITH"
    OWNS = "OWNS"
    LEADS = "LEADS"
    MAKES = "MAKES"
    IN_INDUSTRY = "IN_INDUSTRY"
    HEADQUARTERED_IN = "HEADQUARTERED_IN"
    AFFECTED_BY = "AFFECTED_BY"
    CORRELATED_WITH = "CORRELATED_WITH"


_BETWEEN_COMPANIES = (Label.COMPANY, Label.COMPANY)
ALLOWED_ENDS: Mapping[EdgeType, tuple[Label, Label]] = {
    EdgeType.COMPETES_WITH: _BETWEEN_COMPANIES,
    EdgeType.SUPPLIES: _BETWEEN_COMPANIES,
    EdgeType.CUSTOMER_OF: _BETWEEN_COMPANIES,
    EdgeType.PARTNERS_WITH: _BETWEEN_COMPANIES,
    EdgeType.OWNS: _BETWEEN_COMPANIES,
    EdgeType.LEADS: (Label.PERSON, Label.COMPANY),
    EdgeType.MAKES: (Label.COMPANY, Label.PRODUCT),
    EdgeType.IN_INDUSTRY: (Label.COMPANY, Label.INDUSTRY),
    EdgeType.HEADQUARTERED_IN: (Label.COMPANY, Label.COUNTRY),
    EdgeType.AFFECTED_BY: (Label.COMPANY, Label.EVENT),
    EdgeType.CORRELATED_WITH: _BETWEEN_COMPANIES,
}


@dataclass(frozen=True, slots=True)
class NodeRef:
    """A graph node: its label, its key (unique within the label) and its name.

    A company's key is its ticker where it has one, else a slug of its name.
    """

    label: Label
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A typed claim between two nodes, with its evidence."""

    type: EdgeType
    head: NodeRef
    tail: NodeRef
    source: str  # where the span was read
    span: str  # verbatim part of the source's text
    confidence: float  # 0..1
    analyst: str  # model id, or "local"
    prompt_hash: str
    market: str
    valid_from: datetime
    valid_to: datetime | None = None

    @property
    def id(self) -> str:
        """The same claim from the same source is the same edge."""
        return content_hash(
            self.type, self.head.label, self.head.key, self.tail.label, self.tail.key,
            self.source, self.market,
        )[:32]  # fmt: skip


COMPARISON = "*"
"""The source that was read when all companies were: only then is it known who competes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A source that was read to its end: what it states of its company, and no more, is so.

    `until` is when the source was next read, where that was recorded before this reading.
    """

    source: str
    company: str | None = None  # the key of the company that the source is about
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sentiment:
    """How a headline sounds for one company; the probabilities sum to 1."""

    positive: float
    neutral: float
    negative: float

    @property
    def score(self) -> float:
        """In [-1, 1]."""
        return self.positive - self.negative


@dataclass(frozen=True, slots=True)
class Classification:
    """What an analyst says of one headline."""

    headline_id: str
    type: EventType
    sentiment: Mapping[str, Sentiment]  # by ticker
    relevance: float
    confidence: float
    analyst: str
    prompt_hash: str


@dataclass(frozen=True, slots=True)
class Said(Generic[T]):
    """What an analyst said that may be used, and how much was dropped, by reason."""

    results: list[T]
    dropped: Mapping[str, int] = field(default_factory=dict)
    refused: str | None = None  # why there is no answer at all
    stand_in: Mapping[str, str] | None = None  # analyst and prompt_hash, where another said it


@dataclass(frozen=True, slots=True)
class Event:
    """A story: typed, dated, linked. Its id is that of its first headline."""

    id: str
    headline: Headline
    tickers: tuple[str, ...]
    type: EventType
    sentiment: Mapping[str, Sentiment]
    relevance: float
    novelty: float
    confidence: float
    analyst: str
    prompt_hash: str
    market: str


@dataclass(frozen=True, slots=True)
class Telling:
    """A headline that tells a story; the first telling is the story's own."""

    headline: Headline
    event_id: str
    market: str
    similarity: float  # to the story's first telling, 0..1
    found_by: str  # "first" | "exact" | "near" | "semantic"


@dataclass(frozen=True, slots=True)
class Correlation:
    """One pair, one window, one method. docs/explanation/correlation.md says what each is."""

    a: str  # a < b
    b: str
    window: int  # days
    method: str  # "pearson" | "spearman"
    n: int
    r: float
    low: float  # 95% interval of r
    high: float
    p: float
    q: float  # Benjamini-Hochberg, over all pairs
    n_eff: float | None = None
    q_by: float | None = None  # Benjamini-Yekutieli
    shrunk: float | None = None  # r by Ledoit and Wolf
    cleaned: float | None = None  # r by Marchenko and Pastur
    break_q: float | None = None  # that nothing changed since the window before
    lag: int | None = None  # days by which a leads b (negative: b leads)
    lag_r: float | None = None
    lag_q: float | None = None

    @property
    def broke(self) -> bool:
        """Whether the pair is not what it was in the window before this one."""
        return self.break_q is not None and self.break_q < 0.05


# --- what the ledger keeps ---------------------------------------------------


class RunState(StrEnum):
    """States of a run; the first two are active."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class SkipCode(StrEnum):
    """Why a run was not made."""

    CLOSED = "closed"  # the market is: nothing was missed
    ENDED = "ended"  # the replay has shown its last day
    TAKEN = "taken"  # another run has its logical time
    BUSY = "busy"  # another run of its pipeline is active


class StepState(StrEnum):
    """States of a step."""

    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a pipeline for a logical time."""

    id: str
    pipeline: str
    logical_at: datetime
    engine: str
    state: RunState
    trigger: str  # "schedule" | "manual" | "first" | "backfill" | "catch-up"
    params: Mapping[str, Json]
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    deadline_at: datetime | None
    plan: Json
    retries: int = 0  # by a person
    backfill_id: str | None = None
    skip_code: SkipCode | None = None  # of one that was not made

    @property
    def duration_s(self) -> float | None:
        """Seconds from creation to end; None while active."""
        return (self.ended_at - self.created_at).total_seconds() if self.ended_at else None


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a run; `item` is empty unless the step is mapped over items."""

    run_id: str
    position: int
    name: str
    item: str
    state: StepState
    attempt: int
    worker: str | None
    task_id: str | None
    started_at: datetime | None
    ended_at: datetime | None
    output: Json
    error: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt at a step that came to nothing; the step's row has the last one."""

    name: str
    item: str
    attempt: int  # counted anew after a person's retry
    outcome: str  # "retried" | "failed" | "died" | "cancelled"
    worker: str | None
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: the run, and whether it is the caller's to run."""

    run: Run
    granted: bool


@dataclass(frozen=True, slots=True)
class Started:
    """A step that the caller now runs, and what came before it."""

    pipeline: str
    logical_at: datetime
    params: Mapping[str, Json]
    attempt: int
    inputs: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


# --- small helpers every layer needs -----------------------------------------


def utcnow() -> datetime:
    """The wall clock; passed in wherever a result depends on it."""
    return datetime.now(UTC)


def floor_time(moment: datetime, interval: timedelta) -> datetime:
    """Return the start of the slot that holds `moment`; slots count from the epoch."""
    seconds = interval.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def content_hash(*parts: Json) -> str:
    """SHA-256 (hex) of the parts, unambiguous and stable over processes and versions."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def storable(text: str) -> str:
    """Leave out what no store takes and any feed may hold: NUL, and halves of characters."""
    return _UNSTORABLE.sub("", text)


def one_line(text: str, most: int = 500) -> str:
    """Text that others wrote, without line breaks and control characters, cut to a length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def chunked(items: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    """Split into tuples of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def to_json(value: Any) -> Json:
    """A dataclass of this module as JSON values; `from_json` functions live with their users."""
    return json.loads(json.dumps(asdict(value), default=_plain))


def _plain(value: Any) -> Json:
    if isinstance(value, date):  # and so datetime
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")

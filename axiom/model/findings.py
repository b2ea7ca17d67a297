"""What analysts make of it: edges, events, correlations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from axiom.model.market import Headline
from axiom.model.values import content_hash

T = TypeVar("T")


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
    repeats: str | None = None  # the event that it tells again, of those that were given


Earlier = Mapping[str, Mapping[str, str]]
"""By headline, the events that it may tell again, each with its first telling's words."""


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
    similarity: float  # to the story's tellings, 0..1
    found_by: str  # "first" | "exact" | "near" | "semantic" | "analyst"


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

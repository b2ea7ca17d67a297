"""What the market shows: instruments, quotes, profiles, headlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from axiom.model.values import Json, content_hash


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

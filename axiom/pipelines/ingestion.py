"""Prices, every minute: fetch once, store in three places side by side.

Minutes that were missed (an outage, or the first run) are fetched with the
minute that is due, so that each is stored once.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

from axiom.errors import ProviderDataError
from axiom.flow import Context, Flow, Parallel
from axiom.model import CorporateAction, Instrument, Json, Quote, Rejected, to_json, utcnow
from axiom.params import Param

SKEW = timedelta(seconds=30)  # clocks of providers differ from ours
BEHIND = timedelta(minutes=2)  # a ticker this far behind the others missed something
RECENT = 20  # moves that a jump is measured against
MIN_RECENT = 5
LEAST_DEVIATION = 5e-4  # prices that hardly move have no deviation to speak of


class Market(Protocol):
    """Which world, and what of it can be known at a logical time."""

    @property
    def name(self) -> str: ...  # noqa: D102
    def visible_at(self, logical_at: datetime) -> datetime: ...  # noqa: D102


class QuoteProvider(Protocol):
    """Where ticks come from."""

    def fetch_quotes(
        self, tickers: Sequence[str], logical_at: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        """Return the tick of each ticker at a logical time."""
        ...

    def fetch_history(
        self, tickers: Sequence[str], since: datetime | None, until: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        """Return ticks with since < observed_at <= until; since None: the warm-up."""
        ...

    def fetch_actions(
        self, tickers: Sequence[str], since: datetime | None
    ) -> list[CorporateAction]:
        """Return splits and dividends, those since a moment at least; None: of the warm-up."""
        ...

    def lost(self, since: datetime | None, until: datetime) -> datetime | None:
        """Say up to when missed ticks are no longer given; None when all are."""
        ...


class PriceStore(Protocol):
    """Where ticks are kept."""

    def upsert_quotes(self, quotes: Sequence[Quote], run_id: str) -> int: ...  # noqa: D102
    def newest(  # noqa: D102
        self, tickers: Sequence[str], market: str, until: datetime
    ) -> dict[str, datetime]: ...
    def recent(  # noqa: D102
        self, tickers: Sequence[str], market: str, until: datetime, n: int
    ) -> dict[str, list[float]]: ...


class Actions(Protocol):
    """Where splits and dividends are kept."""

    def keep_actions(self, actions: Sequence[CorporateAction], run_id: str) -> int: ...  # noqa: D102


class Quarantine(Protocol):
    """Where bad input is kept."""

    def insert(self, rejected: Sequence[Rejected], pipeline: str, run_id: str) -> int: ...  # noqa: D102


class Cache(Protocol):
    """Where the latest quotes are kept."""

    def put(self, quotes: Sequence[Quote], market: str) -> int: ...  # noqa: D102


class InstrumentGraph(Protocol):
    """Where instruments have their nodes."""

    def link_instruments(  # noqa: D102
        self, instruments: Sequence[Instrument], market: str, recorded_at: datetime
    ) -> int: ...


class Universe(Protocol):
    """What is watched."""

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...  # noqa: D102


class Services(Protocol):
    """What the steps of this pipeline need."""

    @property
    def market(self) -> Market: ...  # noqa: D102
    @property
    def quotes(self) -> QuoteProvider: ...  # noqa: D102
    @property
    def prices(self) -> PriceStore: ...  # noqa: D102
    @property
    def bars(self) -> Actions: ...  # noqa: D102
    @property
    def quarantine(self) -> Quarantine: ...  # noqa: D102
    @property
    def cache(self) -> Cache: ...  # noqa: D102
    @property
    def graph(self) -> InstrumentGraph: ...  # noqa: D102
    @property
    def universe(self) -> Universe: ...  # noqa: D102
    @property
    def jump_deviations(self) -> float: ...  # noqa: D102


def select_instruments(ctx: Context[Services]) -> Json:
    """Choose the tickers, and find the last tick that is stored of each.

    `behind` are those whose last tick is older than that of the others; None: they have none.
    """
    all_tickers = _tickers(ctx.services)
    wanted = ctx.params.get("tickers") or all_tickers
    tickers = [ticker for ticker in all_tickers if ticker in wanted]
    until = ctx.services.market.visible_at(ctx.logical_at)
    newest = ctx.services.prices.newest(tickers, ctx.services.market.name, until)
    since = max(newest.values(), default=None)
    late = {t: newest.get(t) for t in tickers if since and _is_behind(newest.get(t), since)}
    return {
        "tickers": tickers,
        "since": since.isoformat() if since else None,
        "behind": {ticker: at.isoformat() if at else None for ticker, at in late.items()},
    }


def _tickers(services: Services) -> list[str]:
    return [each.ticker for each in services.universe.instruments]


def _is_behind(newest: datetime | None, since: datetime) -> bool:
    return newest is None or since - newest > BEHIND


def fetch_quotes(ctx: Context[Services]) -> Json:
    """Fetch the ticks that are due and those that were missed; set aside what is bad."""
    chosen = ctx.inputs["select_instruments"]
    tickers, services = chosen["tickers"], ctx.services
    since = _moment(chosen["since"])
    quotes, rejected = services.quotes.fetch_quotes(tickers, ctx.logical_at)
    if not quotes and not rejected:
        raise ProviderDataError(f"{services.market.name} gave no quote for {len(tickers)} tickers")
    due_at = services.market.visible_at(ctx.logical_at)
    behind = {ticker: _moment(at) for ticker, at in chosen.get("behind", {}).items()}
    together = [ticker for ticker in tickers if ticker not in behind]
    missed, more = services.quotes.fetch_history(together, since, due_at)
    filled, unfilled = fill(services.quotes, behind, due_at)
    is_first = since is None or since.date() != due_at.date()
    actions = services.quotes.fetch_actions(tickers, since) if is_first else []
    good, bad = validate_quotes([*missed, *filled.quotes, *quotes], set(tickers), utcnow())
    rejected += [*more, *filled.rejected, *bad]
    recent = services.prices.recent(tickers, services.market.name, due_at, RECENT + 1)
    good = flag_jumps(good, recent, services.jump_deviations)
    services.quarantine.insert(rejected, ctx.pipeline, ctx.run_id)
    if rejected and not good:
        raise ProviderDataError(
            f"none of the {len(rejected)} quotes of {services.market.name} can be used, they are "
            f"in quarantine; the first: {rejected[0].reason}"
        )
    lost = services.quotes.lost(since, due_at)
    return {
        "quotes": ctx.artifacts.put(ctx.run_id, "quotes", [to_json(quote) for quote in good]),
        "actions": ctx.artifacts.put(ctx.run_id, "actions", [to_json(each) for each in actions]),
        "fetched": len(good),
        "quarantined": len(rejected),
        "flagged": sum(quote.flag is not None for quote in good),
        "newest": max((quote.observed_at for quote in good), default=due_at).isoformat(),
        "missing": sorted(set(tickers) - {quote.ticker for quote in good}),
        "filled": sorted(set(behind) - set(unfilled)),
        "unfilled": unfilled,
        "lost": {"from": chosen["since"], "to": lost.isoformat()} if lost else None,
    }


@dataclass(frozen=True, slots=True)
class Filled:
    """What was fetched for tickers that were behind."""

    quotes: list[Quote] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def fill(
    provider: QuoteProvider, behind: Mapping[str, datetime | None], until: datetime
) -> tuple[Filled, dict[str, str]]:
    """Fetch what tickers missed, each since its own last tick; return it, and why some have none.

    A ticker of which the provider has nothing (it is halted, or was delisted) holds up no other.
    """
    found, unfilled = Filled(), dict[str, str]()
    for ticker, since in behind.items():
        try:
            quotes, rejected = provider.fetch_history([ticker], since, until)
        except ProviderDataError as error:
            unfilled[ticker] = str(error)
            continue
        found.quotes.extend(quotes)
        found.rejected.extend(rejected)
    return found, unfilled


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def store_prices(ctx: Context[Services]) -> Json:
    """Store the ticks in Postgres, each once; splits and dividends too."""
    rows = ctx.services.prices.upsert_quotes(_quotes(ctx), ctx.run_id)
    if not (ref := ctx.inputs["fetch_quotes"].get("actions")):
        return {"rows": rows}
    actions = [
        CorporateAction(**row | {"ex_date": date.fromisoformat(row["ex_date"])})
        for row in ctx.artifacts.get(ref)
    ]
    kept = ctx.services.bars.keep_actions(actions, ctx.run_id) if actions else 0
    return {"rows": rows, "actions": kept}


def cache_quotes(ctx: Context[Services]) -> Json:
    """Keep the latest quote of each ticker in Redis."""
    latest: dict[str, Quote] = {}
    for quote in sorted(_quotes(ctx), key=lambda quote: quote.observed_at):
        latest[quote.ticker] = quote
    return {"cached": ctx.services.cache.put(list(latest.values()), ctx.services.market.name)}


def link_instruments(ctx: Context[Services]) -> Json:
    """Make sure that each instrument has its node in the graph."""
    instruments = ctx.services.universe.instruments
    market = ctx.services.market.name
    return {"nodes": ctx.services.graph.link_instruments(instruments, market, ctx.logical_at)}


def close_run(ctx: Context[Services]) -> Json:
    """Count what came, what is missing, and how old the newest tick is."""
    fetched = ctx.inputs["fetch_quotes"]
    due_at = ctx.services.market.visible_at(ctx.logical_at)
    newest = datetime.fromisoformat(fetched["newest"])
    return {
        "rows": ctx.inputs.get("store_prices", {}).get("rows", 0),
        "quarantined": fetched["quarantined"],
        "flagged": fetched["flagged"],
        "gaps": fetched["missing"],
        "filled": fetched.get("filled", []),
        "lost": fetched.get("lost"),
        "freshness_s": max((due_at - newest).total_seconds(), 0.0),
    }


FLOW = Flow(
    "ingestion",
    select_instruments,
    fetch_quotes,
    Parallel(store_prices, cache_quotes, link_instruments),
    close_run,
    params=[Param("tickers", list[str], "only these instruments; none: all", [], choices=_tickers)],
)


def validate_quotes(
    quotes: Sequence[Quote], known: set[str], now: datetime
) -> tuple[list[Quote], list[Rejected]]:
    """Part the quotes that can be stored from those that cannot, each with its reason.

    Two quotes of one ticker and moment are one.
    """
    good: dict[tuple[str, datetime], Quote] = {}
    bad: list[Rejected] = []
    for quote in quotes:
        if reason := _fault(quote, known, now):
            bad.append(Rejected(reason, quote.source, to_json(quote)))
        else:
            good.setdefault((quote.ticker, quote.observed_at), quote)
    return list(good.values()), bad


def _fault(quote: Quote, known: set[str], now: datetime) -> str | None:
    if quote.ticker not in known:
        return "unknown ticker"
    if not math.isfinite(quote.price):
        return "price is not a finite number"
    if quote.price <= 0:
        return "price is not positive"
    if quote.observed_at > now + SKEW:
        return "observed in the future"
    return None


def flag_jumps(
    quotes: Sequence[Quote], recent: Mapping[str, Sequence[float]], deviations: float
) -> list[Quote]:
    """Flag quotes that moved more than `deviations` robust deviations of the recent moves.

    `recent` has each ticker's prices before these quotes, newest first. A robust
    deviation is 1.4826 times the median absolute deviation of log returns
    (Rousseeuw and Croux, 1993).
    """
    seen = {ticker: list(reversed(prices)) for ticker, prices in recent.items()}
    flagged = []
    for quote in sorted(quotes, key=lambda quote: quote.observed_at):
        before = seen.setdefault(quote.ticker, [])
        jumped = _jumps(quote.price, before[-RECENT - 1 :], deviations)
        before.append(quote.price)
        flagged.append(replace(quote, flag="jump") if jumped else quote)
    return flagged


def _jumps(price: float, before: Sequence[float], deviations: float) -> bool:
    moves = [math.log(b / a) for a, b in pairwise(before)]
    if len(moves) < MIN_RECENT:
        return False
    middle = statistics.median(moves)
    deviation = 1.4826 * statistics.median(abs(move - middle) for move in moves)
    deviation = max(deviation, LEAST_DEVIATION)
    return abs(math.log(price / before[-1]) - middle) > deviations * deviation


def _quotes(ctx: Context[Any]) -> list[Quote]:
    found = ctx.artifacts.get(ctx.inputs["fetch_quotes"]["quotes"])
    return [
        Quote(**row | {"observed_at": datetime.fromisoformat(row["observed_at"])}) for row in found
    ]

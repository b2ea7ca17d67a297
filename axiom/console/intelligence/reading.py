"""The stores that these pages read, each made when it is first asked for."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from axiom.config import Settings
from axiom.model import utcnow
from axiom.providers.universe import Universe, load_universe
from axiom.stores.analyses import AnalysisStore
from axiom.stores.bars import Bars
from axiom.stores.correlations import CorrelationStore
from axiom.stores.events import EventStore
from axiom.stores.graph_reading import GraphReader
from axiom.stores.postgres import Postgres

MARKETS = {
    "replay": "replay: recorded closes of 2013 to 2022, a trading day shown each minute",
    "yfinance": "live, by Yahoo Finance",
}
ANALYSTS = {
    "local": "local analyst (rules and a small model on this machine, not Claude)",
    "computed": "computed from prices; no analyst",
}


class Reading:
    """One market's prices, graph, events and correlations."""

    def __init__(self, settings: Settings, postgres: Postgres) -> None:
        self.settings, self.market = settings, settings.market
        self._postgres = postgres

    @property
    def market_told(self) -> str:
        """What the market is, for a reader."""
        return MARKETS[self.market]

    @cached_property
    def universe(self) -> Universe:
        """What is watched."""
        return load_universe(self.settings.universe)

    @cached_property
    def names(self) -> dict[str, str]:
        """Names by ticker."""
        found = {each.ticker: each.name for each in self.universe.companies}
        return found | {each.ticker: each.name for each in self.universe.instruments}

    @cached_property
    def bars(self) -> Bars:
        """Prices."""
        return Bars(self._postgres)

    @cached_property
    def graph(self) -> GraphReader:
        """The company graph."""
        return GraphReader(self.settings.require("graph_url"))

    @cached_property
    def analyses(self) -> AnalysisStore:
        """Snapshots of the graph."""
        return AnalysisStore(self._postgres)

    @cached_property
    def events(self) -> EventStore:
        """Stories."""
        return EventStore(self._postgres)

    @cached_property
    def correlations(self) -> CorrelationStore:
        """Pairs."""
        return CorrelationStore(self._postgres)

    def newest(self, ticker: str) -> datetime | None:
        """Return when the newest tick of a ticker was observed."""
        found = self.bars.standing([ticker], self.market, utcnow()).get(ticker)
        return found["observed_at"] if found else None


def analyst_told(name: str) -> str:
    """Say who wrote something: a model of Claude, an imitation of one, or this machine."""
    if name in ANALYSTS:
        return ANALYSTS[name]
    if name.startswith("imitation"):
        return f"{name} (an imitation of Claude, for tests)"
    return f"{name} (Claude)" if name.startswith("claude") else name

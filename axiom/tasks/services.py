"""Compose stores, providers and analysts, once per process and only when used.

This is the one place that knows concrete classes; pipelines see Protocols, and
importing this imports none of the heavy libraries behind them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from axiom.config import Settings, settings
from axiom.engines.execute import Engine
from axiom.stores.artifacts import MemoryArtifacts, RedisArtifacts

if TYPE_CHECKING:
    from axiom.analysts.degrading import Analyst
    from axiom.ledger.actions import Actions
    from axiom.ledger.backfills import Backfills
    from axiom.ledger.ledger import Ledger
    from axiom.ledger.schedules import Schedules
    from axiom.providers.live import Live
    from axiom.providers.replay import Replay
    from axiom.providers.universe import Universe
    from axiom.stores.alerts import AlertStore
    from axiom.stores.analyses import AnalysisStore
    from axiom.stores.bars import Bars
    from axiom.stores.cache import QuoteCache
    from axiom.stores.correlations import CorrelationStore
    from axiom.stores.events import EventStore
    from axiom.stores.graph import GraphStore
    from axiom.stores.log_lines import LogLines
    from axiom.stores.postgres import Postgres
    from axiom.stores.prices import PriceStore
    from axiom.stores.profile_index import ProfileIndex
    from axiom.stores.quarantine import Quarantine
    from axiom.stores.reports import ReportWriter
    from axiom.stores.search import Search
    from axiom.stores.vectors import VectorStore
    from axiom.tasks.claude import Claude


class Services:
    """Everything that steps may need; satisfies the `Services` Protocol of each pipeline."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.jump_deviations = settings.jump_deviations
        self.windows = settings.correlation_windows
        self.tile = settings.correlation_tile

    # --- stores ---

    @cached_property
    def postgres(self) -> Postgres:
        """The database."""
        from axiom.stores.postgres import Postgres

        return Postgres(self.settings.require("postgres_url"))

    @cached_property
    def ledger(self) -> Ledger:
        """Runs and steps."""
        from axiom.ledger.ledger import Ledger

        return Ledger(self.postgres)

    @cached_property
    def actions(self) -> Actions:
        """What persons do to runs."""
        from axiom.ledger.actions import Actions

        return Actions(self.postgres, self.ledger)

    @cached_property
    def schedules(self) -> Schedules:
        """When each pipeline runs."""
        from axiom.ledger.schedules import Schedules
        from axiom.tasks.schedules import defaults

        return Schedules(self.postgres, defaults())

    @cached_property
    def backfills(self) -> Backfills:
        """Ranges that are run beside the live work."""
        from axiom.ledger.backfills import Backfills

        return Backfills(self.postgres)

    @property
    def history(self) -> Ledger:
        """What was run before."""
        return self.ledger

    @cached_property
    def prices(self) -> PriceStore:
        """Ticks."""
        from axiom.stores.prices import PriceStore

        return PriceStore(self.postgres)

    @cached_property
    def log_lines(self) -> LogLines:
        """What steps said."""
        from axiom.stores.log_lines import LogLines

        return LogLines(self.postgres)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Bad input."""
        from axiom.stores.quarantine import Quarantine

        return Quarantine(self.postgres)

    @cached_property
    def analyses(self) -> AnalysisStore:
        """What analysts said of companies."""
        from axiom.stores.analyses import AnalysisStore

        return AnalysisStore(self.postgres)

    @cached_property
    def events(self) -> EventStore:
        """Stories."""
        from axiom.stores.events import EventStore

        return EventStore(self.postgres)

    @cached_property
    def alerts(self) -> AlertStore:
        """What a person should know."""
        from axiom.stores.alerts import AlertStore

        return AlertStore(self.postgres)

    @cached_property
    def correlations(self) -> CorrelationStore:
        """Correlations."""
        from axiom.stores.correlations import CorrelationStore

        return CorrelationStore(self.postgres)

    @cached_property
    def cache(self) -> QuoteCache:
        """Latest quotes."""
        from axiom.stores.cache import QuoteCache

        return QuoteCache(self.settings.require("redis_url"))

    @cached_property
    def graph(self) -> GraphStore:
        """The knowledge graph."""
        from axiom.stores.graph import GraphStore

        return GraphStore(self.settings.require("graph_url"))

    @cached_property
    def vectors(self) -> VectorStore:
        """Embeddings."""
        from axiom.stores.vectors import VectorStore

        return VectorStore(self.settings.require("chroma_url"))

    @cached_property
    def profile_index(self) -> ProfileIndex:
        """Profiles by their meaning."""
        from axiom.stores.profile_index import ProfileIndex

        return ProfileIndex(self.settings.require("chroma_url"))

    @cached_property
    def search(self) -> Search:
        """What was kept, by its meaning."""
        from axiom.stores.search import Search

        return Search(self.postgres, self.vectors, self.profile_index, self.embed)

    @cached_property
    def bars(self) -> Bars:
        """Prices by minute and day, and splits and dividends."""
        from axiom.stores.bars import Bars

        return Bars(self.postgres)

    @cached_property
    def reports(self) -> ReportWriter:
        """The correlation report."""
        from axiom.stores.reports import ReportWriter

        return ReportWriter(self.settings.data_dir / "reports")

    @cached_property
    def artifacts(self) -> RedisArtifacts:
        """What steps hand on."""
        return RedisArtifacts(self.settings.require("redis_url"))

    # --- providers ---

    @cached_property
    def universe(self) -> Universe:
        """What is watched."""
        from axiom.providers.universe import load_universe

        return load_universe(self.settings.universe)

    @cached_property
    def market(self) -> Replay | Live:
        """The market, its quotes, profiles and headlines."""
        if self.settings.market == "replay":
            from axiom.providers.replay import Replay

            return Replay(self.ledger.replay_start)
        from axiom.providers.live import Live

        return Live(self.settings, self.universe)

    @property
    def quotes(self) -> Replay | Live:
        """Where ticks come from."""
        return self.market

    @property
    def profiles(self) -> Replay | Live:
        """Where profiles come from."""
        return self.market

    @property
    def headlines(self) -> Replay | Live:
        """Where headlines come from."""
        return self.market

    # --- analysts ---

    @cached_property
    def claude(self) -> Claude:
        """The gateway to Claude, its book and its budget."""
        from axiom.tasks.claude import Claude

        return Claude(self.settings)

    @cached_property
    def analyst(self) -> Analyst:
        """Who reads and explains."""
        from axiom.analysts.local import LocalAnalyst

        if self.settings.analyst == "local":
            return LocalAnalyst(self.universe.companies)
        from axiom.analysts.degrading import DegradingAnalyst

        asking = self._claude_analyst()
        degrades = self.settings.claude_refused == "local"
        local = LocalAnalyst(self.universe.companies)
        return DegradingAnalyst(asking, local) if degrades else asking

    def _claude_analyst(self) -> Analyst:
        from axiom.analysts.claude import ClaudeAnalyst, Models

        wanted = self.settings
        models = Models(
            wanted.claude_small, wanted.claude_large, wanted.claude_effort,
            wanted.claude_escalate_below,
        )  # fmt: skip
        names = {company.ticker: (company.name,) for company in self.universe.companies}
        return ClaudeAnalyst(self.claude.ask, models, names, self.claude.gateway.model_name)

    @cached_property
    def embed(self) -> Callable[[Sequence[str]], list[list[float]]]:
        """Meanings of texts, as vectors of length one."""
        from axiom.analysts.embedding import embed

        return embed


class DryServices(Services):
    """Services that write nothing: what a run would store is seen by the run and then undone."""

    @cached_property
    def postgres(self) -> Postgres:
        """The database, in a transaction that is rolled back."""
        from axiom.stores.postgres import RolledBackPostgres

        return RolledBackPostgres(self.settings.require("postgres_url"))

    @cached_property
    def graph(self) -> GraphStore:
        """The graph, in a transaction that is rolled back."""
        from axiom.stores.graph import RolledBackGraph

        return RolledBackGraph(self.settings.require("graph_url"))

    @cached_property
    def cache(self) -> QuoteCache:
        """Latest quotes, counted and not kept."""
        from axiom.stores.cache import UnkeptQuotes

        return UnkeptQuotes(self.settings.require("redis_url"))

    @cached_property
    def vectors(self) -> VectorStore:
        """Embeddings, read and not kept."""
        from axiom.stores.vectors import UnkeptVectors

        return UnkeptVectors(self.settings.require("chroma_url"))

    @cached_property
    def profile_index(self) -> ProfileIndex:
        """Profiles, embedded and not kept."""
        from axiom.stores.profile_index import UnkeptProfiles

        return UnkeptProfiles(self.settings.require("chroma_url"))

    @cached_property
    def reports(self) -> ReportWriter:
        """The report, drawn and not kept."""
        from axiom.stores.reports import UnkeptReports

        return UnkeptReports(Path(os.devnull))

    def undo(self) -> None:
        """Roll back."""
        for store in (self.graph, self.postgres):
            store.close()


@lru_cache(maxsize=1)
def services() -> Services:
    """The services of this process."""
    return Services(settings())


def celery_engine(hostname: str) -> Engine:
    """The queue engine, for the worker of that name."""
    return Engine(services().ledger, services(), services().artifacts, "celery", hostname)


@contextmanager
def in_process_engine(*, dry_run: bool) -> Iterator[Engine]:
    """The in-process engine; a dry run is undone at the end of the block."""
    worker = f"pid {os.getpid()}"
    # somebody waits for this, and perhaps no worker looks after batches
    at_once = settings().model_copy(update={"claude_batch": "off"})
    if not dry_run:
        made = Services(at_once)
        yield Engine(made.ledger, made, MemoryArtifacts(), "langgraph", worker)
        return
    dry = DryServices(at_once)
    try:
        yield Engine(dry.ledger, dry, MemoryArtifacts(), "dry-run", worker)
    finally:
        dry.undo()

"""Ticks that were missed: of all tickers, and of single ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from axiom.errors import ProviderDataError
from axiom.flow import Context
from axiom.model import CorporateAction, Instrument, Quote, Rejected
from axiom.pipelines import ingestion
from axiom.stores.artifacts import MemoryArtifacts

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class World:
    """Services that remember what was asked; `newest` is what is stored."""

    newest_at: dict[str, datetime]
    nothing_of: set[str] = field(default_factory=set)
    asked: list[tuple[list[str], datetime | None]] = field(default_factory=list)
    kept: list[CorporateAction] = field(default_factory=list)
    jump_deviations: float = 8.0
    name: str = "yfinance"

    def __post_init__(self) -> None:
        self.market = self.quotes = self.prices = self.quarantine = self.bars = self
        self.universe = self

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(Instrument(ticker, ticker) for ticker in ("A", "B", "C"))

    def visible_at(self, at: datetime) -> datetime:
        return at

    def newest(self, tickers: Sequence[str], market: str, until: datetime) -> dict[str, datetime]:
        return self.newest_at

    def fetch_quotes(self, tickers: Sequence[str], at: datetime) -> Any:
        return [Quote(ticker, 10.0, at, self.name) for ticker in tickers], []

    def fetch_history(
        self, tickers: Sequence[str], since: datetime | None, until: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        self.asked.append((list(tickers), since))
        if self.nothing_of & set(tickers):
            raise ProviderDataError("no bars")
        return [Quote(t, 9.0, until - MINUTE, self.name) for t in tickers], []

    def fetch_actions(
        self, tickers: Sequence[str], since: datetime | None
    ) -> list[CorporateAction]:
        return [CorporateAction("A", "split", date(2026, 1, 5), 2.0, self.name)]

    def lost(self, since: datetime | None, until: datetime) -> datetime | None:
        reach = until - timedelta(days=6)
        return reach if since and since < reach else None

    def recent(self, *given: Any) -> dict[str, list[float]]:
        return {}

    def insert(self, *given: Any) -> int:
        return 0

    def upsert_quotes(self, quotes: Sequence[Quote], run_id: str) -> int:
        return len(quotes)

    def keep_actions(self, actions: Sequence[CorporateAction], run_id: str) -> int:
        self.kept += actions
        return len(actions)


def run(world: World) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    context: Context[Any] = Context("r", "ingestion", NOW, world, MemoryArtifacts(), inputs=inputs)
    for step in (ingestion.select_instruments, ingestion.fetch_quotes, ingestion.store_prices):
        inputs[step.__name__] = step(context)
    return {**inputs["fetch_quotes"], **inputs["store_prices"]}


def test_a_ticker_that_missed_minutes_is_filled_since_its_own_last_tick() -> None:
    last, older = NOW - MINUTE, NOW - 20 * MINUTE
    world = World({"A": last, "B": older, "C": last - timedelta(seconds=30)})
    assert run(world)["filled"] == ["B"]
    assert world.asked == [(["A", "C"], last), (["B"], older)]


def test_a_new_ticker_gets_its_warm_up_while_the_others_go_on() -> None:
    world = World({"A": NOW - MINUTE, "B": NOW - MINUTE})
    run(world)
    assert world.asked == [(["A", "B"], NOW - MINUTE), (["C"], None)]


def test_a_ticker_of_which_the_provider_has_nothing_holds_up_no_other() -> None:
    world = World({"A": NOW - MINUTE, "B": NOW - 9 * MINUTE, "C": NOW - 8 * MINUTE}, {"B"})
    told = run(world)
    assert (told["filled"], told["unfilled"], told["missing"]) == (["C"], {"B": "no bars"}, [])


def test_the_first_run_asks_for_all_at_once() -> None:
    world = World({})
    assert run(world)["unfilled"] == {}
    assert world.asked == [(["A", "B", "C"], None)]


def test_splits_and_dividends_are_asked_for_once_a_day() -> None:
    within, across = (World(dict.fromkeys("ABC", NOW - age * MINUTE)) for age in (1, 24 * 60))
    assert (run(within)["actions"], run(across)["actions"]) == (0, 1)
    assert [action.ex_date for action in across.kept] == [date(2026, 1, 5)]


def test_minutes_that_the_provider_no_longer_has_are_told() -> None:
    told = run(World(dict.fromkeys("ABC", NOW - timedelta(days=8))))
    assert told["lost"]["to"] == (NOW - timedelta(days=6)).isoformat()
    assert run(World(dict.fromkeys("ABC", NOW - timedelta(days=5))))["lost"] is None

"""The live provider before a local Yahoo, and each of the ways in which it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from axiom.config import load_settings
from axiom.errors import AxiomError
from axiom.providers.live import Live
from axiom.providers.universe import Universe, Watched
from tests.fakes.yahoo import NOW, OPEN, RedirectedSession, yahoo_server
from tests.fakes.yahoo import Yahoo as Fake

TICKERS = ["AAPL", "MSFT", "IBM"]
MINUTE = timedelta(minutes=1)
SLOW_S = 0.5
Ask = Callable[[Live], Any]


def quotes(live: Live) -> Any:
    return live.fetch_quotes(TICKERS, NOW)


def warm_up(live: Live) -> Any:
    return live.fetch_history(TICKERS, None, NOW)


def minutes(live: Live) -> Any:
    return live.fetch_history(TICKERS, OPEN, NOW)


def profile(live: Live) -> Any:
    return live.fetch_profile("AAPL")


def news(live: Live) -> Any:
    return live.fetch_headlines(None, NOW)


EACH = pytest.mark.parametrize("ask", [quotes, warm_up, minutes, profile, news])


@pytest.fixture(autouse=True)
def _no_state_of_yfinance() -> Iterator[None]:
    """Forget the one session and the caches that yfinance keeps for the process."""
    from yfinance import cache
    from yfinance.data import SingletonMeta

    def forget() -> None:
        SingletonMeta._instances.clear()
        cache._CookieCacheManager._Cookie_cache = None

    forget()
    yield
    forget()


@pytest.fixture
def fake() -> Iterator[Fake]:
    with yahoo_server() as yahoo:
        yield yahoo


Make = Callable[..., Live]


@pytest.fixture
def make(fake: Fake, tmp_path: Path) -> Make:
    def live(**given: Any) -> Live:
        settings = load_settings(data_dir=tmp_path, **{"provider_timeout_s": 5.0} | given)
        companies = tuple(Watched(ticker, ticker) for ticker in TICKERS)
        return Live(settings, Universe((), companies), RedirectedSession(fake.address))

    return live


def fails(ask: Ask, live: Live) -> AxiomError:
    """Return the error, after a look at its words: no traceback, no address, no secret."""
    with pytest.raises(AxiomError) as told:
        ask(live)
    words = str(told.value)
    for unwanted in ("Traceback", "Error(", "http", "crumb", "\n", "curl:", "delisted;"):
        assert unwanted not in words
    return told.value

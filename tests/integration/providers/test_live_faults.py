"""The live provider against a local Yahoo, in every way in which that does not work."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from axiom.config import load_settings
from axiom.errors import AxiomError, ProviderDataError, ProviderUnavailable, RateLimited
from axiom.flow import Context
from axiom.model import Rejected
from axiom.pipelines.ingestion import fetch_quotes
from axiom.providers.live import Live
from axiom.providers.universe import Universe, Watched
from tests.fakes.yahoo import NOW, OPEN, RedirectedSession
from tests.fakes.yahoo import Yahoo as Fake
from tests.integration.providers.conftest import (
    EACH,
    MINUTE,
    SLOW_S,
    TICKERS,
    Ask,
    Make,
    fails,
    minutes,
    news,
    quotes,
    warm_up,
)

# --- it does not ---


@EACH
@pytest.mark.parametrize(
    ("mode", "kind", "said"),
    [
        ("429", RateLimited, "Yahoo asks us to slow down (429)"),
        ("500", ProviderUnavailable, "Yahoo fails with status 500"),
        ("HTML", ProviderUnavailable, "Yahoo answers what is not JSON; it may be down"),
        ("cut off", ProviderUnavailable, "Yahoo answers what is not JSON; it may be down"),
        ("list", ProviderUnavailable, "Yahoo answers what is not JSON; it may be down"),
        ("hung up", ProviderUnavailable, "Yahoo cut its answer off"),
    ],
)
def test_a_fault_of_yahoo_is_told_in_words(
    fake: Fake, make: Make, ask: Ask, mode: str, kind: type[AxiomError], said: str
) -> None:
    fake.mode = mode
    error = fails(ask, make())
    assert (type(error), str(error)) == (kind, said)


@EACH
@pytest.mark.parametrize(
    ("mode", "said"),
    [("empty", "Yahoo "), ("404", "Yahoo has nothing of"), ("form", "in a form that is not known")],
)
def test_an_answer_without_content_is_told_in_words(
    fake: Fake, make: Make, ask: Ask, mode: str, said: str
) -> None:
    fake.mode = mode
    error = fails(ask, make())
    assert type(error) is ProviderDataError
    assert said in str(error)


@EACH
@pytest.mark.parametrize("handshake", ["ok", "slow"])
def test_a_slow_yahoo_is_left_in_time(fake: Fake, make: Make, ask: Ask, handshake: str) -> None:
    fake.mode, fake.modes = "slow", {"handshake": handshake}
    live, began = make(provider_timeout_s=SLOW_S), time.monotonic()
    error = fails(ask, live)
    assert (type(error), str(error)) == (ProviderUnavailable, "Yahoo did not answer within 0.5 s")
    asked_twice = ask in (warm_up, minutes, news)  # one slow ticker does not sink the others
    assert time.monotonic() - began < SLOW_S * (2 if asked_twice else 1) + 2


@EACH
def test_a_yahoo_that_is_away_is_told(fake: Fake, tmp_path: Path, ask: Ask) -> None:
    companies = (Watched("AAPL", "Apple"), Watched("IBM", "IBM"))
    away = RedirectedSession("http://127.0.0.1:1")
    error = fails(ask, Live(load_settings(data_dir=tmp_path), Universe((), companies), away))
    assert type(error) is ProviderUnavailable
    assert "Yahoo cannot be reached" in str(error)


def test_a_rate_limit_says_how_long_to_wait_and_stops_the_questions(fake: Fake, make: Make) -> None:
    fake.mode, fake.modes = "429", {"handshake": "429"}
    error = fails(warm_up, make())
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 30
    assert sum("chart" in each for each in fake.asked) == 2  # yfinance tries once more, by itself
    assert {each.rpartition("/")[2] for each in fake.asked if "chart" in each} == {"AAPL"}


def test_a_yahoo_that_recovers_is_asked_again(fake: Fake, make: Make) -> None:
    live = make()
    fake.mode = "500"
    fails(quotes, live)
    fake.mode = "ok"
    assert len(quotes(live)[0]) == len(TICKERS)


# --- one of many ---


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("NaN", "price is not a finite number"), ("no time", "no market time")],
)
def test_quotes_that_cannot_be_are_set_aside_with_what_was_sent(
    fake: Fake, make: Make, mode: str, reason: str
) -> None:
    fake.mode = mode
    good, bad = quotes(make())
    assert good == []
    assert [(each.reason, each.payload["symbol"]) for each in bad] == [
        (reason, ticker) for ticker in TICKERS
    ]


def test_a_volume_that_is_no_number_is_left_out_of_the_quote(fake: Fake, make: Make) -> None:
    fake.mode = "NaN volume"
    good, bad = quotes(make())
    assert [quote.volume for quote in good] == [None] * 3
    assert bad == []


def test_an_old_price_is_stale_while_the_exchange_is_open(fake: Fake, make: Make) -> None:
    fake.mode = "stale"
    good, bad = quotes(make())
    assert good == []
    assert {each.reason for each in bad} == {"stale: observed at 2026-01-05 14:00 UTC"}


@pytest.mark.parametrize("at", [OPEN + 5 * MINUTE, datetime(2026, 1, 5, 22, tzinfo=UTC)])
def test_an_old_price_is_right_while_nothing_newer_can_be(
    fake: Fake, make: Make, at: datetime
) -> None:
    fake.mode = "stale"
    good, bad = make().fetch_quotes(TICKERS, at)
    assert len(good) == 3
    assert bad == []


@pytest.mark.parametrize(("ask", "count"), [(warm_up, 1), (minutes, 28)])
def test_bars_without_a_price_are_set_aside(fake: Fake, make: Make, ask: Ask, count: int) -> None:
    fake.modes = {"MSFT": "NaN"}
    good, bad = ask(make())
    assert sum(quote.ticker == "MSFT" for quote in good) == count
    assert {(each.reason, each.payload["ticker"]) for each in bad} == {
        ("price is not a finite number", "MSFT")
    }
    assert len(bad) == 2


@pytest.mark.parametrize("bad", TICKERS)
@pytest.mark.parametrize("mode", ["404", "500", "HTML", "cut off", "form"])
@pytest.mark.parametrize("ask", [warm_up, minutes])
def test_one_bad_ticker_does_not_sink_the_bars_of_the_others(
    fake: Fake, make: Make, ask: Ask, mode: str, bad: str
) -> None:
    fake.modes = {bad: mode}
    good, [rejected] = ask(make())
    assert {quote.ticker for quote in good} == set(TICKERS) - {bad}
    assert rejected.reason.startswith("no bars: Yahoo ")
    assert rejected.payload["ticker"] == bad


@pytest.mark.parametrize("mode", ["404", "500", "slow", "form", "empty"])
def test_one_bad_ticker_does_not_sink_the_news_of_the_others(
    fake: Fake, make: Make, mode: str
) -> None:
    fake.modes = {"MSFT": mode}
    found = news(make(provider_timeout_s=SLOW_S))
    assert [headline.tickers for headline in found] == [("AAPL",), ("IBM",)]


def step(live: Live, since: datetime, kept: list[Rejected]) -> Any:
    """Run the step `fetch_quotes` of ingestion, with stores that hold nothing."""
    services = SimpleNamespace(
        market=live,
        quotes=live,
        prices=SimpleNamespace(recent=lambda *asked: {}),
        quarantine=SimpleNamespace(insert=lambda bad, pipeline, run_id: kept.extend(bad)),
        jump_deviations=8.0,
    )
    artifacts = SimpleNamespace(put=lambda run_id, name, value: value)
    chosen = {"tickers": TICKERS, "since": since.isoformat()}
    return fetch_quotes(
        Context("run", "ingestion", NOW, services, artifacts, inputs={"select_instruments": chosen})
    )


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("NaN", "price is not a finite number"),
        ("stale", "stale: observed at 2026-01-05 14:00 UTC"),
    ],
)
def test_the_step_fails_when_no_quote_can_be_used_and_keeps_what_was_sent(
    fake: Fake, make: Make, mode: str, reason: str
) -> None:
    fake.mode = mode
    kept: list[Rejected] = []
    error = fails(lambda live: step(live, NOW - MINUTE, kept), make())
    assert type(error) is ProviderDataError
    assert str(error).endswith(f"they are in quarantine; the first: {reason}")
    assert [each.reason for each in kept] == [reason] * len(TICKERS)


def test_the_step_stores_the_missed_minutes_and_the_due_tick_once_each(make: Make) -> None:
    kept: list[Rejected] = []
    found = step(make(), NOW - 5 * MINUTE, kept)
    stored = [(row["ticker"], row["observed_at"]) for row in found["quotes"]]
    assert len(stored) == len(set(stored)) == len(TICKERS) * (5 + 1)
    assert (kept, found["missing"]) == ([], [])


def test_a_ticker_that_failed_once_is_asked_for_again(fake: Fake, make: Make) -> None:
    fake.modes, fake.once = {"AAPL": "HTML"}, {"AAPL"}
    good, bad = warm_up(make())
    assert {quote.ticker for quote in good} == set(TICKERS)
    assert bad == []


def test_minutes_that_were_traded_and_are_not_given_are_a_fault(fake: Fake, make: Make) -> None:
    fake.mode = "400"
    error = fails(minutes, make())
    assert type(error) is ProviderDataError
    assert str(error) == "Yahoo gave no minute bars of 3 tickers since 2026-01-05 14:30"

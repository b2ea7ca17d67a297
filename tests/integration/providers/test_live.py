"""The live provider against a local Yahoo that works, and every way in which it does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from axiom.config import load_settings
from axiom.errors import AxiomError, ProviderDataError, ProviderUnavailable, RateLimited
from axiom.flow import Context
from axiom.model import CorporateAction, Headline, Quote, Rejected
from axiom.pipelines.ingestion import fetch_quotes
from axiom.providers.live import Live
from axiom.providers.universe import Universe, Watched
from tests.fakes.feed import feed_server
from tests.fakes.yahoo import DAYS, NOW, OPEN, RedirectedSession, price, yahoo_server
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


# --- it works ---


def test_last_prices_come_in_one_request_with_a_crumb(fake: Fake, make: Make) -> None:
    good, bad = make().fetch_quotes(TICKERS, NOW)
    assert bad == []
    assert good == [
        Quote(
            t, price(t, NOW), NOW, "yfinance", "USD",
            open=price(t, OPEN), high=price(t, NOW), low=price(t, OPEN), volume=1000,
        )
        for t in TICKERS
    ]  # fmt: skip
    assert [each for each in fake.asked if "quote" in each] == [
        "GET query1.finance.yahoo.com/v7/finance/quote"
    ]


def test_many_tickers_are_asked_for_in_parts(fake: Fake, make: Make) -> None:
    good, _ = make(quote_chunk=2).fetch_quotes(TICKERS, NOW)
    assert [quote.ticker for quote in good] == TICKERS
    assert sum("v7/finance/quote" in each for each in fake.asked) == 2


def test_what_yfinance_keeps_is_kept_in_the_data_directory(make: Make, tmp_path: Path) -> None:
    from yfinance import cache

    make().fetch_quotes(TICKERS, NOW)
    assert cache._CookieDBManager.get_location() == str(tmp_path / "yfinance")


def test_the_first_run_gets_daily_closes_as_observed_but_not_of_the_running_day(make: Make) -> None:
    good, bad = make().fetch_history(["AAPL"], None, NOW)
    ends = [(2025, 7, 3, 20), (2025, 12, 31, 21), (2026, 1, 2, 21)]  # four o'clock in New York
    assert [quote.observed_at for quote in good] == [datetime(*end, tzinfo=UTC) for end in ends]
    closes = [price("AAPL", day) for day in DAYS[:3]]
    assert [quote.price for quote in good] == pytest.approx(closes)
    assert [quote.high for quote in good] == pytest.approx(closes)
    assert {quote.bar_s for quote in good} == {86_400}
    assert bad == []


def test_splits_and_dividends_have_their_day_and_what_is_none_is_left_out(make: Make) -> None:
    found = make().fetch_actions(["AAPL"], None)
    assert found == [
        CorporateAction("AAPL", "dividend", date(2025, 12, 31), 0.26, "yfinance", "USD"),
        CorporateAction("AAPL", "split", date(2026, 1, 2), 4.0, "yfinance"),
    ]


def test_after_an_outage_the_missing_minutes_are_given_once_each(make: Make) -> None:
    since = OPEN + 10 * MINUTE + timedelta(seconds=7)
    good, bad = make().fetch_history(TICKERS, since, NOW)
    ends = [OPEN + n * MINUTE for n in range(11, 31)]  # first the bar that ran at `since`
    for ticker in TICKERS:
        bars = [quote for quote in good if quote.ticker == ticker]
        assert [bar.observed_at for bar in bars] == ends
        assert [bar.price for bar in bars] == [price(ticker, end - MINUTE) for end in ends]
    assert bad == []


def test_what_was_caught_up_in_two_parts_is_the_same_as_at_once(make: Make) -> None:
    live, middle = make(), OPEN + 17 * MINUTE
    whole, _ = live.fetch_history(["AAPL"], OPEN, NOW)
    first, _ = live.fetch_history(["AAPL"], OPEN, middle)
    second, _ = live.fetch_history(["AAPL"], middle, NOW)
    assert {q.observed_at for q in first + second} == {q.observed_at for q in whole}
    assert len(first + second) == len(whole) == 30


def test_bars_of_before_the_exchange_opened_are_left_out(make: Make) -> None:
    good, _ = make().fetch_history(["AAPL"], OPEN - timedelta(days=3), NOW)
    assert min(quote.observed_at for quote in good) == OPEN + MINUTE


def test_nothing_is_asked_for_when_no_minute_was_missed(fake: Fake, make: Make) -> None:
    assert make().fetch_history(TICKERS, NOW - 2 * MINUTE, NOW) == ([], [])
    assert fake.asked == []


@pytest.mark.parametrize("mode", ["empty", "400"])
def test_no_bars_in_the_first_minutes_of_a_day_are_no_fault(
    fake: Fake, make: Make, mode: str
) -> None:
    fake.mode = mode
    found = make().fetch_history(TICKERS, OPEN - timedelta(hours=17), OPEN + 2 * MINUTE)
    assert found == ([], [])


def test_a_profile_is_rendered_for_an_analyst(make: Make) -> None:
    found = make().fetch_profile("AAPL")
    assert (found.ticker, found.name, found.source) == ("AAPL", "AAPL Inc.", "yahoo:AAPL")
    assert found.facts["industries"] == ["Software", "Technology"]
    assert found.facts["headquarters"] == "Austin, TX, United States"
    assert found.facts["key_people"] == "Ada L ( CEO )"
    assert found.text.endswith("It makes things.")


def test_news_of_the_last_day_come_by_yahoo_without_what_cannot_be_used(make: Make) -> None:
    assert make().fetch_headlines(None, NOW) == [
        Headline(
            f"{t} rises", (NOW - MINUTE).replace(microsecond=0), "Wire", f"http://x/{t}", "More",
            (t,),
        )
        for t in TICKERS
    ]  # fmt: skip


def test_news_come_by_rss_where_feeds_are_set(fake: Fake, make: Make) -> None:
    with feed_server() as address:
        [found] = make(rss_feeds=(f"{address}/ok",)).fetch_headlines(None, NOW)
    assert (found.text, found.published_at) == ("Apple unveils a phone", OPEN)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (OPEN, True),
        (NOW, True),
        (OPEN - MINUTE, False),
        (datetime(2026, 1, 5, 21, tzinfo=UTC), False),  # the evening
        (datetime(2026, 1, 3, 15, tzinfo=UTC), False),  # Saturday
        (datetime(2026, 1, 1, 15, tzinfo=UTC), False),  # New Year
        (datetime(2025, 12, 24, 18, 30, tzinfo=UTC), False),  # half a day
    ],
)
def test_the_exchange_is_open_in_its_hours_only(make: Make, at: datetime, is_open: bool) -> None:
    said = f"the exchange XNYS is closed at {at:%Y-%m-%d %H:%M} UTC"
    assert make().closed_reason(at) == (None if is_open else said)


def test_the_local_yahoo_complains_about_what_yahoo_would_not_know() -> None:
    with pytest.raises(AssertionError, match="/v7/none is not known"), yahoo_server() as fake:
        RedirectedSession(fake.address).request("GET", "https://query1.finance.yahoo.com/v7/none")


# --- it does not ---


def fails(ask: Ask, live: Live) -> AxiomError:
    """Return the error, after a look at its words: no traceback, no address, no secret."""
    with pytest.raises(AxiomError) as told:
        ask(live)
    words = str(told.value)
    for unwanted in ("Traceback", "Error(", "http", "crumb", "\n", "curl:", "delisted;"):
        assert unwanted not in words
    return told.value


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

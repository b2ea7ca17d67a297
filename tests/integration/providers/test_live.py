"""The live provider against a local Yahoo that works."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from axiom.model import CorporateAction, Headline, Quote
from tests.fakes.feed import feed_server
from tests.fakes.yahoo import DAYS, NOW, OPEN, RedirectedSession, price, yahoo_server
from tests.fakes.yahoo import Yahoo as Fake
from tests.integration.providers.conftest import (
    MINUTE,
    TICKERS,
    Make,
)


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

"""Bars from ticks, on the embedded Postgres and on a real one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from axiom.model import CorporateAction, Quote, Rejected
from axiom.stores.bars import ZONE, Bars
from axiom.stores.postgres import Postgres
from axiom.stores.prices import PriceStore
from axiom.stores.quarantine import Quarantine

pytestmark = pytest.mark.contract
OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)  # Monday, half past nine in New York
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LIVE = "yfinance"


@pytest.fixture
def db(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture
def bars(db: Postgres) -> Bars:
    return Bars(db, lambda: OPEN + DAY)


def tick(minutes: float, price: float, **given: object) -> Quote:
    quote = Quote("AAPL", price, OPEN + minutes * MINUTE, LIVE)
    return replace(quote, **given)  # type: ignore[arg-type]


def store(db: Postgres, quotes: Sequence[Quote]) -> None:
    PriceStore(db).upsert_quotes(quotes, "run-1")


def test_a_minute_holds_what_was_paid_after_its_start_up_to_its_end(
    db: Postgres, bars: Bars
) -> None:
    store(db, [tick(0.2, 10), tick(0.5, 12, flag="jump"), tick(1, 11), tick(1.1, 20)])
    found = bars.series("AAPL", LIVE, "minute", until=OPEN + 2 * MINUTE)
    first, second = found.bars
    assert (first.start_at, first.end_at) == (OPEN, OPEN + MINUTE)
    assert (first.open, first.high, first.low, first.close) == (10, 12, 10, 11)
    assert (first.ticks, first.flagged, first.volume, first.currency) == (3, 1, None, "USD")
    assert (second.close, second.ticks) == (20, 1)
    assert (found.timezone, found.adjusted) == (ZONE, True)


def test_a_quote_s_day_figures_are_not_those_of_its_minute_but_a_bar_s_are(
    db: Postgres, bars: Bars
) -> None:
    day_so_far = {"open": 1.0, "high": 99.0, "low": 1.0, "volume": 1e6}
    store(db, [tick(0.5, 10, **day_so_far), tick(1, 11, bar_s=60, high=13.0, low=9.0, volume=5.0)])
    [bar] = bars.series("AAPL", LIVE, "minute", until=OPEN + MINUTE).bars
    assert (bar.high, bar.low, bar.close, bar.volume) == (13, 9, 11, 5)


def test_a_day_is_the_exchange_s_and_its_own_bar_speaks_for_its_volume(
    db: Postgres, bars: Bars
) -> None:
    evening = OPEN + timedelta(hours=9, minutes=45)  # Monday still in New York, Tuesday in UTC
    close = OPEN + timedelta(hours=6, minutes=30)
    store(db, [
        tick(1, 11, bar_s=60, open=10.0, high=13.0, low=9.0, volume=5.0),
        Quote("AAPL", 12, close, LIVE, open=10.5, high=14, low=8, volume=900, bar_s=86_400),
        Quote("AAPL", 12.5, evening + timedelta(hours=1), LIVE),
    ])  # fmt: skip
    [bar] = bars.series("AAPL", LIVE, until=OPEN + DAY).bars
    assert (bar.day, bar.open, bar.high, bar.low) == (date(2026, 1, 5), 10.5, 14, 8)
    assert (bar.close, bar.volume) == (12.5, 900)


def test_markets_and_currencies_are_not_mixed(db: Postgres, bars: Bars) -> None:
    store(db, [tick(0.2, 10), tick(0.3, 9, currency="EUR"), tick(0.4, 5, source="replay")])
    found = bars.series("AAPL", LIVE, "minute", until=OPEN + MINUTE).bars
    assert [(bar.currency, bar.close) for bar in found] == [("USD", 10), ("EUR", 9)]
    assert len(bars.series("AAPL", "replay", "minute", until=OPEN + MINUTE).bars) == 1


def test_the_series_is_cut_at_its_limit_and_says_so(db: Postgres, bars: Bars) -> None:
    store(db, [tick(n + 0.5, 10 + n) for n in range(5)])
    found = bars.series("AAPL", LIVE, "minute", until=OPEN + 9 * MINUTE, limit=2)
    assert ([bar.close for bar in found.bars], found.cut) == ([13, 14], True)
    assert not bars.series("AAPL", LIVE, "minute", until=OPEN + 9 * MINUTE, limit=5).cut


def test_missing_minutes_are_told_with_their_reason(db: Postgres, bars: Bars) -> None:
    bad = tick(4.5, -1)
    payload = {"ticker": "AAPL", "observed_at": bad.observed_at.isoformat()}
    Quarantine(db).insert([Rejected("price is not positive", LIVE, payload)], "ingestion", "r")
    db.execute("UPDATE quarantine SET quarantined_at = %s", (OPEN + 5 * MINUTE,))
    store(db, [tick(0.5, 10), tick(6.5, 11)])
    gaps = bars.series("AAPL", LIVE, "minute", until=OPEN + 7 * MINUTE).gaps
    assert [(gap.start_at - OPEN, gap.n, gap.reason) for gap in gaps] == [
        (MINUTE, 3, "not observed"),
        (4 * MINUTE, 1, "quarantined: price is not positive"),
        (5 * MINUTE, 1, "not observed"),
    ]


def test_minutes_that_can_no_longer_be_had_say_so(db: Postgres) -> None:
    store(db, [tick(0.5, 10), tick(2.5, 11)])
    later = Bars(db, lambda: OPEN + 9 * DAY)
    [gap] = later.series("AAPL", LIVE, "minute", until=OPEN + 3 * MINUTE).gaps
    assert gap.reason == "not observed, and no longer given by the source"


def test_minutes_outside_market_hours_are_no_gap(db: Postgres, bars: Bars) -> None:
    store(db, [tick(389.5, 10), tick(24 * 60 + 0.5, 11)])
    assert bars.series("AAPL", LIVE, "minute", until=OPEN + DAY + MINUTE).gaps == []


def test_missing_days_and_holidays_are_told_and_weekends_are_not(db: Postgres, bars: Bars) -> None:
    store(db, [tick(-5 * 24 * 60, 10), tick(1, 11)])  # New Year's Eve, and the Monday after it
    gaps = bars.series("AAPL", LIVE, until=OPEN + DAY).gaps
    assert [(gap.start_at.date(), gap.n, gap.reason) for gap in gaps] == [
        (date(2026, 1, 1), 1, "exchange closed"), (date(2026, 1, 2), 1, "not observed"),
    ]  # fmt: skip


SPLIT = CorporateAction("AAPL", "split", date(2026, 1, 6), 4.0, LIVE)
DIVIDEND = CorporateAction("AAPL", "dividend", date(2026, 1, 6), 1.0, LIVE, "USD")


def test_the_adjusted_series_says_so_and_the_ticks_stay(db: Postgres, bars: Bars) -> None:
    store(db, [tick(1, 400.0), tick(24 * 60 + 1, 100.0)])
    db.execute("UPDATE prices SET ingested_at = observed_at")
    assert bars.keep_actions([SPLIT, DIVIDEND], "run-1") == 2
    assert bars.keep_actions([SPLIT, DIVIDEND], "run-2") == 0
    db.execute("UPDATE corporate_actions SET recorded_at = %s", (OPEN,))
    until = OPEN + DAY + MINUTE
    adjusted = bars.series("AAPL", LIVE, until=until)
    raw = bars.series("AAPL", LIVE, until=until, adjusted=False)
    assert [bar.close for bar in raw.bars] == [400, 100]
    assert (raw.adjusted, raw.adjusted_by) == (False, "nobody")
    assert [bar.close for bar in adjusted.bars] == pytest.approx([400 / 4 * (1 - 1 / 400), 100])
    assert adjusted.adjusted_by.startswith("splits and dividends known at ")
    early = bars.series("AAPL", LIVE, until=until, known_at=OPEN - DAY)
    assert [bar.close for bar in early.bars] == [400, 100]


def test_returns_are_computed_from_adjusted_closes(db: Postgres, bars: Bars) -> None:
    store(db, [tick(1, 400.0), tick(24 * 60 + 1, 100.0)])
    db.execute("UPDATE prices SET ingested_at = observed_at")
    bars.keep_actions([SPLIT], "run-1")
    _, closes = PriceStore(db).load_closes(["AAPL"], LIVE, OPEN + 2 * DAY, 5)
    assert closes == {"AAPL": [100, 100]}


def test_the_replay_is_adjusted_by_its_source_and_lacks_no_minute(db: Postgres, bars: Bars) -> None:
    store(db, [tick(1, 10, source="replay"), tick(5, 11, source="replay")])
    found = bars.series("AAPL", "replay", "minute", until=OPEN + DAY, adjusted=False)
    assert (found.adjusted, found.adjusted_by, found.gaps) == (True, "the source", [])


def test_sparklines_are_the_last_ticks_of_each_ticker(db: Postgres, bars: Bars) -> None:
    store(db, [tick(n, 10 + n) for n in range(5)])
    found = bars.sparklines(["AAPL", "MSFT"], 2, LIVE, OPEN + 3 * MINUTE)
    assert [row["price"] for row in found["AAPL"]] == [12, 13]
    assert found["MSFT"] == []


def test_ticks_are_streamed_in_the_order_of_time(db: Postgres, bars: Bars) -> None:
    store(db, [tick(n % 60 + n / 7000, 10, ticker=f"T{n % 3}") for n in range(2500)])
    streamed = list(bars.stream_ticks(LIVE, OPEN - DAY, OPEN + DAY))
    assert len(streamed) == 2500
    assert streamed == sorted(streamed, key=lambda row: (row["observed_at"], row["ticker"]))
    assert len(list(bars.stream_ticks(LIVE, OPEN, OPEN + DAY, ["T1"]))) == 833

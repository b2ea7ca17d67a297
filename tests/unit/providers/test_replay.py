"""What the replay shows, and when."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from axiom.errors import ReplayEnded
from axiom.providers.replay import WARM_UP, Replay
from axiom.providers.yahoo_answers import parse_news, parse_quotes

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def replay() -> Replay:
    return Replay(lambda at: START)


def test_each_logical_minute_shows_the_next_trading_day(replay: Replay) -> None:
    shown = [replay.visible_at(START + n * MINUTE).date().isoformat() for n in range(3)]
    assert shown == ["2013-12-30", "2013-12-31", "2014-01-02"]


def test_the_same_minute_gives_the_same_quotes(replay: Replay) -> None:
    first = replay.fetch_quotes(["AAPL", "MSFT"], START)
    assert first == replay.fetch_quotes(["AAPL", "MSFT"], START + MINUTE / 2)


def test_missed_minutes_are_given_once_each(replay: Replay) -> None:
    missed, _ = replay.fetch_history(
        ["AAPL"], replay.visible_at(START), replay.visible_at(START + 5 * MINUTE)
    )
    assert [quote.observed_at for quote in missed] == [
        replay.visible_at(START + n * MINUTE) for n in range(1, 6)
    ]


def test_the_first_run_gets_the_warm_up(replay: Replay) -> None:
    assert len(replay.fetch_history(["AAPL"], None, replay.visible_at(START))[0]) == WARM_UP + 1


def test_past_the_last_day_it_says_so(replay: Replay) -> None:
    with pytest.raises(ReplayEnded, match="last day, 2022-12-28"):
        replay.closed_reason(START + 2266 * MINUTE)


def test_headlines_do_not_carry_the_labels_of_the_facts(replay: Replay) -> None:
    for headline in replay.fetch_headlines(START, START + 60 * MINUTE):
        assert headline.source == "replay-moves" or headline.tickers == ()


def test_a_headline_is_shown_in_one_window_only(replay: Replay) -> None:
    cuts = [START + 5 * n * MINUTE for n in range(40)]
    parts = [replay.fetch_headlines(a, b) for a, b in pairwise(cuts)]
    whole = replay.fetch_headlines(cuts[0], cuts[-1])
    assert sorted(h.id for part in parts for h in part) == sorted(h.id for h in whole)


def test_yahoo_rows_are_parted_into_quotes_and_rejects() -> None:
    at = START.timestamp()
    good, bad = parse_quotes(
        [
            {"symbol": "AAPL", "regularMarketPrice": 190.5, "regularMarketTime": at},
            {"symbol": "MSFT", "regularMarketPrice": float("nan"), "regularMarketTime": at},
            {"symbol": "GE", "regularMarketPrice": 10, "regularMarketTime": at - 3600},
            {"symbol": "KO", "regularMarketPrice": 60},
            {"regularMarketPrice": 1},
        ],
        open_at=START,
    )
    assert [(quote.ticker, quote.price, quote.source) for quote in good] == [
        ("AAPL", 190.5, "yfinance")
    ]
    assert [each.reason.split(":")[0] for each in bad] == [
        "price is not a finite number", "stale", "no market time", "no symbol",
    ]  # fmt: skip


def test_yahoo_news_without_title_or_date_is_left_out() -> None:
    rows = [
        {"content": {"title": "Apple rises", "pubDate": "2026-01-05T14:30:00Z"}},
        {"content": {"title": "No date"}},
        {},
    ]
    assert [headline.text for headline in parse_news(rows, "AAPL")] == ["Apple rises"]


def test_a_start_in_mid_hour_gives_the_hourly_runs_of_that_hour_a_whole_window() -> None:
    kept: list[datetime] = []

    def start(at: datetime) -> datetime:
        kept.append(at)
        return kept[0]

    replay = Replay(start)
    replay.visible_at(START + 13 * MINUTE)
    slot_at = START.replace(minute=0)
    assert kept == [slot_at]
    until = replay.visible_at(slot_at)
    assert len(replay.fetch_history(["AAPL"], None, until)[0]) == WARM_UP + 1
    assert len(replay.fetch_history(["AAPL"], None, replay.visible_at(START))[0]) == WARM_UP + 31

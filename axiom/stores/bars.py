"""Prices by minute and by day, computed from the ticks by the database; splits and dividends.

Ticks stay as they were observed. An adjusted series is computed when it is asked for, from the
actions that are known, and says by whom it was adjusted and as of when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from axiom.analytics.bars import (
    CLOSED,
    QUARANTINED,
    Action,
    Bar,
    Gap,
    adjust_bars,
    compute_action,
    find_gaps,
)
from axiom.analytics.hours import load_hours
from axiom.model import CorporateAction, utcnow
from axiom.stores.postgres import Postgres, insert_rows, named_queries

Size = Literal["minute", "day"]
SIZES: tuple[Size, ...] = ("minute", "day")
ZONE = "America/New_York"
CALENDAR = "XNYS"
ADJUSTED_AT_SOURCE = frozenset({"replay"})  # its closes were adjusted before they were shipped
LOOK_BACK = {"minute": timedelta(days=5), "day": timedelta(days=366)}
MOST = 10_000
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
OLDEST = datetime(1900, 1, 1, tzinfo=UTC)
REACH = timedelta(days=6)  # minutes older than this are not given by the live provider


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of one ticker in one market, oldest first, with what must be known to read them."""

    ticker: str
    market: str
    size: Size
    timezone: str  # of the exchange, whose days these are
    since: datetime
    until: datetime
    bars: list[Bar]
    gaps: list[Gap]
    adjusted: bool
    adjusted_by: str  # "the source" | "splits and dividends known at ..." | "nobody"
    actions: list[Action]
    cut: bool  # there are more bars before the first


class Bars:
    """The tables `prices` and `corporate_actions`, as series."""

    def __init__(self, postgres: Postgres, now: Callable[[], datetime] = utcnow) -> None:
        self._db, self._now = postgres, now
        self._sql = named_queries("bars")

    def series(
        self,
        ticker: str,
        market: str,
        size: Size = "day",
        *,
        since: datetime | None = None,
        until: datetime,
        adjusted: bool = True,
        limit: int = MOST,
        known_at: datetime | None = None,
        newest: datetime | None = None,
    ) -> Series:
        """Return the bars that end after `since` and at or before `until`, and their gaps.

        Without `since` it looks back from `until`, or from `newest` (a tick) if that is earlier.
        Adjusted to the splits and dividends that were known at `known_at` (default: now).
        """
        limit = min(limit, MOST)
        until = min(max(until, OLDEST), self._now() + DAY)  # what is asked for may be any moment
        since = (
            max(since, OLDEST)
            if since
            else min(until, newest or until) - min(LOOK_BACK[size], (limit * 1.6 + 10) * DAY)
        )
        asked = {
            "ticker": ticker, "market": market, "since": since, "until": until, "zone": ZONE,
            "limit": limit + 1, "known_at": known_at or self._now(),
        }  # fmt: skip
        rows = self._db.query(self._sql[size], asked)
        bars = [Bar(**row) for row in reversed(rows[:limit])]
        by_source = market in ADJUSTED_AT_SOURCE
        actions = self._actions(asked) if adjusted and not by_source else []
        by = f"splits and dividends known at {asked['known_at']:%Y-%m-%d %H:%M} UTC"
        first = bars[0].start_at if len(rows) > limit else since
        return Series(
            ticker, market, size, ZONE, first, until, adjust_bars(bars, actions),
            self._gaps(bars, asked | {"since": first}, size), adjusted or by_source,
            "the source" if by_source else by if adjusted else "nobody", actions,
            cut=len(rows) > limit,
        )  # fmt: skip

    def sparklines(
        self, tickers: Sequence[str], points: int, market: str, until: datetime
    ) -> dict[str, list[dict[str, Any]]]:
        """Return each ticker's last ticks, oldest first: `observed_at`, `price`, `flag`."""
        asked = {"tickers": list(tickers), "points": points, "market": market, "until": until}
        found: dict[str, list[dict[str, Any]]] = {ticker: [] for ticker in tickers}
        for row in self._db.query(self._sql["sparklines"], asked):
            found[row.pop("ticker")].insert(0, row)
        return found

    def standing(
        self, tickers: Sequence[str], market: str, until: datetime
    ) -> dict[str, dict[str, Any]]:
        """Return each ticker's last tick, and the price of the day before: `price_before`."""
        asked = {"tickers": list(tickers), "market": market, "until": until, "zone": ZONE}
        return {row["ticker"]: row for row in self._db.query(self._sql["standing"], asked)}

    def known_actions(self, ticker: str, market: str, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest splits and dividends as they were announced."""
        asked = {"ticker": ticker, "market": market, "limit": limit}
        return self._db.query(self._sql["known_actions"], asked)

    def outliers(self, series: Series, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest doubtful ticks within a series: `observed_at`, `price`, `flag`."""
        asked = {
            "ticker": series.ticker, "market": series.market, "since": series.since,
            "until": series.until, "limit": limit,
        }  # fmt: skip
        return self._db.query(self._sql["outliers"], asked)

    def keep_actions(self, actions: Sequence[CorporateAction], run_id: str) -> int:
        """Keep splits and dividends, each once; return how many were new."""
        rows = [
            (a.ticker, a.source, a.kind, a.ex_date, a.amount, a.currency, run_id) for a in actions
        ]
        with self._db.transaction() as cursor:
            return insert_rows(cursor, self._sql["keep_actions"], rows)

    def stream_ticks(
        self, market: str, since: datetime, until: datetime, tickers: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Give ticks in the order of their time, some thousand held at a time."""
        asked = {
            "market": market, "since": since, "until": until,
            "tickers": None if tickers is None else list(tickers),
        }  # fmt: skip
        yield from self._db.stream(self._sql["ticks"], asked)

    def _actions(self, asked: Mapping[str, Any]) -> list[Action]:
        return [
            compute_action(row["kind"], row["ex_date"], row["amount"], row["close_before"])
            for row in self._db.query(self._sql["actions"], asked)
        ]

    # --- gaps ---

    def _gaps(self, bars: Sequence[Bar], asked: Mapping[str, Any], size: Size) -> list[Gap]:
        if not bars:
            return []
        until = min(asked["until"], self._now())
        if size == "day":
            return self._day_gaps(bars, asked, until)
        if asked["market"] in ADJUSTED_AT_SOURCE:
            return []  # it has a price a day: no minute of it is missing
        minutes = load_hours(CALENDAR).minutes_between(bars[0].start_at, until - MINUTE)
        spans = ((minute, minute + MINUTE) for minute in minutes)
        seen = {bar.end_at for bar in bars}
        reasons = self._set_aside(asked, MINUTE)
        return list(find_gaps(spans, seen, reasons, timedelta(0), self._now() - REACH))

    def _day_gaps(
        self, bars: Sequence[Bar], asked: Mapping[str, Any], until: datetime
    ) -> list[Gap]:
        zone, last = ZoneInfo(ZONE), bars[-1].day
        today = until.astimezone(zone).date()
        open_days = load_hours(CALENDAR).days_between(bars[0].day, max(today, last))
        days = [bars[0].day + DAY * n for n in range((today - bars[0].day).days)]
        weekdays = [day for day in days if day.weekday() < 5]
        seen = {bar.end_at for bar in bars}
        reasons = self._set_aside(asked, DAY)
        reasons |= {_midnight(day + DAY, zone): CLOSED for day in weekdays if day not in open_days}
        spans = ((_midnight(day, zone), _midnight(day + DAY, zone)) for day in weekdays)
        return list(find_gaps(spans, seen, reasons, timedelta(days=2)))

    def _set_aside(self, asked: Mapping[str, Any], size: timedelta) -> dict[datetime, str]:
        """The ends of bars for which quotes are in quarantine."""
        wide = {"since": asked["since"] - DAY, "until": asked["until"] + DAY}
        found: dict[datetime, str] = {}
        for row in self._db.query(self._sql["quarantined"], {**asked, **wide}):
            end_at = _bar_end(_observed(row), size)
            found.setdefault(end_at, f"{QUARANTINED}: {row['reason']}")
        return found


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)


def _bar_end(at: datetime, size: timedelta) -> datetime:
    at -= timedelta(microseconds=1)
    if size == DAY:
        zone = ZoneInfo(ZONE)
        return _midnight(at.astimezone(zone).date() + DAY, zone)
    return at.replace(second=0, microsecond=0) + MINUTE


def _observed(row: Mapping[str, Any]) -> datetime:
    """When a quote in quarantine was observed; where it does not say, when it was set aside."""
    try:
        if row["observed_at"]:
            return datetime.fromisoformat(row["observed_at"])
        return datetime.fromtimestamp(float(row["timestamp"] or row["market_time"]), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        found: datetime = row["quarantined_at"]
        return found.astimezone(UTC)

"""The replay: real closing prices, 2013 to 2022, one trading day a minute.

Which day is shown follows from the logical time and from the replay's start,
so that a run again, or a backfill, gives the same rows. It starts at the full
hour before the first run, so that the hourly runs of that hour belong to it; before
it lie 250 days of warm-up, so that they find a whole window.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

from axiom.errors import ProviderDataError, ReplayEnded
from axiom.model import (
    PIPELINES,
    CorporateAction,
    Headline,
    Profile,
    Quote,
    Rejected,
    content_hash,
    floor_time,
)

WARM_UP = 250
DAY = PIPELINES["ingestion"].slot  # a logical minute shows a trading day
HOUR = timedelta(hours=1)
FIRST_NEWS_DAYS = 30
MOVE_DEVIATIONS = 4.0
MOVES_PER_DAY = 3
_NEW_YORK = ZoneInfo("America/New_York")
_UP = ("{name} shares jump {move:.1f}%", "{name} climbs {move:.1f}% in heavy trading",
       "Shares of {name} rally {move:.1f}% on the day")  # fmt: skip
_DOWN = ("{name} shares tumble {move:.1f}%", "{name} slides {move:.1f}% by the close",
         "Shares of {name} plunge {move:.1f}% on the day")  # fmt: skip


class Replay:
    """Market, quotes, profiles and headlines of the shipped data.

    `start` returns the logical minute of the first day shown, and keeps the one
    that it is given when there is none yet.
    """

    name = "replay"

    def __init__(self, start: Callable[[datetime], datetime]) -> None:
        self._start = start

    # --- the market ---

    def visible_at(self, logical_at: datetime) -> datetime:
        """Return the close of the day shown: what a run at that time may know.

        Raises:
            ReplayEnded: the last day has been shown.
        """
        return self._closes_at[self._day(logical_at)]

    def closed_reason(self, logical_at: datetime) -> str | None:
        """Return None: wall-clock market hours do not apply. Raises `ReplayEnded` past the end."""
        self._day(logical_at)
        return None

    def _day(self, logical_at: datetime) -> int:
        minute = floor_time(logical_at, DAY)
        day = WARM_UP + int((minute - self._start(floor_time(minute, HOUR))) / DAY)
        if day >= len(self._days):
            raise ReplayEnded(
                f"the replay has shown its last day, {self._days[-1]}; "
                "to begin again, stop Axiom and delete its data directory"
            )
        return max(day, 0)

    # --- quotes ---

    def fetch_quotes(
        self, tickers: Sequence[str], logical_at: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        """Return the closes of the day shown."""
        return list(
            self._quotes(tickers, range(self._day(logical_at), self._day(logical_at) + 1))
        ), []

    def fetch_history(
        self, tickers: Sequence[str], since: datetime | None, until: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        """Return the closes with since < observed_at <= until; since None: from the first day."""
        end = bisect_right(self._closes_at, until)
        start = 0 if since is None else bisect_right(self._closes_at, since)
        return list(self._quotes(tickers, range(start, end))), []

    def fetch_actions(
        self, tickers: Sequence[str], since: datetime | None
    ) -> list[CorporateAction]:
        """Return none: the shipped closes are adjusted already."""
        return []

    def lost(self, since: datetime | None, until: datetime) -> datetime | None:
        """Return None: every day is there."""
        return None

    def _quotes(self, tickers: Sequence[str], days: range) -> Iterator[Quote]:
        known = [ticker for ticker in tickers if ticker in self._closes]
        for day in days:
            for ticker in known:
                yield Quote(ticker, self._closes[ticker][day], self._closes_at[day], self.name)

    # --- profiles ---

    def fetch_profile(self, ticker: str) -> Profile:
        """Return the shipped facts of a company, rendered as lines of text.

        Raises:
            ProviderDataError: there is none.
        """
        row = self._companies.get(ticker)
        if row is None:
            raise ProviderDataError(f"the replay has no profile of {ticker}")
        return Profile(ticker, str(row["name"]), render_profile(row), str(row["source"]), row)

    @cached_property
    def _companies(self) -> Mapping[str, Mapping[str, object]]:
        text = files("axiom.data").joinpath("companies.json").read_text()
        return {row["ticker"]: row for row in json.loads(text)}

    # --- headlines ---

    def fetch_headlines(self, since: datetime | None, logical_at: datetime) -> list[Headline]:
        """Return what became public on the days shown after `since`, up to `logical_at`.

        Facts of days without trading belong to the next trading day.
        """
        last = self._day(logical_at)
        first = last - FIRST_NEWS_DAYS if since is None else self._day(since)
        days = range(max(first, 0) + 1, last + 1)
        found = [headline for day in days for headline in self._facts.get(day, ())]
        found += [headline for day in days for headline in self._moves(day)]
        return sorted(found, key=lambda headline: (headline.published_at, headline.id))

    @cached_property
    def _facts(self) -> Mapping[int, list[Headline]]:
        by_day: dict[int, list[Headline]] = {}
        with files("axiom.data").joinpath("facts.jsonl").open() as lines:
            for line in lines:
                fact = json.loads(line)
                published_at = datetime.fromisoformat(fact["published_at"])
                headline = Headline(
                    fact["headline"], published_at, fact["source"], summary=fact.get("summary", "")
                )
                day = bisect_left(self._days, published_at.astimezone(_NEW_YORK).date())
                by_day.setdefault(day, []).append(headline)
        return by_day

    def _moves(self, day: int) -> list[Headline]:
        """Headlines computed from the closes: the day's largest unusual moves."""
        moves = [(ticker, self._move(ticker, day)) for ticker in self._closes]
        unusual = [(ticker, move) for ticker, move in moves if move is not None]
        unusual.sort(key=lambda each: -abs(each[1]))
        return [self._told(ticker, move, day) for ticker, move in unusual[:MOVES_PER_DAY]]

    def _move(self, ticker: str, day: int) -> float | None:
        """A day's move in percent when it is unusual against the 60 days before it."""
        if day < 62:
            return None
        closes = self._closes[ticker][day - 61 : day + 1]
        returns = [math.log(b / a) for a, b in pairwise(closes)]
        deviation = 1.4826 * statistics.median(map(abs, returns[:-1]))
        unusual = abs(returns[-1]) > MOVE_DEVIATIONS * deviation
        return 100 * (math.exp(returns[-1]) - 1) if unusual else None

    def _told(self, ticker: str, move: float, day: int) -> Headline:
        phrases = _UP if move > 0 else _DOWN
        chosen = int(content_hash(ticker, day)[:8], 16) % len(phrases)
        text = phrases[chosen].format(name=self._companies[ticker]["name"], move=abs(move))
        published_at = self._closes_at[day] + timedelta(minutes=15)
        return Headline(text, published_at, "replay-moves", tickers=(ticker,))

    # --- the closes ---

    @cached_property
    def _table(self) -> tuple[list[date], dict[str, list[float]]]:
        with files("axiom.data").joinpath("replay_closes.csv.gz").open("rb") as packed:
            rows = csv.reader(gzip.decompress(packed.read()).decode().splitlines())
            _, *tickers = next(rows)
            table = [(date.fromisoformat(day), list(map(float, closes))) for day, *closes in rows]
        columns = zip(*(closes for _, closes in table), strict=True)
        return [day for day, _ in table], dict(zip(tickers, map(list, columns), strict=True))

    @property
    def _days(self) -> list[date]:
        return self._table[0]

    @property
    def _closes(self) -> dict[str, list[float]]:
        return self._table[1]

    @cached_property
    def _closes_at(self) -> list[datetime]:
        close = time(16, tzinfo=_NEW_YORK)
        return [datetime.combine(day, close).astimezone(UTC) for day in self._days]


_LINES = {
    "industries": "Industries", "headquarters": "Headquarters", "key_people": "Key people",
    "products": "Products", "subsidiaries": "Subsidiaries", "parent": "Parent",
    "founder": "Founded by", "founded": "Founded", "employees": "Employees", "revenue": "Revenue",
}  # fmt: skip


def render_profile(row: Mapping[str, object]) -> str:
    """Write a profile's facts as lines that an analyst can read and quote."""
    lines = [f"{row['name']} ({row['ticker']})"]
    for key, title in _LINES.items():
        if value := row.get(key):
            text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(f"{title}: {text}")
    return "\n".join(lines)

"""Prices in Postgres: ticks by ticker, moment and market, each once."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice
from operator import attrgetter, itemgetter

import psycopg2.errors

from axiom.analytics.bars import adjust_closes
from axiom.model import Quote
from axiom.stores.partitions import Months
from axiom.stores.postgres import Postgres, clean, named_queries

COLUMNS = (
    "ticker, observed_at, source, price, open, high, low, volume, currency, flag, bar_s, run_id"
)
DAYS_PER_TRADING_DAY = 1.6  # weekends and holidays, with room
LINES_AT_ONCE = 500
NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class _Stream(io.RawIOBase):
    """Lines as a file: Postgres stores the first while the next are being written."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def read(self, size: int = -1) -> bytes:
        """Return some lines, whatever the size asked for; nothing at the end."""
        return "".join(islice(self._lines, LINES_AT_ONCE)).encode()

    def readline(self, size: int | None = -1) -> bytes:
        """Return the next line."""
        return next(self._lines, "").encode()


class PriceStore:
    """The `prices` table."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("prices")
        self._months = Months(postgres, "prices")

    def upsert_quotes(self, quotes: Sequence[Quote], run_id: str) -> int:
        """Store quotes in one transaction; return how many were new.

        A tick that is there stays as it was. Rows are copied straight in; only
        when one of them is there already, which is rare, are they staged and merged.
        """
        self._months.ensure({quote.observed_at for quote in quotes})
        ordered = sorted(quotes, key=_key)
        try:
            with self._db.transaction() as cursor:
                lines = _Stream(_lines(ordered, run_id))
                cursor.copy_expert(f"COPY prices ({COLUMNS}) FROM STDIN", lines)
                return int(cursor.rowcount)
        except psycopg2.errors.UniqueViolation:
            return self._merge(_lines(ordered, run_id))

    def _merge(self, lines: Iterator[str]) -> int:
        with self._db.transaction() as cursor:
            cursor.execute(self._sql["stage"])
            cursor.copy_expert(f"COPY staged_prices ({COLUMNS}) FROM STDIN", _Stream(lines))
            cursor.execute(self._sql["merge"])
            return int(cursor.rowcount)

    def newest(self, tickers: Sequence[str], market: str, until: datetime) -> dict[str, datetime]:
        """Return each ticker's newest tick up to `until`; one without any is left out."""
        asked = {"tickers": list(tickers), "market": market, "until": until}
        rows = self._db.query(self._sql["newest"], asked)
        return {row["ticker"]: row["observed_at"] for row in rows}

    def recent(
        self, tickers: Sequence[str], market: str, until: datetime, n: int
    ) -> dict[str, list[float]]:
        """Return each ticker's last `n` prices up to `until`, newest first."""
        asked = {
            "tickers": list(tickers), "market": market, "until": until, "n": n,
            "since": until - timedelta(days=n * DAYS_PER_TRADING_DAY + 10),
        }  # fmt: skip
        found: dict[str, list[float]] = {}
        for row in self._db.query(self._sql["recent"], asked):
            found.setdefault(row["ticker"], []).append(row["price"])
        return found

    def load_closes(
        self, tickers: Sequence[str], market: str, until: datetime, days: int
    ) -> tuple[list[date], dict[str, list[float | None]]]:
        """Return the last `days` + 1 days known at `until`, and each ticker's last price on each.

        A ticker without a price on a day has None there. Closes are adjusted for the splits and
        dividends up to `until`, so that returns over them are what a holder had.
        """
        since = until - timedelta(days=(days + 1) * DAYS_PER_TRADING_DAY + 10)
        asked = {"market": market, "until": until, "since": since, "tickers": list(tickers)}
        rows = self._db.query(self._sql["days"], asked | {"n": days + 1})
        dates = sorted(row["day"] for row in rows)
        if not dates:
            return [], {ticker: [] for ticker in tickers}
        place = {day: n for n, day in enumerate(dates)}
        closes: dict[str, list[float | None]] = {t: [None] * len(dates) for t in tickers}
        first = datetime.combine(dates[0], datetime.min.time(), UTC) - timedelta(microseconds=1)
        known_on: dict[str, dict[date, date]] = {}
        for row in self._db.query(self._sql["closes"], asked | {"since": first}):
            closes[row["ticker"]][place[row["day"]]] = row["price"]
            known_on.setdefault(row["ticker"], {})[row["day"]] = row["known_on"]
        for ticker, own in groupby(
            self._db.query(self._sql["actions"], asked | {"since": first}), itemgetter("ticker")
        ):
            days_known = [known_on.get(ticker, {}).get(day, day) for day in dates]
            closes[ticker] = adjust_closes(dates, closes[ticker], days_known, list(own))
        return dates, closes

    def of_run(self, run_id: str, since: datetime) -> dict[str, int]:
        """Return how many `rows` a run added at or after `since`, and how many are `flagged`."""
        return self._db.query(self._sql["of_run"], {"run_id": run_id, "since": since})[0]

    def count(self, market: str) -> int:
        """Return the number of ticks of a market."""
        return int(self._db.query(self._sql["count"], {"market": market})[0]["rows"])


_key = attrgetter("ticker", "observed_at", "source")


def _month(moment: datetime) -> date:
    return moment.astimezone(UTC).date().replace(day=1)


def _lines(quotes: Iterable[Quote], run_id: str) -> Iterator[str]:
    """Rows of COPY's text format; most of the time goes here, so each time is written once."""
    run_id = _text(run_id)
    times: dict[datetime, str] = {}
    last: tuple[str, datetime, str] | None = None
    for q in quotes:
        key = (q.ticker, q.observed_at, q.source)
        if key == last:  # sorted, so that a tick given twice follows itself
            continue
        last = key
        at = times.get(q.observed_at) or times.setdefault(q.observed_at, str(q.observed_at))
        yield (
            f"{_text(q.ticker)}\t{at}\t{_text(q.source)}\t{q.price!r}\t"
            f"{_number(q.open)}\t{_number(q.high)}\t{_number(q.low)}\t{_number(q.volume)}\t"
            f"{_text(q.currency)}\t{_text(q.flag) if q.flag else NULL}\t"
            f"{q.bar_s or NULL}\t{run_id}\n"
        )


def _number(value: float | None) -> str:
    return NULL if value is None else repr(value)


def _text(value: str) -> str:
    return value if value.isalnum() else clean(value).translate(_ESCAPES)

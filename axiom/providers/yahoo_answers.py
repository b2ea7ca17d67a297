"""What Yahoo answers, as quotes, bars, splits, dividends and headlines. Pure: no network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from axiom.errors import ProviderDataError
from axiom.model import CorporateAction, Headline, Json, Quote, Rejected

SOURCE = "yfinance"
MINUTE = timedelta(minutes=1)
STALE = timedelta(minutes=15)
CLOSE = time(16)  # of a day, on the exchange's clock


@contextmanager
def reading(about: str) -> Iterator[None]:
    """Raise `ProviderDataError` for an answer in another form than the known one."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise ProviderDataError(
            f"Yahoo answers about {about} in a form that is not known"
        ) from error


def parse_quotes(
    rows: Sequence[Json], open_at: datetime | None
) -> tuple[list[Quote], list[Rejected]]:
    """Part Yahoo's rows into quotes and what cannot be one.

    While the market is open (`open_at`), a price older than a quarter of an hour is stale.
    """
    good: list[Quote] = []
    bad: list[Rejected] = []
    for row in rows:
        if reason := _fault(row, open_at):
            bad.append(Rejected(reason, SOURCE, row))
        else:
            good.append(_quote(row))
    return good, bad


def _fault(row: Json, open_at: datetime | None) -> str | None:
    if not isinstance(row, dict) or not isinstance(row.get("symbol"), str):
        return "no symbol"
    if _number(row.get("regularMarketPrice")) is None:
        return "price is not a finite number"
    try:
        at = datetime.fromtimestamp(row["regularMarketTime"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return "no market time"
    if open_at and open_at - at > STALE:
        return f"stale: observed at {at:%Y-%m-%d %H:%M} UTC"
    return None


def _quote(row: Mapping[str, Any]) -> Quote:
    return Quote(
        ticker=row["symbol"],
        price=float(row["regularMarketPrice"]),
        observed_at=datetime.fromtimestamp(row["regularMarketTime"], UTC),
        source=SOURCE,
        currency=row.get("currency") or "USD",
        open=_number(row.get("regularMarketOpen")),
        high=_number(row.get("regularMarketDayHigh")),
        low=_number(row.get("regularMarketDayLow")),
        volume=_number(row.get("regularMarketVolume")),
    )


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def parse_bars(
    answer: Mapping[str, Any], ticker: str, *, daily: bool, wanted: Callable[[datetime], bool]
) -> tuple[list[Quote], list[Rejected]]:
    """Part the wanted bars of a chart into quotes and what cannot be one.

    A bar is stamped with its end, since its close was not known before. Closes are in the
    shares of today, dividends not taken off. Of bars with one stamp the last counts.

    Raises:
        ProviderDataError: the chart has another form than the known one.
    """
    good: dict[datetime, Quote] = {}
    bad: list[Rejected] = []
    with reading(f"the bars of {ticker}"):
        chart = answer["chart"]["result"][0]
        zone = ZoneInfo(chart["meta"]["exchangeTimezoneName"])
        for bar in _rows(chart):
            at = _end(bar["timestamp"], zone if daily else None)
            if not wanted(at):
                continue
            price = _number(bar["close"])
            if not price:
                bad.append(Rejected("price is not a finite number", SOURCE, bar))
                continue
            low, high, opened = map(_number, (bar["low"], bar["high"], bar["open"]))
            good[at] = Quote(
                ticker, price, at, SOURCE, chart["meta"].get("currency") or "USD",
                open=opened, high=high, low=low, volume=_number(bar["volume"]),
                bar_s=86_400 if daily else 60,
            )  # fmt: skip
    return list(good.values()), bad


def _rows(chart: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    columns = {"timestamp": chart.get("timestamp") or []}
    if columns["timestamp"]:
        columns |= chart["indicators"]["quote"][0]
    for values in zip(*columns.values(), strict=True):
        yield {"ticker": chart["meta"]["symbol"]} | dict(zip(columns, values, strict=True))


def _end(timestamp: float, zone: ZoneInfo | None) -> datetime:
    if zone is None:
        return datetime.fromtimestamp(timestamp, UTC) + MINUTE
    day = datetime.fromtimestamp(timestamp, zone).date()
    return datetime.combine(day, CLOSE, zone).astimezone(UTC)


def parse_actions(answer: Mapping[str, Any], ticker: str) -> list[CorporateAction]:
    """Return a chart's splits and dividends; what cannot be one is left out.

    Raises:
        ProviderDataError: the chart has another form than the known one.
    """
    with reading(f"the splits and dividends of {ticker}"):
        chart = answer["chart"]["result"][0]
        zone, events = ZoneInfo(chart["meta"]["exchangeTimezoneName"]), chart.get("events") or {}
        currency = chart["meta"].get("currency") or "USD"
        found = [
            (row, "dividend", _number(row.get("amount")), currency)
            for row in (events.get("dividends") or {}).values()
        ]
        found += [
            (row, "split", _ratio(row), None) for row in (events.get("splits") or {}).values()
        ]
        return [
            CorporateAction(
                ticker, kind, datetime.fromtimestamp(row["date"], zone).date(), amount, SOURCE,
                paid_in,
            )
            for row, kind, amount, paid_in in found
            if amount and amount > 0
        ]  # fmt: skip


def _ratio(row: Mapping[str, Any]) -> float | None:
    shares, before = _number(row.get("numerator")), _number(row.get("denominator"))
    return shares / before if shares and before else None


def parse_news(rows: Sequence[Mapping[str, Any]], ticker: str) -> list[Headline]:
    """Return the headlines of Yahoo's news rows; those without title or date are left out."""
    contents = [row.get("content") or {} for row in rows]
    return [
        Headline(
            text=content["title"],
            published_at=published_at,
            source=(content.get("provider") or {}).get("displayName") or "Yahoo",
            url=(content.get("canonicalUrl") or {}).get("url") or "",
            summary=content.get("summary") or "",
            tickers=(ticker,),
        )
        for content in contents
        if content.get("title") and (published_at := _moment(content.get("pubDate")))
    ]


def _moment(told: Json) -> datetime | None:
    try:
        found = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

"""Back-adjustment of bars for splits and dividends, and the gaps between them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

NOT_OBSERVED = "not observed"
LOST = "not observed, and no longer given by the source"
QUARANTINED = "quarantined"
CLOSED = "exchange closed"


@dataclass(frozen=True, slots=True)
class Bar:
    """What was paid after `start_at` and up to `end_at`; a tick at the end belongs to it.

    `ticks` observations made it, `flagged` of which are doubtful; none is dropped.
    """

    day: date  # of the exchange
    start_at: datetime
    end_at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    currency: str
    ticks: int
    flagged: int
    known_on: date  # when it was stored: splits before that are in its prices already


@dataclass(frozen=True, slots=True)
class Action:
    """What multiplies the prices before its ex-date, and divides the volumes."""

    kind: str  # "split" | "dividend"
    ex_date: date
    factor: float


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which there is no bar where there could be one, and why; `n` bars long."""

    start_at: datetime
    end_at: datetime
    n: int
    reason: str


def compute_action(kind: str, ex_date: date, amount: float, close_before: float | None) -> Action:
    """Return an action's factor, by the rule of CRSP and Yahoo.

    A split of n shares for one: 1 / n. A dividend: 1 - amount / the last close before its
    ex-date; without such a close, or where it does not exceed the amount, 1.
    """
    if kind == "split":
        return Action(kind, ex_date, 1.0 / amount)
    usable = close_before is not None and close_before > amount
    return Action(kind, ex_date, 1.0 - amount / close_before if usable and close_before else 1.0)


def adjust_bars(bars: Sequence[Bar], actions: Sequence[Action]) -> list[Bar]:
    """Return the bars in today's shares, dividends counted as if they had stayed in the price.

    A dividend touches the bars of days before its ex-date; a split those that were stored
    before it, since a provider gives older prices in the shares of the day it is asked.
    """
    return [_adjusted(bar, actions) for bar in bars]


def _adjusted(bar: Bar, actions: Sequence[Action]) -> Bar:
    split, dividend = _factors(bar.day, bar.known_on, actions)
    factor = split * dividend
    if factor == 1.0:
        return bar
    return replace(
        bar, open=bar.open * factor, high=bar.high * factor, low=bar.low * factor,
        close=bar.close * factor, volume=None if bar.volume is None else bar.volume / split,
    )  # fmt: skip


def _factors(day: date, known_on: date, actions: Sequence[Action]) -> tuple[float, float]:
    split = dividend = 1.0
    for action in actions:
        if action.kind == "split" and action.ex_date > known_on:
            split *= action.factor
        elif action.kind == "dividend" and action.ex_date > day:
            dividend *= action.factor
    return split, dividend


def adjust_closes(
    days: Sequence[date],
    closes: Sequence[float | None],
    known_on: Sequence[date],
    actions: Sequence[Mapping[str, Any]],
) -> list[float | None]:
    """Return the closes of days with the same adjustment; `actions` have kind, ex_date, amount."""
    found = [
        compute_action(each["kind"], each["ex_date"], each["amount"],
                       _last_before(days, closes, each["ex_date"]))
        for each in actions
    ]  # fmt: skip
    return [
        None if close is None else close * math.prod(_factors(day, known, found))
        for day, close, known in zip(days, closes, known_on, strict=True)
    ]


def _last_before(
    days: Sequence[date], closes: Sequence[float | None], ex_date: date
) -> float | None:
    before = [close for day, close in zip(days, closes, strict=True) if day < ex_date and close]
    return before[-1] if before else None


def find_gaps(
    expected: Iterable[tuple[datetime, datetime]],
    seen: set[datetime],
    reasons: Mapping[datetime, str],
    joins: timedelta,
    lost_before: datetime | None = None,
) -> Iterator[Gap]:
    """Give the spans that have no bar: neighbours with one reason are one gap.

    `expected` are the spans that could have one, in order; `seen` the ends of those that do;
    `reasons` says of an end why there is none; of what ended before `lost_before` nothing more
    can be had. Spans at most `joins` apart are neighbours.
    """
    gap: Gap | None = None
    for start_at, end_at in expected:
        if end_at in seen:
            continue
        none = LOST if lost_before and end_at < lost_before else NOT_OBSERVED
        reason = reasons.get(end_at, none)
        if gap and gap.reason == reason and start_at - gap.end_at <= joins:
            gap = replace(gap, end_at=end_at, n=gap.n + 1)
            continue
        if gap:
            yield gap
        gap = Gap(start_at, end_at, 1, reason)
    if gap:
        yield gap

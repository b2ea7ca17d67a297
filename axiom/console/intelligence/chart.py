"""Where prices go in a chart: pure, from bars and gaps to coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from axiom.analytics.bars import CLOSED, Bar, Gap
from axiom.stores.bars import Series

W, H, LEFT, TOP, BOTTOM = 1120.0, 340.0, 62.0, 14.0, 26.0
CANDLES = 130  # more than these are drawn as a line
WIDEST_GAP = 4  # slots; its length is told in words
TICKS = 5


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar."""

    bar: Bar
    x: float
    open: float
    high: float
    low: float
    close: float

    @property
    def rises(self) -> bool:
        """Whether it closed no lower than it opened."""
        return self.bar.close >= self.bar.open


@dataclass(frozen=True, slots=True)
class Span:
    """A hatched gap."""

    gap: Gap
    x: float
    w: float

    @property
    def closed(self) -> bool:
        """Whether nothing is missing: the exchange was closed."""
        return self.gap.reason == CLOSED


@dataclass(frozen=True, slots=True)
class Mark:
    """A split or dividend."""

    x: float
    told: str
    letter: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A series, ready to be drawn."""

    candles: list[Candle] = field(default_factory=list)
    gaps: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # SVG paths, broken at gaps
    rows: list[tuple[float, str]] = field(default_factory=list)  # y and price
    columns: list[tuple[float, str]] = field(default_factory=list)  # x and time
    slot: float = 1.0
    as_candles: bool = False
    w: float = W
    h: float = H


def chart(series: Series, actions: Sequence[Mapping[str, Any]], zone: Any) -> Chart:
    """Lay a series out: equal room for each bar, a hatched span for each gap."""
    if not series.bars:
        return Chart()
    things: list[Bar | Gap] = sorted([*series.bars, *series.gaps], key=lambda each: each.start_at)
    widths = [1.0 if isinstance(each, Bar) else _slots(each) for each in things]
    slot = (W - LEFT - 8) / max(sum(widths), 2.0)
    y, rows = _scale(series.bars)
    candles, gaps, x = list[Candle](), list[Span](), LEFT
    for each, width in zip(things, widths, strict=True):
        if isinstance(each, Bar):
            middle = x + slot / 2
            prices = (y(p) for p in (each.open, each.high, each.low, each.close))
            candles.append(Candle(each, middle, *prices))
        else:
            gaps.append(Span(each, x, slot * width))
        x += slot * width
    real = sum(bar.high > bar.low for bar in series.bars) > len(series.bars) / 2
    return Chart(
        candles, gaps, _marks(candles, actions), _lines(candles, gaps), rows,
        _columns(candles, series.size, zone), slot,
        as_candles=real and len(candles) <= CANDLES,
    )  # fmt: skip


def _slots(gap: Gap) -> float:
    return 0.5 if gap.reason == CLOSED else float(min(gap.n, WIDEST_GAP))


def _scale(bars: Sequence[Bar]) -> tuple[Any, list[tuple[float, str]]]:
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    room = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
    low, high = low - room, high + room
    tall = H - TOP - BOTTOM

    def y(price: float) -> float:
        return TOP + tall * (high - price) / (high - low)

    prices = [low + (high - low) * (n + 0.5) / TICKS for n in range(TICKS)]
    return y, [(y(price), f"{price:,.2f}") for price in prices]


def _lines(candles: Sequence[Candle], gaps: Sequence[Span]) -> list[str]:
    """A line per unbroken span: it never crosses a gap of which something is missing."""
    breaks = [span.x for span in gaps if not span.closed]
    parts: list[list[Candle]] = [[]]
    for candle in candles:
        while breaks and breaks[0] < candle.x:
            breaks.pop(0)
            parts.append([])
        parts[-1].append(candle)
    # a lone bar is a dot: a line of no length with round ends
    return [
        "M" + "L".join(f"{c.x:.1f} {c.close:.1f}" for c in (part if part[1:] else part * 2))
        for part in parts
        if part
    ]


def _marks(candles: Sequence[Candle], actions: Sequence[Mapping[str, Any]]) -> list[Mark]:
    found = []
    for action in actions:
        day: date = action["ex_date"]
        after = next((c for c in candles if c.bar.day >= day), None)
        if after is not None and candles[0].bar.day <= day:
            told, letter = told_action(action)
            found.append(Mark(after.x, f"{day}: {told}", letter))
    return found


def told_action(action: Mapping[str, Any]) -> tuple[str, str]:
    """Say what a split or dividend was, in words and in a letter."""
    if action["kind"] == "split":
        return f"split, {action['amount']:g} shares for one", "S"
    return f"dividend of {action['amount']:g} {action['currency'] or ''} a share".strip(), "D"


def _columns(candles: Sequence[Candle], size: str, zone: Any) -> list[tuple[float, str]]:
    step = max(len(candles) // 7, 1)
    shown = candles[step // 2 :: step]
    return [(c.x, _time(c.bar, size, zone)) for c in shown]


def _time(bar: Bar, size: str, zone: Any) -> str:
    at: datetime = bar.end_at.astimezone(zone)
    return f"{bar.day:%d %b %y}" if size == "day" else f"{at:%d %b %H:%M}"


def sparkline(ticks: Sequence[Mapping[str, Any]], w: float = 120, h: float = 30) -> dict[str, Any]:
    """Return the `path` of some ticks, the place of the `last`, and the `flagged` ones'."""
    if len(ticks) < 2:
        return {"path": "", "last": None, "flagged": []}
    prices = [each["price"] for each in ticks]
    low, high = min(prices), max(prices)
    step, tall = (w - 6) / (len(prices) - 1), (high - low) or 1.0
    points = [(3 + n * step, 3 + (h - 6) * (high - p) / tall) for n, p in enumerate(prices)]
    flagged = [point for point, each in zip(points, ticks, strict=True) if each["flag"]]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return {"path": path, "last": points[-1], "flagged": flagged}

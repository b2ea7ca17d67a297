"""`axiom prices`: a ticker's bars, and what is missing between them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from axiom.cli import show
from axiom.cli.graph import moment
from axiom.errors import ConfigError, UnknownName
from axiom.model import utcnow

if TYPE_CHECKING:
    from axiom.analytics.bars import Bar
    from axiom.stores.bars import Series

GAPS_SHOWN = 5


def prices(
    ticker: str, size: str, since: str | None, until: str | None, *, raw: bool, limit: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Show the last bars of a ticker."""
    from axiom.stores.bars import SIZES
    from axiom.tasks.services import services

    if size not in SIZES:
        raise ConfigError("--bars", f"{size!r} is none of {', '.join(SIZES)}")
    found, ticker = services(), ticker.upper()
    market = found.market.name
    newest = found.prices.newest([ticker], market, utcnow()).get(ticker)
    if newest is None:
        raise UnknownName(f"no price of {ticker} in {market}; what is watched: axiom universe")
    series = found.bars.series(
        ticker, market, "minute" if size == "minute" else "day", since=moment(since),
        until=moment(until) or newest, adjusted=not raw, limit=limit, newest=newest,
    )  # fmt: skip
    if as_json:
        show.print_json(asdict(series))
    else:
        _show(series)


def _show(series: Series) -> None:
    from rich import box
    from rich.table import Table

    zone = ZoneInfo(series.timezone)
    if not series.bars:
        span = " to ".join(show.moment(at) for at in (series.since, series.until))
        show.say(f"No price of {series.ticker} in {series.market} from {span}.")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    when = "day" if series.size == "day" else "up to"
    for name in (when, "open", "high", "low", "close", "volume", "ticks", "flagged"):
        table.add_column(name, justify="left" if name == when else "right", no_wrap=True)
    for bar in series.bars:
        end = f"{bar.end_at.astimezone(zone):%Y-%m-%d %H:%M}"
        table.add_row(str(bar.day) if series.size == "day" else end, *_figures(bar))
    show.console().print(table)
    currencies = ", ".join(sorted({bar.currency for bar in series.bars}))
    how = f"adjusted by {series.adjusted_by}" if series.adjusted else "not adjusted"
    show.say(f"{series.ticker} of {series.market} in {currencies}, time of {series.timezone}.")
    show.say(f"Prices are {how}." + (" There are earlier ones." if series.cut else ""))
    for gap in series.gaps[-GAPS_SHOWN:]:
        start, last = (at.astimezone(zone) for at in (gap.start_at, gap.end_at))
        show.say(f"Missing: {gap.n} from {_told(start, series)} to {_told(last, series)}: "
                 f"{gap.reason}")  # fmt: skip
    if len(series.gaps) > GAPS_SHOWN:
        show.say(f"{len(series.gaps) - GAPS_SHOWN} earlier gaps: --json")


def _figures(bar: Bar) -> list[str]:
    paid = [f"{price:.2f}" for price in (bar.open, bar.high, bar.low, bar.close)]
    volume: Any = "-" if bar.volume is None else f"{bar.volume:.0f}"
    return [*paid, volume, str(bar.ticks), str(bar.flagged or "-")]


def _told(at: datetime, series: Series) -> str:
    return f"{at:%Y-%m-%d}" if series.size == "day" else f"{at:%Y-%m-%d %H:%M}"

"""Prices: what each instrument stands at, and one instrument's bars."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from axiom.console.intelligence.chart import chart, sparkline, told_action
from axiom.console.intelligence.reading import Reading
from axiom.console.live import TOPICS, Topic
from axiom.console.web import Console, console, page
from axiom.inputs import as_utc
from axiom.model import Correlation, Instrument, utcnow
from axiom.stores.bars import Series, Size

router = APIRouter(include_in_schema=False)
ROWS, POINTS = 50, 60
COUNTS = {"day": (60, 120, 250, 500), "minute": (60, 390, 1950)}
PEERS, STORIES, ACTIONS = 8, 8, 12
TABLE = 60  # bars of the table; the API has all
Text = Annotated[str, Query(max_length=80)]


def listed(reading: Reading, text: str, after: str, limit: int) -> list[Instrument]:
    """Return the instruments whose ticker or name contains a text, in the order of tickers."""
    wanted = text.lower()
    found = sorted(reading.universe.instruments, key=lambda each: each.ticker)
    return [
        each for each in found
        if each.ticker > after and (wanted in each.ticker.lower() or wanted in each.name.lower())
    ][:limit]  # fmt: skip


def standings(reading: Reading, instruments: list[Instrument]) -> list[dict[str, Any]]:
    """Return each instrument with its last price, the change since the day before, its ticks."""
    tickers, now = [each.ticker for each in instruments], utcnow()
    ticks = reading.bars.sparklines(tickers, POINTS, reading.market, now)
    last = reading.bars.standing(tickers, reading.market, now)
    return [_standing(each, last.get(each.ticker), ticks[each.ticker]) for each in instruments]


def _standing(instrument: Instrument, last: dict[str, Any] | None, ticks: Any) -> dict[str, Any]:
    before = last["price_before"] if last else None
    change = last["price"] / before - 1 if last and before else None
    return {"instrument": instrument, "last": last, "change": change, "ticks": ticks}


async def facts(console: Console, text: str = "", after: str = "") -> dict[str, Any]:
    """Gather the page's facts."""
    reading = console.reading
    found = await console.ask(listed, reading, text, after, ROWS + 1)
    rows = await console.ask(standings, reading, found[:ROWS])
    for row in rows:
        row["spark"] = sparkline(row["ticks"])
    return {
        "rows": rows, "text": text, "total": len(reading.universe.instruments),
        "next": found[ROWS - 1].ticker if len(found) > ROWS else None, "reading": reading,
    }  # fmt: skip


@router.get("/prices", response_class=HTMLResponse)
async def prices(request: Request, q: Text = "", after: Text = "") -> HTMLResponse:
    """Show what everything stands at."""
    topic = None if q or after else "prices:"
    found = await facts(console(request), q.strip(), after)
    return page(request, "intelligence/prices.html", topic=topic, **found)


async def _live(console: Console, _: str) -> dict[str, Any]:
    return await facts(console)


TOPICS["prices"] = Topic(
    _live,
    {"prices": "intelligence/prices_table.html"},
    follows=lambda pulse, name: pulse.pipeline == "ingestion",
)


# --- one instrument ---


def series(
    reading: Reading, ticker: str, size: Size, *, adjusted: bool, limit: int,
    since: datetime | None = None, until: datetime | None = None,
) -> Series | None:  # fmt: skip
    """Return the last bars of a ticker; None where no price of it is known."""
    newest = reading.newest(ticker)
    if newest is None:
        return None
    return reading.bars.series(
        ticker, reading.market, size, since=since and as_utc(since),
        until=as_utc(until) if until else newest, adjusted=adjusted, limit=limit, newest=newest,
    )  # fmt: skip


def peers(reading: Reading, ticker: str) -> tuple[dict[str, Any] | None, list[Correlation]]:
    """Return the strongest correlations of a ticker in the longest window, and which result."""
    groups = reading.correlations.groups(
        reading.market, sorted(reading.settings.correlation_windows, reverse=True), ["pearson"]
    )
    if not groups:
        return None, []
    longest = max(groups, key=lambda group: group["window"])
    return longest, reading.correlations.strongest(longest, PEERS, ticker)


@router.get("/prices/{ticker}", response_class=HTMLResponse)
async def instrument(
    request: Request,
    ticker: str,
    bars: Literal["day", "minute"] = "day",
    n: Annotated[int, Query(ge=2, le=2000)] = 0,
    raw: bool = False,
) -> HTMLResponse:
    """Show an instrument."""
    here = console(request)
    reading, ask = here.reading, here.ask
    n = n or COUNTS[bars][2 if bars == "day" else 1]
    found = await ask(partial(series, reading, ticker, bars, adjusted=not raw, limit=n))
    if found is None:
        raise HTTPException(404, f"No price of {ticker[:20]} is known in {reading.market}.")
    actions = await ask(reading.bars.known_actions, ticker, reading.market)
    group, near = await ask(peers, reading, ticker)
    stories, _ = await ask(
        partial(reading.events.page, reading.market, ticker=ticker, limit=STORIES)
    )
    zone = ZoneInfo(found.timezone)
    [row] = await ask(standings, reading, [_instrument(reading, ticker)])
    return page(
        request, "intelligence/instrument.html", reading=reading, series=found, row=row,
        chart=chart(found, actions, zone), actions=actions[:ACTIONS], told_action=told_action,
        outliers=await ask(reading.bars.outliers, found), peers=near, group=group,
        stories=stories, zone=zone, size=bars, n=n, raw=raw, counts=COUNTS[bars],
        table=found.bars[-TABLE:],
    )  # fmt: skip


def _instrument(reading: Reading, ticker: str) -> Instrument:
    known = {each.ticker: each for each in reading.universe.instruments}
    return known.get(ticker) or Instrument(ticker, reading.names.get(ticker, ticker))

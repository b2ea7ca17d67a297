"""`axiom universe`: what is watched, and whether a file says it well."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axiom.cli import show
from axiom.errors import AxiomError, ConfigError

if TYPE_CHECKING:
    from axiom.providers.universe import Universe

_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,11}")


def show_universe(ticker: str | None, *, as_json: bool) -> None:
    """List instruments and companies."""
    from axiom.config import settings
    from axiom.providers.universe import load_universe

    rows = _rows(load_universe(settings().universe))
    if ticker:
        rows = [row for row in rows if row["ticker"] == ticker.upper()]
        if not rows:
            raise AxiomError(f"{ticker!r} is not watched; list what is: axiom universe")
    if as_json:
        show.print_json(rows)
        return
    _show(rows)


def _rows(universe: Universe) -> list[dict[str, Any]]:
    priced = {each.ticker: each for each in universe.instruments}
    read = {each.ticker: each for each in universe.companies}
    return [
        {
            "ticker": ticker,
            "name": (priced.get(ticker) or read[ticker]).name,
            "priced": ticker in priced,
            "exchange": priced[ticker].exchange if ticker in priced else None,
            "currency": priced[ticker].currency if ticker in priced else None,
            "read": ticker in read,
            "aliases": list(read[ticker].aliases) if ticker in read else [],
        }
        for ticker in sorted({*priced, *read})
    ]


def _show(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("ticker", "name", "priced on", "read", "also called"):
        table.add_column(name, overflow="ellipsis" if name == "name" else "fold")
    for row in rows:
        on = f"{row['exchange']} {row['currency']}" if row["priced"] else "-"
        table.add_row(
            row["ticker"], Text(row["name"]), Text(on), "yes" if row["read"] else "-",
            Text(", ".join(row["aliases"])),
        )  # fmt: skip
    show.console().print(table)
    priced, read = (sum(row[what] for row in rows) for what in ("priced", "read"))
    show.say(f"{priced} instruments are priced, {read} companies are read about.")


def check(file: Path, *, as_json: bool) -> int:
    """Check a file; 1 when it has a problem."""
    problems = problems_of(file)
    if as_json:
        show.print_json({"file": str(file), "ok": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            show.say(problem)
    else:
        show.say(f"{file} is good; use it: AXIOM_UNIVERSE={file}")
    return 1 if problems else 0


def problems_of(file: Path) -> list[str]:
    """What is wrong with a universe file, one sentence each."""
    from axiom.providers.universe import load_universe

    try:
        found = load_universe(file)
    except ConfigError as error:
        return [error.problem]
    problems = [] if found.instruments else ["it names no instruments"]
    for what, named in (("instrument", found.instruments), ("company", found.companies)):
        tickers = Counter(each.ticker for each in named)
        problems += [
            f"{what} {ticker} is named {n} times" for ticker, n in tickers.items() if n > 1
        ]
        problems += [
            f"{what} {ticker!r}: a ticker is written in capitals, digits, . and -"
            for ticker in tickers
            if not _TICKER.fullmatch(str(ticker))
        ]
        problems += [f"{what} {each.ticker} has no name" for each in named if not each.name.strip()]
    return problems + _unknown_exchanges(found)


def _unknown_exchanges(found: Universe) -> list[str]:
    import exchange_calendars

    known = set(exchange_calendars.get_calendar_names())
    return [
        f"instrument {each.ticker}: no calendar of exchange {each.exchange!r} is known"
        for each in found.instruments
        if each.exchange not in known
    ]

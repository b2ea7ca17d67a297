"""Correlation: the newest result of a window and method, and what was said of its changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from axiom.console.intelligence.clusters import MOST
from axiom.console.intelligence.heat import matrix
from axiom.console.intelligence.reading import Reading, analyst_told
from axiom.console.live import TOPICS, Topic
from axiom.console.web import Console, console, page, render
from axiom.model import Correlation
from axiom.pipelines.correlation import METHODS

router = APIRouter(include_in_schema=False)
STRONGEST, EXPLAINED, LEADERS, CHOSEN = 100, 20, 20, 30
KEPT = 8  # drawn results, of up to a megabyte each
Method = Literal["pearson", "spearman"]
Group = dict[str, Any]


def groups(reading: Reading) -> list[Group]:
    """Return the newest result of each window and method."""
    return reading.correlations.groups(
        reading.market, reading.settings.correlation_windows, METHODS
    )


def chosen(found: Sequence[Group], window: int | None, method: str) -> Group | None:
    """Return the result that is asked for, else the longest window's."""
    of_method = [group for group in found if group["method"] == method] or list(found)
    exact = [group for group in of_method if group["window"] == window]
    return exact[0] if exact else max(of_method, key=lambda g: g["window"], default=None)


def shown(
    reading: Reading, group: Group, wanted: Sequence[str]
) -> tuple[list[str], list[Correlation], list[Correlation], bool]:
    """Return the tickers and pairs of the map, the strongest pairs, whether the map is a part.

    All of a small universe; of a large one what is asked for, or who has the strongest pairs.
    """
    strongest = reading.correlations.strongest(group, STRONGEST)
    tickers = reading.correlations.tickers(group, MOST + 1)
    part = len(tickers) > MOST
    if wanted:
        tickers = sorted(set(wanted))[:MOST]
    elif part:
        often = Counter(name for pair in strongest for name in (pair.a, pair.b))
        tickers = sorted(name for name, _ in often.most_common(CHOSEN))
    return tickers, reading.correlations.among(group, tickers), strongest, part


def facts(
    reading: Reading, window: int | None, method: str, wanted: Sequence[str]
) -> dict[str, Any]:
    """Gather the page's facts."""
    found = groups(reading)
    group = chosen(found, window, method)
    told: dict[str, Any] = {
        "groups": found, "group": group, "reading": reading, "wanted": list(wanted),
        "analyst_told": analyst_told, "methods": METHODS,
        "windows": sorted({each["window"] for each in found}),
    }  # fmt: skip
    if group is None:
        return told
    pictures, tables = _drawn(reading, tuple(group.items()), tuple(wanted))
    explained = reading.correlations.explained(found, EXPLAINED)
    return told | {"pictures": pictures, "tables": tables, "explained": explained}


@lru_cache(maxsize=KEPT)
def _drawn(
    reading: Reading, key: tuple[tuple[str, Any], ...], wanted: tuple[str, ...]
) -> tuple[Markup, Markup]:
    """Draw a result: map and tree, and the tables of pairs. A result never changes."""
    group = dict(key)
    names, pairs, strongest, part = shown(reading, group, wanted)
    known = sorted({name for pair in pairs for name in (pair.a, pair.b)} & set(names))
    leads = sorted(
        (c for c in strongest if c.lag and c.lag_q is not None and c.lag_q < 0.05),
        key=lambda c: c.lag_q or 0.0,
    )
    pictures = render(
        "intelligence/correlation_pictures.html",
        map=matrix(pairs, known), group=group, part=part, wanted=wanted,
    )  # fmt: skip
    tables = render(
        "intelligence/correlation_tables.html", strongest=strongest, leads=leads[:LEADERS]
    )
    return Markup(pictures), Markup(tables)


def tickers_of(text: str) -> list[str]:
    """Read tickers that are separated by commas or spaces."""
    return [each[:20] for each in text.upper().replace(",", " ").split()][:MOST]


@router.get("/correlation", response_class=HTMLResponse)
async def correlation(
    request: Request,
    window: Annotated[int | None, Query(ge=2, le=5000)] = None,
    method: Method = "pearson",
    tickers: Annotated[str, Query(max_length=800)] = "",
) -> HTMLResponse:
    """Show which returns move together."""
    here = console(request)
    found = await here.ask(facts, here.reading, window, method, tickers_of(tickers))
    name = f"correlation:{window or ''}|{method}|{' '.join(found['wanted'])}"
    return page(request, "intelligence/correlation.html", topic=name, **found)


async def _live(console: Console, name: str) -> dict[str, Any]:
    window, method, tickers = [*name.split("|"), "", ""][:3]
    days = int(window) if window.isdecimal() and len(window) < 5 else None
    return await console.ask(facts, console.reading, days, method, tickers_of(tickers))


TOPICS["correlation"] = Topic(
    _live,
    {"correlation": "intelligence/correlation_map.html"},
    follows=lambda pulse, name: pulse.pipeline == "correlation",
)

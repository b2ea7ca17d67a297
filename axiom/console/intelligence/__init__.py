"""The Intelligence pages: prices, graph, events, correlation, and a search in each.

`NAV` names them (title, address) in the layout's navigation; `routers()` gives the
routers that the app includes. See `axiom.console.web` for `page`, `console` and `ask`,
and `axiom.console.live` for pages that follow what changes.

Nothing here imports Chroma, pandas or SciPy: a console is small. What needs them is asked of
a worker (`axiom.tasks.search`) or of a process that ends (`axiom.analytics.hours`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

NAV: tuple[tuple[str, str], ...] = (
    ("Prices", "/prices"),
    ("Graph", "/graph"),
    ("Events", "/events"),
    ("Correlation", "/correlation"),
)


def routers() -> list[APIRouter]:
    """Return the routers of these pages."""
    from axiom.console.intelligence import api, correlation, events, graph, prices, search

    return [each.router for each in (prices, graph, events, correlation, search, api)]

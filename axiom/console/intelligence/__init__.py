"""The Intelligence pages: prices, graph, events, correlation.

`NAV` names them (title, address) in the layout's navigation; `routers()` gives the
routers that the app includes. See `axiom.console.web` for `page`, `console` and `ask`,
and `axiom.console.live` for pages that follow what changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

NAV: tuple[tuple[str, str], ...] = ()


def routers() -> list[APIRouter]:
    """Return the routers of these pages."""
    return []

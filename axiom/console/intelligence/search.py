"""Search by meaning, which a worker does: the model and Chroma's client are too large for here."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from axiom.console.web import Console, Missing, console, page
from axiom.stores.search import KINDS

router = APIRouter(include_in_schema=False)
AT_ONCE = 3  # of the threads that ask; the others keep pages quick
_turns = asyncio.Semaphore(AT_ONCE)
Kind = Literal["event", "profile"]
Question = Annotated[str, Query(max_length=500)]


async def search(
    here: Console, text: str, kinds: tuple[str, ...], limit: int
) -> list[dict[str, Any]]:
    """Return what is nearest to a question.

    Raises:
        AxiomError: no worker answered, or a store is away.
    """
    from axiom.tasks.search import ask

    async with _turns:
        return await here.ask(partial(ask, text, here.reading.market, kinds, limit))


@router.get("/search", response_class=HTMLResponse)
async def search_page(
    request: Request,
    q: Question = "",
    kind: Annotated[Literal["", "event", "profile"], Query()] = "",
) -> HTMLResponse:
    """Show what is nearest to a question."""
    from axiom.errors import AxiomError

    here, began_s = console(request), time.monotonic()
    rows: Any = []
    if q.strip():
        try:
            rows = await search(here, q, (kind,) if kind else KINDS, 20)
        except AxiomError as error:
            rows = Missing(error)
    return page(
        request, "intelligence/search.html", q=q, kind=kind, kinds=KINDS, rows=rows,
        took_s=time.monotonic() - began_s, reading=here.reading,
    )  # fmt: skip

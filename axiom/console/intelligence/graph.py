"""The company graph: what surrounds a node, now or as it was known, and what says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from axiom.console.intelligence.network import ends, lay_out
from axiom.console.intelligence.reading import Reading, analyst_told
from axiom.console.web import console, page, render
from axiom.errors import AxiomError, ConfigError
from axiom.inputs import parse_moment
from axiom.model import EdgeType, Label
from axiom.stores.graph_around import around
from axiom.stores.graph_path import LONGEST, explained_path

router = APIRouter(include_in_schema=False)
EDGES = 90  # drawn; the table has the same
MOMENTS = 60
FIGURES = ("pagerank", "degree", "strength")
TOP = 25
Text = Annotated[str, Query(max_length=200)]
Key = Annotated[str, Query(max_length=600)]


def moment(text: str) -> datetime | None:
    """Read a moment in ISO 8601; nothing is now.

    Raises:
        HTTPException: it is no moment.
    """
    try:
        return parse_moment(text.replace(" ", "+")) if text else None
    except ConfigError:
        raise HTTPException(422, f"{text[:40]!r} is no time in ISO 8601") from None


def resolve(reading: Reading, text: str) -> tuple[str | None, list[dict[str, Any]]]:
    """Return the company that is meant, or those that may be."""
    from axiom.pipelines.entities import company_keys, normal

    if known := company_keys(reading.universe.companies).get(normal(text)):
        return known, []
    rows = reading.graph.companies(text[:100])
    return (str(rows[0]["key"]), []) if len(rows) == 1 else (None, rows)


def steps(reading: Reading, key: str, label: Label) -> list[datetime]:
    """Return the last moments at which something changed around a node, oldest first."""
    return [
        datetime.fromisoformat(at)
        for at in reading.graph.moments(key, reading.market, MOMENTS, label)
    ]


def picture(
    reading: Reading, key: str, label: Label, types: Sequence[str], depth: int,
    as_of: datetime | None,
) -> dict[str, Any]:  # fmt: skip
    """Gather what the picture and its table need."""
    asked = (reading.graph, reading.market, key, label, types, depth, as_of, EDGES)
    edges, counts = around(*asked, whole=False)
    return {
        "of": key, "label": label, "types": list(types), "depth": depth, "as_of": as_of,
        "edges": edges, "counts": counts, "network": lay_out(edges, (str(label), key)),
        "ends": ends, "most": EDGES, "analyst_told": analyst_told, "reading": reading,
    }  # fmt: skip


@router.get("/graph", response_class=HTMLResponse)
async def graph(
    request: Request,
    of: Key = "",
    label: Label = Label.COMPANY,
    q: Text = "",
    type: Annotated[list[EdgeType] | None, Query()] = None,
    depth: Annotated[int, Query(ge=1, le=2)] = 1,
    as_of: Text = "",
    edge: Key = "",
    part: str = "",
) -> HTMLResponse:
    """Show what surrounds a company (or another node), and an edge's evidence.

    `part`: only the picture or the evidence, for the script.
    """
    here = console(request)
    reading, at = here.reading, moment(as_of)
    if part == "evidence":
        return HTMLResponse(render("intelligence/evidence.html", **await _evidence(here, edge, at)))
    several: list[dict[str, Any]] = []
    if q:
        found, several = await here.ask(resolve, reading, q)
        of, label = found or "", Label.COMPANY
    if not of and not q:
        of = await here.ask(_first, reading)
    if not of:
        return page(request, "intelligence/graph_none.html", reading=reading, q=q, several=several)
    kinds = [str(each) for each in type or []]
    drawing = here.ask(picture, reading, of, label, kinds, depth, at)
    if part == "picture":
        return HTMLResponse(render("intelligence/graph_picture.html", **await drawing))
    drawn, evidence, moments = await asyncio.gather(
        drawing, _evidence(here, edge, at), here.ask(steps, reading, of, label)
    )
    return page(
        request, "intelligence/graph.html", **drawn | evidence, moments=moments,
        all_types=list(EdgeType), name=reading.names.get(of, of),
    )  # fmt: skip


def _first(reading: Reading) -> str:
    """The company that the last run found to matter most, or any."""
    for snapshot in reading.analyses.snapshots(reading.market):
        companies = snapshot["structure"].get("companies") or {}
        if companies:
            return str(max(companies, key=lambda key: (companies[key]["pagerank"], key)))
    return reading.universe.companies[0].ticker if reading.universe.companies else ""


async def _evidence(here: Any, key: str, at: datetime | None) -> dict[str, Any]:
    found = await here.ask(here.reading.graph.evidence, key, at) if key else None
    ours = found is not None and found["evidence"]["market"] == here.reading.market
    return {"edge": found if ours else None, "asked": key, "analyst_told": analyst_told,
            "reading": here.reading, "ends": ends}  # fmt: skip


@router.get("/graph/path", response_class=HTMLResponse)
async def path(request: Request, a: Text = "", b: Text = "", as_of: Text = "") -> HTMLResponse:
    """Show how two companies are linked."""
    here, at = console(request), moment(as_of)
    reading, wrong, steps_found = here.reading, "", None
    if a and b:
        try:
            one, other = [await here.ask(_sure, reading, text) for text in (a, b)]
            steps_found = await here.ask(
                partial(explained_path, reading.graph, one, other, reading.market, at)
            )
            if steps_found is None:
                wrong = f"No path of at most {LONGEST} edges from {one} to {other} is known."
        except AxiomError as error:
            wrong = str(error)
    return page(
        request, "intelligence/path.html", reading=reading, a=a, b=b, wrong=wrong,
        steps=steps_found, ends=ends, analyst_told=analyst_told, as_of=at,
    )  # fmt: skip


def _sure(reading: Reading, text: str) -> str:
    found, several = resolve(reading, text)
    if found:
        return found
    may = ", ".join(f"{row['key']} ({row['name']})" for row in several[:5])
    raise AxiomError(f"{text!r} may be {may}; say which" if may else f"no company {text!r}")


def structure(reading: Reading, as_of: datetime | None = None) -> dict[str, Any] | None:
    """Return the newest snapshot that has the graph's structure, with `communities`."""
    for snapshot in reading.analyses.snapshots(reading.market, as_of):
        members: dict[str, list[str]] = {}
        for key, each in sorted((snapshot["structure"].get("companies") or {}).items()):
            members.setdefault(each["community"], []).append(key)
        groups = sorted(members.values(), key=lambda keys: (-len(keys), keys))
        return snapshot | {"communities": groups}
    return None


def ranked(snapshot: dict[str, Any], by: str, limit: int = TOP) -> list[dict[str, Any]]:
    """Return the companies with the highest figure."""
    companies = snapshot["structure"].get("companies") or {}
    keys = sorted(companies, key=lambda key: (-companies[key][by], key))[:limit]
    return [{"company": key, **companies[key]} for key in keys]


@router.get("/graph/top", response_class=HTMLResponse)
async def top(
    request: Request,
    by: Annotated[str, Query(pattern="^(pagerank|degree|strength)$")] = "pagerank",
    as_of: Text = "",
) -> HTMLResponse:
    """Show who matters most, and who belongs together."""
    here = console(request)
    found = await here.ask(structure, here.reading, moment(as_of))
    return page(
        request, "intelligence/top.html", reading=here.reading, snapshot=found, by=by,
        figures=FIGURES, rows=ranked(found, by) if found else [],
        names=here.reading.names,
    )  # fmt: skip

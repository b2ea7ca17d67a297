"""A pipeline: its shape with live state, its past runs step by step, how long they took."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from statistics import median, quantiles
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from axiom.console import drawing
from axiom.console.live import TOPICS, Topic
from axiom.console.now import freshness, schedules
from axiom.console.web import Console, console, page
from axiom.errors import UnknownPipeline
from axiom.ledger.history import Cursor
from axiom.model import PIPELINES, RunState, utcnow

router = APIRouter(include_in_schema=False)
COLUMNS, DURATIONS = 40, 120


def known(pipeline: str) -> str:
    """Return the name of a pipeline.

    Raises:
        UnknownPipeline: there is none of this name.
    """
    if pipeline not in PIPELINES:
        raise UnknownPipeline(f"no pipeline {pipeline[:80]!r}; there are {', '.join(PIPELINES)}")
    return pipeline


async def facts(console: Console, name: str, before: Cursor | None = None) -> dict[str, Any]:
    """Gather the page's facts."""
    ask, history, at = console.ask, console.history, utcnow()
    overview: Any = await ask(history.overview, DURATIONS)
    row = next(each for each in overview if each["pipeline"] == name)
    slots = (await schedules(console)).get(name)
    row["fresh"] = freshness(slots, row["good_at"], at)
    row["next_at"] = slots.next_at(at) if slots else None
    newest = await ask(history.newest, name)
    grid, steps = await ask(partial(history.grid, name, limit=COLUMNS, before=before))
    spent = await ask(history.dollars_of, [run.id for run in grid.runs])
    mine = steps.get(newest.id) if newest else None
    if newest and mine is None:
        mine = await ask(history.timeline, newest)
    columns = drawing.columns(row["recent"], width=1200, height=90, slots=DURATIONS, now=at)
    return {
        "pipeline": name, "row": row, "run": newest, "shape": shape_of(name),
        **drawn(name, newest.plan if newest else None, mine or {}),
        "grid": grid, "steps": steps, "spent": spent, "names": _names(name, steps),
        "columns": columns, "took": _took(row["recent"]), "deadline": PIPELINES[name].deadline,
        "now": at, "slots": slots, "backfills": await console.part(lambda: backfills_of(name)),
    }  # fmt: skip


def backfills_of(name: str) -> list[Any]:
    """Return those that run, and the last ones."""
    from axiom.tasks import operate

    return [each for each in operate.backfills(30) if each.pipeline == name][:5]


def shape_of(name: str) -> Any:
    """Return the shape that the code declares."""
    from axiom.tasks.flows import flow_of

    return flow_of(name).describe()


def drawn(name: str, plan: Any, steps: Any) -> dict[str, Any]:
    """Lay the flow out for wide screens and for narrow ones."""
    shape = (plan or {}).get("shape") or shape_of(name)
    return {
        "lying": drawing.flow(shape, steps),
        "upright": drawing.flow(shape, steps, upright=True),
    }


def _names(name: str, steps: Any) -> list[str]:
    """The steps of all runs shown, in order; those of an older shape come last."""
    declared = [step for node in shape_of(name) for step in node["steps"]]
    seen = {step for each in steps.values() for step in each}
    return declared + sorted(seen - set(declared))


def _took(runs: list[dict[str, Any]]) -> dict[str, float] | None:
    done = [
        (run["ended_at"] - run["created_at"]).total_seconds()
        for run in runs
        if run["state"] in (RunState.SUCCEEDED, RunState.PARTIAL)
    ]
    if len(done) < 2:
        return None
    return {
        "median": median(done),
        "p95": quantiles(done, n=20, method="inclusive")[-1],
        "longest": max(done),
    }


At = Annotated[datetime | None, Query()]


@router.get("/pipelines/{pipeline}", response_class=HTMLResponse)
async def pipeline_page(
    request: Request, pipeline: str, before: At = None, before_id: str = ""
) -> HTMLResponse:
    """Show a pipeline."""
    cursor = (before, before_id) if before else None
    found = await facts(console(request), known(pipeline), cursor)
    return page(request, "pipeline.html", topic=f"pipeline:{pipeline}", older=cursor, **found)


async def _live(console: Console, name: str) -> dict[str, Any]:
    return await facts(console, known(name)) | {"older": None}


TOPICS["pipeline"] = Topic(
    _live,
    {
        "head": "pipeline_head.html",
        "now": "pipeline_now.html",
        "backfills": "pipeline_backfills.html",
        "durations": "pipeline_durations.html",
        "grid": "pipeline_grid.html",
    },
    follows=lambda pulse, name: pulse.pipeline == name,
)

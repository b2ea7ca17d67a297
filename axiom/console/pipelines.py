"""A pipeline: its shape with live state, its past runs step by step, how long they took."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from statistics import median, quantiles
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from axiom.console import drawing
from axiom.console.live import TOPICS, Topic
from axiom.console.now import freshness, schedules
from axiom.console.web import TEMPLATES, Console, console, page
from axiom.errors import UnknownPipeline
from axiom.ledger.history import Cursor, StepSummary
from axiom.model import PIPELINES, Run, RunState, utcnow

router = APIRouter(include_in_schema=False)
COLUMNS, DURATIONS = 40, 120
ALL = "/all"  # of a topic: with the runs of backfills
COUNTED = 1000  # runs of a backfill in one state; beyond that a page says that there are more


def known(pipeline: str) -> str:
    """Return the name of a pipeline.

    Raises:
        UnknownPipeline: there is none of this name.
    """
    if pipeline not in PIPELINES:
        raise UnknownPipeline(f"no pipeline {pipeline[:80]!r}; there are {', '.join(PIPELINES)}")
    return pipeline


async def facts(
    console: Console, name: str, before: Cursor | None = None, *, all_runs: bool = False
) -> dict[str, Any]:
    """Gather the page's facts; `all_runs`: the grid shows those of backfills too."""
    ask, history, at = console.ask, console.history, utcnow()
    overview: Any = await ask(history.overview, DURATIONS)
    row = next(each for each in overview if each["pipeline"] == name)
    slots = (await schedules(console)).get(name)
    row["fresh"] = freshness(slots, row["good_at"], at)
    row["next_at"] = slots.next_at(at) if slots else None
    newest = await ask(history.newest, name)
    grid, steps = await ask(
        partial(history.grid, name, limit=COLUMNS, before=before, backfills=all_runs)
    )
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
        "now": at, "slots": slots, "all_runs": all_runs, "counted": COUNTED,
        **await trouble(console, newest, mine or {}, at),
        "backfills": await console.part(lambda: backfills_of(name)),
    }  # fmt: skip


async def trouble(
    console: Console, run: Run | None, steps: Mapping[str, StepSummary], at: datetime
) -> dict[str, Any]:
    """Tell whether a run is past its deadline, and, while it goes on, its last error."""
    late = bool(run and run.deadline_at and (run.ended_at or at) > run.deadline_at)
    if run is None or run.ended_at:
        return {"late": late, "last_error": None}
    waiting = next((f"{each.name}: {each.error}" for each in steps.values() if each.error), None)
    failed = [] if waiting else await console.ask(console.history.attempts, run, 1)
    newest = next((f"{each['name']}: {each['error']}" for each in failed), None)
    return {"late": late, "last_error": waiting or newest}


def began(run: Run) -> datetime:
    """Return when a run began, or when a person last let it go on."""
    if run.retries and run.deadline_at:  # a retry sets the deadline anew
        return run.deadline_at - PIPELINES[run.pipeline].deadline
    return run.created_at


TEMPLATES.globals["began"] = began


def backfills_of(name: str) -> list[Any]:
    """Return those that run, and the last ones."""
    from axiom.tasks.services import services

    return services().backfills.newest(5, pipeline=name, most=COUNTED)


def shape_of(name: str) -> Any:
    """Return the shape that the code declares."""
    from axiom.tasks.flows import flow_of

    return flow_of(name).describe()


def params_of(name: str) -> list[dict[str, Any]]:
    """Return what a run of it can be told."""
    from axiom.tasks.flows import flow_of

    return [
        {"name": p.name, "kind": p.kind, "help": p.help, "default": p.default}
        for p in flow_of(name).params
    ]


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
    request: Request, pipeline: str, before: At = None, before_id: str = "", backfills: bool = False
) -> HTMLResponse:
    """Show a pipeline."""
    cursor = (before, before_id) if before else None
    found = await facts(console(request), known(pipeline), cursor, all_runs=backfills)
    topic = f"pipeline:{pipeline}{ALL if backfills else ''}"
    return page(request, "pipeline.html", topic=topic, older=cursor, **found)


async def _live(console: Console, name: str) -> dict[str, Any]:
    pipeline, all_, _ = name.partition(ALL)
    return await facts(console, known(pipeline), all_runs=bool(all_)) | {"older": None}


TOPICS["pipeline"] = Topic(
    _live,
    {
        "head": "pipeline_head.html",
        "now": "pipeline_now.html",
        "backfills": "pipeline_backfills.html",
        "durations": "pipeline_durations.html",
        "grid": "pipeline_grid.html",
    },
    follows=lambda pulse, name: pulse.pipeline == name.partition(ALL)[0],
)

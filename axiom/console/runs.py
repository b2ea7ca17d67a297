"""Runs: the list, one run in full, and the difference between two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from axiom.console import drawing
from axiom.console.live import TOPICS, Topic
from axiom.console.log import log_lines
from axiom.console.pipelines import drawn, known, trouble
from axiom.console.web import TEMPLATES, Console, console, page
from axiom.ledger.compare import differences
from axiom.ledger.history import Cursor
from axiom.model import Json, RunState, utcnow

router = APIRouter(include_in_schema=False)
PAGE, STEPS, LONGEST, BRIEF = 50, 100, 4000, 70
ACTIVE = (RunState.QUEUED, RunState.RUNNING)
Filter = Literal["", "queued", "running", "succeeded", "partial", "failed", "skipped", "cancelled"]


# --- the list ---


async def list_facts(
    console: Console, pipeline: str = "", state: str = "", before: Cursor | None = None
) -> dict[str, Any]:
    """Gather a page of runs and what they cost."""
    found = await console.ask(
        partial(
            console.history.runs, pipeline=pipeline or None, state=state or None, limit=PAGE,
            before=before,
        )
    )  # fmt: skip
    spent = await console.ask(console.history.dollars_of, [run.id for run in found.runs])
    return {"found": found, "spent": spent, "pipeline": pipeline, "state_": state}


@router.get("/runs", response_class=HTMLResponse)
async def runs_page(
    request: Request,
    pipeline: str = "",
    state: Filter = "",
    before: Annotated[datetime | None, Query()] = None,
    before_id: str = "",
) -> HTMLResponse:
    """List runs, newest first."""
    cursor = (before, before_id) if before else None
    if pipeline:
        known(pipeline)
    facts = await list_facts(console(request), pipeline, state, cursor)
    topic = None if cursor else f"runs:{pipeline}/{state}"
    return page(request, "runs.html", topic=topic, **facts)


async def _live_list(console: Console, name: str) -> dict[str, Any]:
    pipeline, _, state = name.partition("/")
    if pipeline:
        known(pipeline)
    return await list_facts(console, pipeline, state)


def _in_list(pulse: Any, name: str) -> bool:
    return not name.partition("/")[0] or pulse.pipeline == name.partition("/")[0]


TOPICS["runs"] = Topic(_live_list, {"runs": "runs_table.html"}, follows=_in_list)


# --- one run ---


async def facts(console: Console, name: str) -> dict[str, Any]:
    """Gather what the live part of a run's page shows; `name` is `<run>` or `<run>/<step>`."""
    ask, history = console.ask, console.history
    run_id, _, step = name.partition("/")
    run = await ask(history.run, run_id)
    steps = await ask(history.timeline, run)
    calls = await ask(history.calls, run.id)
    at = utcnow()
    return {
        "run": run, "steps": steps, "calls": calls, "now": at,
        "bars": drawing.gantt(run, steps, at),
        "attempts": await ask(history.attempts, run),
        "wrong": await ask(history.wrong, run) if _any_wrong(steps) else [],
        "usd": sum(row["usd"] for row in calls if not row["imitation"]),
        "imitated": sum(row["usd"] for row in calls if row["imitation"]),
        "active": run.state in ACTIVE, **await trouble(console, run, steps, at),
        "log": await log_lines(console, run.id, step or None), "step_": step,
        **drawn(run.pipeline, run.plan, steps),
    }  # fmt: skip


def _any_wrong(steps: Mapping[str, Any]) -> bool:
    return any(step.error for step in steps.values())


@router.get("/runs/{run_id}", response_class=HTMLResponse)
async def run_page(
    request: Request, run_id: str, step: str = "", after: str = "", position: int = -1
) -> Response:
    """Show a run."""
    here = console(request)
    found = await facts(here, f"{run_id}/{step}")
    run = found["run"]
    if run.id != run_id:  # it was cut short
        return RedirectResponse(f"/runs/{run.id}", 303)
    rows = await here.ask(
        partial(
            here.history.steps, run, name=step or None, limit=STEPS + 1, after=(position, after)
        )
    )
    more = rows[STEPS - 1] if len(rows) > STEPS else None
    beside = await here.ask(here.history.neighbours, run)
    return page(
        request, "run.html", topic=f"run:{run.id}/{step}", rows=rows[:STEPS], more=more,
        beside=beside, **found,
    )  # fmt: skip


TOPICS["run"] = Topic(
    facts,
    {
        "head": "run_head.html",
        "summary": "run_summary.html",
        "flow": "run_flow.html",
        "wrong": "run_wrong.html",
        "gantt": "run_gantt.html",
        "attempts": "run_attempts.html",
        "calls": "run_calls.html",
        "log": "run_log.html",
    },
    follows=lambda pulse, name: pulse.run_id == name.partition("/")[0],
)


def _shown(value: Json) -> str:
    """JSON for reading, cut where it is long: all of it is in the API."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… {len(text)} characters"


def _brief(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"


TEMPLATES.filters |= {"shown": _shown, "brief": _brief}


# --- two runs ---


@router.get("/runs/{run_id}/compare", response_class=HTMLResponse)
async def compare_page(request: Request, run_id: str, other: str = "") -> Response:
    """Show what differs between two runs; without `other`, the one before."""
    here = console(request)
    run = await here.ask(here.history.run, run_id)
    beside = await here.ask(here.history.neighbours, run)
    with_id = other.strip() or beside.get("before", run.id)
    a, b = await here.ask(here.history.compare, with_id, run.id)
    page_of = await here.ask(partial(here.history.runs, pipeline=run.pipeline, limit=30))
    return page(
        request, "compare.html", a=a, b=b, rows=differences(a, b), others=page_of.runs, run=run
    )

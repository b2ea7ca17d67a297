"""The JSON API, under `/api/v1`; its description is at `/api/openapi.json`.

What the pages show and do, for programs: with a token (`Authorization: Bearer axm_…`), or
from a browser that is logged in, which must send `X-CSRF-Token` with what changes something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import AfterValidator, BaseModel, Field

from axiom.console import notes
from axiom.console.now import dollars_today, freshness, now, schedules
from axiom.console.pipelines import backfills_of, known, params_of, shape_of
from axiom.console.web import Missing, console
from axiom.inputs import as_utc
from axiom.ledger.history import Side, StepSummary
from axiom.ledger.schedules import Schedule
from axiom.model import Json, Run, RunState, StepRow, utcnow

router = APIRouter(prefix="/api/v1")
Moment = Annotated[datetime, AfterValidator(as_utc)]  # without an offset it is UTC
Place = Annotated[int, Query(ge=-(2**31), le=2**31 - 1)]
Id = Annotated[int, Query(le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=500)]
Pipeline = Annotated[str, Path(description="ingestion, graph, events or correlation")]
RunId = Annotated[str, Path(description="a run's id, or the start of it")]


class Said(BaseModel):
    """What came of an action."""

    said: str
    run: str | None = None


class Asked(BaseModel):
    """A run to be made."""

    at: Moment | None = Field(None, description="the logical time; now when it is left out")
    params: dict[str, Any] = Field({}, description="those that `GET` of the pipeline names")
    overlap: bool = Field(False, description="also while another run of the pipeline is active")


class Reason(BaseModel):
    """Why."""

    reason: str | None = Field(None, max_length=500)


class Range(BaseModel):
    """Logical times: since <= slot < until."""

    since: Moment
    until: Moment


class Plan(BaseModel):
    """When a pipeline runs, and what is done about missed slots; null: as it comes."""

    spec: str | None = Field(None, examples=["*/10 * * * *", "every 5m"])
    catch_up: str | None = Field(None, examples=["none", "latest", "all:24"])


class Muted(BaseModel):
    """What is muted (a rule, a pipeline or a cause), and until when."""

    what: str = Field(max_length=200)
    until: Moment


# --- what there is ---


@router.get("/overview", tags=["now"])
async def overview(request: Request) -> dict[str, Any]:
    """Return each pipeline's state and costs, queues, processes, breaker, alerts and news."""
    here = console(request)
    rows: Any = await here.ask(here.history.overview, 1)
    at, paid = utcnow(), await dollars_today(here)
    found, planned = await now(here), await schedules(here)
    return {
        "pipelines": [
            {
                "pipeline": row["pipeline"], "last": row["last"], "good_at": row["good_at"],
                "freshness": freshness(planned.get(row["pipeline"]), row["good_at"], at),
                "paused_at": row["paused_at"], "paused_by": row["paused_by"],
                "usd_today": None if isinstance(paid, Missing) else paid[row["pipeline"]],
            }
            for row in rows
        ],
        "queues": _known(found.queues), "processes": _known(found.workers),
        "breaker": _known(found.breaker), "alerts": _known(found.alerts),
        "news": _known(found.news),
    }  # fmt: skip


def _known(part: Any) -> Any:
    """A part that is away is null, with the reason in its place."""
    return {"missing": str(part)} if isinstance(part, Missing) else part


@router.get("/pipelines/{pipeline}", tags=["now"])
async def pipeline(
    request: Request,
    pipeline: Pipeline,
    limit: Annotated[int, Query(ge=1, le=100)] = 40,
    before: Moment | None = None,
    before_id: str = "~",
) -> dict[str, Any]:
    """Return a pipeline's shape, parameters, schedule, backfills, and a page of runs and steps."""
    here, name = console(request), known(pipeline)
    planned = (await schedules(here)).get(name)
    cursor = (before, before_id) if before else None
    page, steps = await here.ask(partial(here.history.grid, name, limit=limit, before=cursor))
    return {
        "pipeline": name, "shape": shape_of(name), "params": params_of(name),
        "schedule": planned.told(utcnow()) if planned else None,
        "backfills": _known(await here.part(lambda: backfills_of(name))),
        "runs": [
            {"run": run, "steps": [_step(step) for step in steps[run.id].values()]}
            for run in page.runs
        ],
        "next": {"before": page.next[0], "before_id": page.next[1]} if page.next else None,
    }  # fmt: skip


@router.get("/runs", tags=["runs"])
async def runs(
    request: Request,
    pipeline: str | None = None,
    state: RunState | None = None,
    limit: Limit = 50,
    before: Moment | None = None,
    before_id: str = "~",
) -> dict[str, Any]:
    """Return a page of runs, newest first; go on with `next`."""
    here = console(request)
    wanted = known(pipeline) if pipeline else None
    cursor = (before, before_id) if before else None
    page = await here.ask(
        partial(here.history.runs, pipeline=wanted, state=state, limit=limit, before=cursor)
    )
    next_ = {"before": page.next[0], "before_id": page.next[1]} if page.next else None
    return {"runs": page.runs, "next": next_}


@router.get("/runs/{run_id}", tags=["runs"])
async def run(request: Request, run_id: RunId) -> dict[str, Any]:
    """Return a run, its steps counted by state, what went wrong, its calls of Claude."""
    here = console(request)
    found = await here.ask(here.history.run, run_id)
    return {
        "run": found,
        "steps": [_step(each) for each in (await here.ask(here.history.timeline, found)).values()],
        "wrong": await here.ask(here.history.wrong, found),
        "attempts": await here.ask(here.history.attempts, found),
        "calls": await here.ask(here.history.calls, found.id),
    }


def _step(step: StepSummary) -> dict[str, Any]:
    return asdict(step) | {"state": step.state, "total": step.total}


@router.get("/runs/{run_id}/steps", tags=["runs"])
async def steps(
    request: Request,
    run_id: RunId,
    name: str | None = None,
    limit: Limit = 100,
    after_position: Place = -1,
    after_item: str = "",
) -> list[StepRow]:
    """Return steps with outputs and tracebacks: those that are not mapped, or `name`'s items."""
    here = console(request)
    found = await here.ask(here.history.run, run_id)
    after = (after_position, after_item)
    return await here.ask(partial(here.history.steps, found, name=name, limit=limit, after=after))


@router.get("/runs/{run_id}/log", tags=["runs"])
async def log(
    request: Request,
    run_id: RunId,
    step: str | None = None,
    item: str | None = None,
    after: Id | None = None,
    limit: Limit = 200,
) -> list[dict[str, Any]]:
    """Return log lines in order; go on `after` the greatest `n`."""
    from axiom.stores.log_lines import LogLines

    here = console(request)
    found = await here.ask(here.history.run, run_id)
    kept = LogLines(here.postgres)
    lines = await here.ask(partial(kept.lines, found.id, step, item, limit=limit, after=after))
    return [asdict(line) for line in lines]


@router.get("/runs/{run_id}/compare/{other}", tags=["runs"])
async def compare(request: Request, run_id: RunId, other: str) -> dict[str, Any]:
    """Return what two runs were made of: code, parameters, prompts, counts, dollars, durations."""
    here = console(request)
    a, b = await here.ask(here.history.compare, run_id, other)
    return {"a": _side(a), "b": _side(b)}


def _side(side: Side) -> dict[str, Any]:
    return {
        "run": side.run, "code": side.code, "prompts": side.prompts, "values": side.values,
        "calls": side.calls, "usd": side.usd, "steps": [_step(s) for s in side.steps.values()],
    }  # fmt: skip


@router.get("/alerts", tags=["alerts"])
async def alerts(request: Request) -> list[dict[str, Any]]:
    """Return what is open or acknowledged, the gravest first."""
    here = console(request)
    return await here.ask(lambda: here.services.alerts.open_alerts())


@router.get("/alerts/history", tags=["alerts"])
async def alert_history(
    request: Request, rule: str | None = None, before: Moment | None = None, limit: Limit = 50
) -> list[dict[str, Any]]:
    """Return what there was, news too, newest first; go on `before` the last one's `raised_at`."""
    here = console(request)
    return await here.ask(
        lambda: here.services.alerts.history(rule=rule, before=before, limit=limit)
    )


@router.get("/mutes", tags=["alerts"])
async def mutes(request: Request) -> list[dict[str, Any]]:
    """Return what is muted, until when and by whom."""
    here = console(request)
    return await here.ask(lambda: here.services.alerts.mutes())


@router.get("/access", tags=["audit"])
async def access(request: Request) -> dict[str, Any]:
    """Return the accounts, the tokens without their secrets, and one's own logins."""
    found = await notes.access_facts(console(request), request.state.who.name)
    return {name: _known(part) for name, part in found.items()}


@router.get("/audit", tags=["audit"])
async def audit(request: Request, before: Id | None = None) -> list[dict[str, Any]]:
    """Return who did what, newest first; go on `before` the last one's `id`."""
    rows = await console(request).ask(notes.audit_rows, before)
    return [asdict(row) for row in rows]


# --- what operators do ---


async def _do(request: Request, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    by = request.state.who.by
    return await console(request).act(partial(action, *args, by=by, **kwargs))


def _operate() -> Any:
    from axiom.tasks import operate  # with Celery, when it is needed

    return operate


@router.post("/pipelines/{pipeline}/runs", status_code=202, tags=["actions"])
async def trigger(request: Request, pipeline: Pipeline, asked: Asked) -> Said:
    """Ask for a run; return the id that it will have."""
    wanted = {"at": asked.at, "params": asked.params, "overlap": asked.overlap}
    run_id = await _do(request, _operate().trigger, known(pipeline), **wanted)
    return Said(said="asked for", run=run_id)


@router.post("/pipelines/{pipeline}/pause", tags=["actions"])
async def pause(request: Request, pipeline: Pipeline, why: Annotated[Reason, Body()]) -> Said:
    """Stop a pipeline's schedule."""
    changed = await _do(request, _operate().pause, known(pipeline), reason=why.reason)
    return Said(said="paused" if changed else "was paused already")


@router.post("/pipelines/{pipeline}/resume", tags=["actions"])
async def resume(request: Request, pipeline: Pipeline) -> Said:
    """Let a pipeline's schedule go on."""
    changed = await _do(request, _operate().resume, known(pipeline))
    return Said(said="resumed" if changed else "was not paused")


@router.post("/pipelines/{pipeline}/backfill", status_code=202, tags=["actions"])
async def backfill(request: Request, pipeline: Pipeline, asked: Range) -> dict[str, Json]:
    """Run each slot of a range that has not been run."""
    made = await _do(request, _operate().backfill, known(pipeline), asked.since, asked.until)
    return asdict(made)


@router.post("/backfills/{backfill_id}/cancel", tags=["actions"])
async def cancel_backfill(request: Request, backfill_id: str) -> dict[str, Json]:
    """Ask for no more runs of a backfill, and cancel those that are active."""
    return asdict(await _do(request, _operate().cancel_backfill, backfill_id))


@router.put("/pipelines/{pipeline}/schedule", tags=["actions"])
async def schedule(request: Request, pipeline: Pipeline, asked: Plan) -> dict[str, Any]:
    """Change when a pipeline runs and what it catches up; what is left out stays as it is."""
    changes = asked.model_dump(exclude_unset=True)
    found: Schedule = await _do(request, _operate().set_schedule, known(pipeline), changes)
    return found.told(utcnow())


@router.post("/runs/{run_id}/cancel", tags=["actions"])
async def cancel(request: Request, run_id: RunId, why: Annotated[Reason, Body()]) -> Run:
    """End an active run."""
    ended: Run = await _do(request, _operate().cancel, run_id, reason=why.reason)
    return ended


@router.post("/runs/{run_id}/retry", tags=["actions"])
async def retry(request: Request, run_id: RunId) -> Run:
    """Let a run that ended badly go on from its failed steps."""
    again: Run = await _do(request, _operate().retry, run_id)
    return again


@router.post("/alerts/{alert_id}/acknowledge", tags=["actions"])
async def acknowledge(request: Request, alert_id: str) -> dict[str, Any]:
    """Say that somebody looks after an alert."""
    found: dict[str, Any] = await _do(request, _operate().acknowledge, alert_id)
    return found


@router.post("/mutes", tags=["actions"])
async def mute(request: Request, asked: Muted) -> Said:
    """Tell nobody of a rule, a pipeline or a cause until then."""
    await _do(request, _operate().mute, asked.what, asked.until)
    return Said(said=f"{asked.what} is muted until {asked.until:%Y-%m-%d %H:%M}")


@router.delete("/mutes/{what:path}", tags=["actions"])
async def unmute(request: Request, what: str) -> Said:
    """Tell of a rule, a pipeline or a cause again."""
    changed = await _do(request, _operate().unmute, what)
    return Said(said=f"{what} is told of again" if changed else f"{what} was not muted")


# --- the page that describes it ---


def operations(schema: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return what the schema describes, by tag."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            tag = (described.get("tags") or ["other"])[0]
            found.setdefault(tag, []).append(described | {"path": path, "method": method.upper()})
    return list(found.items())

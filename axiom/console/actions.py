"""What operators do: each is asked to confirm, and each is in the audit with who and when.

An action is a page `/do/<action>/<subject>` that asks, and the same address posted to. What
it does is in `axiom.tasks.operate`; here are the words and the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from axiom.console.access import Who
from axiom.console.now import schedules
from axiom.console.pipelines import known
from axiom.console.web import SAID, Console, console, page
from axiom.errors import AxiomError, UnknownRun
from axiom.inputs import parse_moment
from axiom.model import utcnow
from axiom.params import Param

router = APIRouter(include_in_schema=False)
PARAM = "param."  # before the name of a field that is one
Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """An input of the form."""

    name: str
    label: str
    hint: str = ""
    kind: str = "text"  # text | check | time
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """What is asked, and what is done: `do(subject, form, by)` returns (said, where to go)."""

    title: str
    verb: str
    about: str
    do: Callable[[str, Form, str], tuple[str, str]]
    on: str = "pipeline"  # pipeline | run | alert | backfill
    fields: tuple[Field, ...] = ()
    danger: bool = False


# --- what is done ---


def _operate() -> Any:
    from axiom.tasks import operate  # with Celery, when it is needed

    return operate


def trigger(pipeline: str, form: Form, by: str) -> tuple[str, str]:
    """Run a pipeline now, or for a logical time."""
    at = parse_moment(form["at"]) if form.get("at", "").strip() else None
    given = {each.name: form.get(PARAM + each.name, "").strip() for each in _params(pipeline)}
    params = {name: value for name, value in given.items() if value}
    run_id = _operate().trigger(
        known(pipeline), by=by, at=at, params=params, overlap=bool(form.get("overlap"))
    )
    return f"{pipeline}: asked for run {run_id[:8]}", f"/pipelines/{pipeline}"


def _params(pipeline: str) -> tuple[Param, ...]:
    from axiom.tasks.flows import flow_of

    return flow_of(known(pipeline)).params


def _fields(action: str, what: Action, subject: str) -> tuple[Field, ...]:
    """The fields of a form; that of a run has one for each parameter that its pipeline takes."""
    mine = _params(subject) if action == "trigger" else ()
    return what.fields + tuple(
        Field(PARAM + each.name, each.name, f"{each.help} ({each.kind})") for each in mine
    )


def pause(pipeline: str, form: Form, by: str) -> tuple[str, str]:
    """Stop a pipeline's schedule."""
    changed = _operate().pause(known(pipeline), by=by, reason=form.get("reason") or None)
    said = "paused" if changed else "was paused already"
    return f"{pipeline} {said}", f"/pipelines/{pipeline}"


def resume(pipeline: str, form: Form, by: str) -> tuple[str, str]:
    """Let a pipeline's schedule go on."""
    said = (
        "goes on by its schedule" if _operate().resume(known(pipeline), by=by) else "was not paused"
    )
    return f"{pipeline} {said}", f"/pipelines/{pipeline}"


def cancel(run_id: str, form: Form, by: str) -> tuple[str, str]:
    """End a run."""
    run = _operate().cancel(run_id, by=by, reason=form.get("reason") or None)
    return f"run {run.id[:8]} is {run.state}", f"/runs/{run.id}"


def retry(run_id: str, form: Form, by: str) -> tuple[str, str]:
    """Run again what failed in a run, and what came after it."""
    run = _operate().retry(run_id, by=by)
    return f"run {run.id[:8]} goes on from what failed", f"/runs/{run.id}"


def backfill(pipeline: str, form: Form, by: str) -> tuple[str, str]:
    """Run a range of logical times."""
    since, until = _needed(form, "since"), _needed(form, "until")
    made = _operate().backfill(known(pipeline), since, until, by=by)
    return f"{pipeline}: backfill {_told(made)}", f"/pipelines/{pipeline}"


def cancel_backfill(backfill_id: str, form: Form, by: str) -> tuple[str, str]:
    """Ask for no more runs of a backfill."""
    ended = _operate().cancel_backfill(backfill_id, by=by)
    return f"the backfill is {ended.state}", f"/pipelines/{ended.pipeline}"


def schedule(pipeline: str, form: Form, by: str) -> tuple[str, str]:
    """Give a pipeline another schedule and another policy for missed slots, or its own back."""
    changes = {name: form.get(name, "").strip() or None for name in ("spec", "catch_up")}
    found = _operate().set_schedule(known(pipeline), changes, by=by)
    said = f"runs by {found.slots.spec!r} now; of missed slots: {found.catch_up}"
    return f"{pipeline} {said}", f"/pipelines/{pipeline}"


def acknowledge(alert_id: str, form: Form, by: str) -> tuple[str, str]:
    """Say that somebody looks after an alert."""
    found = _operate().acknowledge(alert_id, by=by)
    return f"acknowledged: {found['subject']}", "/alerts"


def mute(what: str, form: Form, by: str) -> tuple[str, str]:
    """Tell nobody of something for a while."""
    try:
        hours = float(form.get("hours") or 1)
    except ValueError:
        raise AxiomError("say for how many hours, such as 2 or 0.5") from None
    if not 0 < hours <= 24 * 30:
        raise AxiomError("between a minute and 30 days, please")
    until = utcnow() + timedelta(hours=hours)
    _operate().mute(what, until, by=by)
    return f"{what} is muted until {until:%Y-%m-%d %H:%M}", "/alerts"


def unmute(what: str, form: Form, by: str) -> tuple[str, str]:
    """Tell of it again."""
    said = "is told of again" if _operate().unmute(what, by=by) else "was not muted"
    return f"{what} {said}", "/alerts"


def _told(made: Any) -> str:
    total = getattr(made, "total", None)
    return f"of {total} runs has begun" if total is not None else "has begun"


def _needed(form: Form, name: str) -> datetime:
    if not form.get(name, "").strip():
        raise AxiomError(f"say {name} when")
    return parse_moment(form[name], name)


REASON = Field("reason", "Why", "kept with it, and shown")
ACTIONS: dict[str, Action] = {
    "trigger": Action(
        "Run it now", "Run", "A run by hand also happens while the schedule is paused.", trigger,
        fields=(
            Field("at", "Logical time (UTC)", "the moment it stands for; empty: now", "time"),
            Field("overlap", "Also while another run of it is active", kind="check"),
        ),
    ),
    "pause": Action(
        "Pause the schedule", "Pause", "Runs that are under way go on; new ones only by hand.",
        pause, fields=(REASON,),
    ),
    "resume": Action(
        "Resume the schedule", "Resume", "It runs by its schedule again.", resume
    ),
    "backfill": Action(
        "Backfill a range", "Backfill",
        "Each slot of its schedule in the range is run once, beside the live work; those that "
        "were run are left alone.",
        backfill,
        fields=(
            Field("since", "From (UTC)", kind="time", needed=True),
            Field("until", "Until (UTC, not included)", kind="time", needed=True),
        ),
    ),
    "schedule": Action(
        "Change the schedule", "Change",
        "What is left empty is as celeryconfig.py says. Beat follows within five seconds.",
        schedule,
        fields=(
            Field("spec", "Schedule (UTC)", "such as every 5m, or */10 * * * *"),
            Field("catch_up", "Missed slots", "none, latest, or all:24 for the newest 24"),
        ),
    ),
    "cancel": Action(
        "Cancel the run", "Cancel the run", "What has not begun will not; what is stored stays.",
        cancel, on="run", fields=(REASON,), danger=True,
    ),
    "retry": Action(
        "Retry from the failed steps", "Retry",
        "The same run goes on: what succeeded is not run again.", retry, on="run",
    ),
    "cancel-backfill": Action(
        "Cancel the backfill", "Cancel the backfill",
        "No more of its runs are asked for; those that are active are cancelled.",
        cancel_backfill, on="backfill", danger=True,
    ),
    "acknowledge": Action(
        "Acknowledge the alert", "Acknowledge",
        "You look after it: no reminder comes, an all-clear does.", acknowledge, on="alert",
    ),
    "mute": Action(
        "Mute", "Mute", "Nobody is told of it until then; it is still recorded.", mute, on="alert",
        fields=(Field("hours", "For how many hours", "such as 2 or 0.5"),),
    ),
    "unmute": Action("Unmute", "Unmute", "It is told of again.", unmute, on="alert"),
}  # fmt: skip


# --- the page that asks ---


@router.get("/do/{action}/{subject:path}", response_class=HTMLResponse)
async def asked(request: Request, action: str, subject: str) -> Response:
    """Ask for confirmation."""
    what = _known_action(action)
    named = await _named(console(request), what, subject)
    given = await _present(console(request), action, subject)
    return _ask_page(request, action, what, subject, named, given=given)


async def _present(here: Console, action: str, subject: str) -> Form:
    """What a form begins with: a schedule that was changed, as it is."""
    found = (await schedules(here)).get(subject) if action == "schedule" else None
    if not found or found.is_default:
        return {}
    return {"spec": found.slots.spec, "catch_up": str(found.catch_up)}


def _ask_page(
    request: Request, name: str, what: Action, subject: str, named: str,
    wrong: str = "", given: Form | None = None, status: int = 200,
) -> HTMLResponse:  # fmt: skip
    return page(
        request, "confirm.html", status=status, name=name, action=what, subject=subject,
        named=named, wrong=wrong, given=given or {}, back=_back(what, subject),
        fields=_fields(name, what, subject),
    )  # fmt: skip


@router.post("/do/{action}/{subject:path}")
async def done(request: Request, action: str, subject: str) -> Response:
    """Do it, once it was confirmed."""
    what, here = _known_action(action), console(request)
    who: Who = request.state.who
    form = {key: str(value) for key, value in (await request.form()).items()}
    try:
        said, where = await here.act(what.do, subject, form, who.by)
    except AxiomError as error:
        named = await _named(here, what, subject)
        return _ask_page(request, action, what, subject, named, str(error), form, 409)
    answer = RedirectResponse(where, 303)
    answer.set_cookie(SAID, quote(said), max_age=30, httponly=True, samesite="lax")
    return answer


def _back(what: Action, subject: str) -> str:
    """Where one came from, as far as the subject tells."""
    pages = {"pipeline": f"/pipelines/{subject}", "run": f"/runs/{subject}", "alert": "/alerts"}
    return pages.get(what.on, "/")


def _known_action(name: str) -> Action:
    if name not in ACTIONS:
        raise UnknownRun(f"no action {name[:40]!r}")
    return ACTIONS[name]


async def _named(here: Console, what: Action, subject: str) -> str:
    """What the subject is called, once it is known to be there."""
    if what.on == "pipeline":
        return known(subject)
    if what.on == "run":
        run = await here.ask(here.history.run, subject)
        return f"{run.pipeline}, run {run.id[:8]} ({run.state})"
    return subject[:200]

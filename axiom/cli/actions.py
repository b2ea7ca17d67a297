"""Commands that change what runs; all of them go through `axiom.tasks.operate`."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from axiom.cli import show, show_changes
from axiom.errors import ConfigError
from axiom.inputs import parse_moment
from axiom.model import PIPELINES, Json, RunState, to_json, utcnow

if TYPE_CHECKING:
    from axiom.ledger.backfills import Backfill

POLL_S = 0.5
BAD = {RunState.PARTIAL, RunState.FAILED, RunState.CANCELLED}


def who() -> str:
    """Say who asks, for the audit."""
    return f"{getpass.getuser()} (cli)"


def trigger(
    pipeline: str,
    at: str | None,
    params: Mapping[str, Json],
    *,
    overlap: bool,
    wait: bool,
    as_json: bool,
) -> int:
    """Publish a run; with `wait`, follow it to its end and return 1 when that is bad."""
    from axiom.tasks import operate

    when = parse_moment(at, "--at") if at else None
    run_id = operate.trigger(pipeline, by=who(), at=when, params=params, overlap=overlap)
    if wait:
        return _followed(pipeline, run_id, as_json=as_json)
    show.say_or_json(
        f"{pipeline}: asked for run {run_id[:8]}; follow it: axiom runs show {run_id[:8]}",
        {"run": run_id, "pipeline": pipeline},
        as_json=as_json,
    )
    return 0


def _followed(pipeline: str, run_id: str, *, as_json: bool) -> int:
    from axiom.tasks import client
    from axiom.tasks.services import services

    ended = client.wait_for(run_id, timeout_s=PIPELINES[pipeline].deadline.total_seconds() + 60)
    show.run(ended, services().ledger.steps(ended.id), as_json=as_json)
    return int(ended.state in BAD | {RunState.SKIPPED})


def pause(pipeline: str, reason: str | None, *, as_json: bool) -> None:
    """Pause a pipeline's schedule."""
    from axiom.tasks import operate

    changed = operate.pause(pipeline, by=who(), reason=reason)
    text = "paused; let it go on: axiom resume " + pipeline if changed else "was paused already"
    show.say_or_json(
        f"{pipeline}: {text}",
        {"pipeline": pipeline, "paused": True, "changed": changed},
        as_json=as_json,
    )


def resume(pipeline: str, *, as_json: bool) -> None:
    """Resume a pipeline's schedule."""
    from axiom.tasks import operate

    changed = operate.resume(pipeline, by=who())
    show.say_or_json(
        f"{pipeline}: {'goes on by its schedule' if changed else 'was not paused'}",
        {"pipeline": pipeline, "paused": False, "changed": changed},
        as_json=as_json,
    )


def cancel(run_id: str, reason: str | None, *, as_json: bool) -> None:
    """End an active run."""
    from axiom.tasks import operate

    run = operate.cancel(run_id, by=who(), reason=reason)
    show.say_or_json(f"{run.pipeline}: run {run.id[:8]} cancelled", to_json(run), as_json=as_json)


def retry(run_id: str, *, wait: bool, as_json: bool) -> int:
    """Let a run that ended badly go on; with `wait`, return 1 when it ends badly again."""
    from axiom.tasks import operate

    run = operate.retry(run_id, by=who())
    if wait:
        return _followed(run.pipeline, run.id, as_json=as_json)
    show.say_or_json(
        f"{run.pipeline}: run {run.id[:8]} goes on; follow it: axiom runs show {run.id[:8]}",
        to_json(run),
        as_json=as_json,
    )
    return 0


def backfill(
    pipeline: str | None,
    since: str | None,
    until: str | None,
    *,
    cancelled: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Ask for a range, cancel one, or list them."""
    from axiom.tasks import operate

    if cancelled:
        found = operate.cancel_backfill(cancelled, by=who())
    elif pipeline:
        found = operate.backfill(pipeline, *_range(since, until), by=who())
    else:
        show_changes.backfills(operate.backfills(), as_json=as_json)
        return 0
    if wait and pipeline:
        found = _worked_off(found.id)
    show_changes.backfills([found], as_json=as_json, alone=True)
    return int(bool({"failed", "partial"} & set(found.states)) and wait)


def _range(since: str | None, until: str | None) -> tuple[datetime, datetime]:
    if not since:
        raise ConfigError("--since", "says where the range begins, such as 2026-01-31T14:00:00Z")
    end = parse_moment(until, "--until") if until else utcnow()
    return parse_moment(since, "--since"), end


def _worked_off(backfill_id: str) -> Backfill:
    from axiom.tasks.services import services

    while (found := services().backfills.get(backfill_id)).state == "running":
        time.sleep(POLL_S)
    return found


def schedule(
    pipeline: str | None,
    spec: str | None,
    catch_up: str | None,
    *,
    default: bool,
    as_json: bool,
) -> None:
    """Show when pipelines run, or change it."""
    from axiom.tasks import operate

    if (spec or catch_up or default) and not pipeline:
        raise ConfigError("schedule", "name the pipeline whose schedule is to be changed")
    if default and (spec or catch_up):
        raise ConfigError("--default", "goes with neither a schedule nor --catch-up")
    asked = {name: value for name, value in (("spec", spec), ("catch_up", catch_up)) if value}
    changes = {"spec": None, "catch_up": None} if default else asked
    if pipeline and changes:
        operate.set_schedule(pipeline, changes, by=who())
    found = operate.schedules()
    chosen = [found[pipeline]] if pipeline else list(found.values())
    show_changes.schedules(chosen, utcnow(), as_json=as_json)


def audit(limit: int, *, as_json: bool) -> None:
    """Show who did what."""
    from axiom.tasks import operate

    show_changes.audit(operate.audit(limit), as_json=as_json)

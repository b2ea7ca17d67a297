"""Commands that change what runs; all of them go through `axiom.tasks.operate`."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

from axiom.cli import show
from axiom.model import PIPELINES, Json, RunState, to_json

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
    from axiom.tasks.base import logical_time

    when = logical_time(pipeline, at, "manual") if at else None
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

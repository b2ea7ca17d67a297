"""What the commands do. Heavy imports stay inside the functions that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from axiom.cli import show
from axiom.errors import ConfigError, StoreUnavailable
from axiom.inputs import parse_moment, require_past, require_small
from axiom.model import PIPELINES, Json, Run, RunState, utcnow

if TYPE_CHECKING:
    from axiom.ledger.ledger import Ledger

BAD = {RunState.PARTIAL, RunState.FAILED, RunState.CANCELLED}


def up(*, once: bool, fake_claude: bool, as_json: bool) -> int:
    """Run `axiom up`; return its exit code."""
    from axiom.config import load_settings
    from axiom.embedded.up import imitation_environment
    from axiom.embedded.up import up as start
    from axiom.tasks.client import run_all_once, summary

    if as_json and not once:
        raise ConfigError("--json", "goes with --once")
    if fake_claude:
        os.environ.update(imitation_environment())
    return start(
        load_settings(), once=once, emit_json=as_json, run_once=run_all_once, summary=summary
    )


def release() -> None:
    """Migrate Postgres, prepare the graph's constraints."""
    from axiom.config import settings
    from axiom.stores.schema import migrate
    from axiom.tasks.services import services

    try:
        applied = migrate(settings().require("postgres_url"))
    except StoreUnavailable as error:
        raise ConfigError("AXIOM_POSTGRES_URL", str(error)) from error
    try:
        services().graph.prepare()
    except StoreUnavailable as error:
        raise ConfigError("AXIOM_GRAPH_URL", str(error)) from error
    show.say(f"Postgres: {applied} migrations applied; graph: constraints in place")


@contextmanager
def observed_here(*, keep: bool) -> Iterator[None]:
    """Keep what this process' steps say, and trace them; the run's table tells what failed."""
    from axiom.celery import keep_log_lines
    from axiom.config import settings
    from axiom.telemetry import log_lines, logs

    wanted = settings()
    logs.configure(wanted.log_format, wanted.log_level, secrets=wanted.secrets(), shown="CRITICAL")
    if keep:
        keep_log_lines()
    try:
        yield
    finally:
        if keep:
            log_lines.flush()


def run_here(
    pipeline: str, at: str | None, params: Mapping[str, Json], *, dry_run: bool, as_json: bool
) -> int:
    """Run a pipeline in this process; 1 when it did not succeed."""
    from axiom.engines.langgraph import require_state, run_in_process
    from axiom.tasks.flows import flow_of, params_of
    from axiom.tasks.services import in_process_engine

    logical_at = require_past(parse_moment(at, "--at")) if at else utcnow()
    require_small(dict(params))
    params = params_of(pipeline, params)
    with observed_here(keep=not dry_run), in_process_engine(dry_run=dry_run) as engine:
        claim = run_in_process(
            engine,
            flow_of(pipeline),
            logical_at,
            params=params,
            max_concurrency=1 if dry_run else 8,
        )
        require_state(claim)
        show.run(claim.run, engine.ledger.steps(claim.run.id), as_json=as_json, outputs=True)
    if dry_run and not as_json:
        show.say("Nothing was written (--dry-run).")
    return int(claim.run.state in BAD)


def runs(pipeline: str | None, state: str | None, limit: int, *, as_json: bool) -> None:
    """List runs."""
    if state and state not in set(RunState):
        raise ConfigError("--state", f"{state!r} is none of {', '.join(RunState)}")
    show.runs(_ledger().runs(pipeline=pipeline, state=state, limit=limit), as_json=as_json)


def show_run(run_id: str, *, as_json: bool) -> None:
    """Show one run with its steps."""
    from axiom.cli.past import of_run

    ledger = _ledger()
    found = ledger.run(run_id)
    show.run(found, ledger.steps(found.id), as_json=as_json, outputs=True, more=of_run(found))


def status(*, as_json: bool) -> None:
    """Show how each pipeline stands."""
    now = utcnow()
    show.status(standing(now), now, as_json=as_json)


def standing(now: datetime) -> list[dict[str, Any]]:
    """Return how each pipeline stands: its last run, freshness, next run, pause."""
    from axiom.config import settings
    from axiom.tasks.operate import schedules

    ledger, on = _ledger(), settings().schedules == "on"
    last, good, pauses = ledger.last_runs(), ledger.last_good(), ledger.pauses()
    planned = schedules()
    return [
        {
            "pipeline": pipeline,
            "state": "paused" if pipeline in pauses else _state(last.get(pipeline)),
            "last_run": last[pipeline].id if pipeline in last else None,
            "last_at": last[pipeline].logical_at if pipeline in last else None,
            "good_at": good.get(pipeline),
            "fresh": planned[pipeline].is_fresh(good.get(pipeline), now),
            "next_at": planned[pipeline].next_at(now) if on else None,
            "reason": _reason(pauses.get(pipeline), last.get(pipeline)),
        }
        for pipeline in PIPELINES
    ]


def _state(run: Run | None) -> str:
    return run.state.value if run else "never ran"


def _reason(pause: Mapping[str, Any] | None, run: Run | None) -> str | None:
    if pause:
        return f"by {pause['paused_by']}" + (
            f": {pause['pause_reason']}" if pause["pause_reason"] else ""
        )
    return run.reason if run else None


def _ledger() -> Ledger:
    from axiom.tasks.services import services

    return services().ledger

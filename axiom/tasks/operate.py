"""What a person does, from the console and the terminal: each action leaves an audit row.

`by` says who: `ann (console)`, `root (cli)`.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, ConfigError, NotNow, StoreUnavailable, UnknownPipeline
from axiom.inputs import as_utc, require_past, require_reason, require_small
from axiom.model import PIPELINES, Json, Run, utcnow
from axiom.tasks import client
from axiom.tasks.flows import params_of
from axiom.tasks.services import services

if TYPE_CHECKING:
    from axiom.ledger.actions import AuditRow
    from axiom.ledger.backfills import Backfill
    from axiom.ledger.schedules import Schedule

LONGEST_MUTE = timedelta(days=365)


def trigger(
    pipeline: str,
    *,
    by: str,
    at: datetime | None = None,
    params: Mapping[str, Json] | None = None,
    overlap: bool = False,
) -> str:
    """Ask the workers for a run; return the id that it will have.

    The audit row comes first: a message that nobody answers for is worse than a
    row that says a message could not be sent.

    Raises:
        StoreUnavailable: the ledger or the broker cannot be reached; nothing is run.
        ConfigError: `at` lies in the future, or a parameter is none that the pipeline takes.
    """
    _require(pipeline)
    require_small(dict(params or {}))
    params = params_of(pipeline, params)
    run_id, when = str(uuid.uuid4()), require_past(at).isoformat() if at else None
    asked = {"at": when, "params": params or None, "overlap": overlap or None}
    with audited("trigger", by=by, pipeline=pipeline, run_id=run_id, **asked):
        return client.trigger(pipeline, at=when, params=params, overlap=overlap, run_id=run_id)


@contextlib.contextmanager
def audited(
    action: str,
    *,
    by: str,
    pipeline: str | None = None,
    run_id: str | None = None,
    **details: Json,
) -> Iterator[None]:
    """Keep that something is asked for, and that it did not come about where it fails.

    For what has no transaction of its own with the audit: the row comes first, so that
    nothing is done without one.
    """
    actions = services().actions
    audit_id = actions.record(action, by=by, pipeline=pipeline, run_id=run_id, **details)
    try:
        yield
    except AxiomError as error:
        with contextlib.suppress(StoreUnavailable):
            actions.record_failure(audit_id, str(error))
        raise


def pause(pipeline: str, *, by: str, reason: str | None = None) -> bool:
    """Stop a pipeline's schedule; False when it was paused already."""
    return services().ledger.pause(_require(pipeline), by=by, reason=require_reason(reason))


def resume(pipeline: str, *, by: str) -> bool:
    """Let a pipeline's schedule go on; False when it was not paused."""
    return services().ledger.resume(_require(pipeline), by=by)


def cancel(run_id: str, *, by: str, reason: str | None = None) -> Run:
    """End an active run, and stop the steps of it that are running.

    The ledger comes first: from then on no message of the run does anything, and
    what a running step would still hand in is refused. Then its session with
    Postgres is ended, so that what it has not committed is undone and its next
    query fails, in a process or a thread, here or elsewhere. At last its process,
    where it has one of its own, is killed; a thread goes on until its next query.
    What a step wrote before stays: steps write with natural keys, so that a retry
    writes the same again. When this dies half-way, the watch ends the session.

    Raises:
        UnknownRun: there is none of that id.
        NotNow: it has ended already.
    """
    ledger, actions = services().ledger, services().actions
    run = ledger.run(run_id)
    running = actions.cancel(run.id, by=by, reason=require_reason(reason))
    actions.stop_sessions()
    with contextlib.suppress(StoreUnavailable):  # then the next query of the step ends it
        _terminate(running)
    return ledger.run(run.id)


def retry(run_id: str, *, by: str) -> Run:
    """Let a run that ended badly go on from its failed steps, under the same id.

    What succeeded is not run again, unless it follows a failed step (a join that
    had to do without it) or handed on an artifact that has expired. When the
    canvas cannot be published the watch does it, after `AXIOM_STALL_AFTER_S`.

    Raises:
        UnknownRun: there is none of that id.
        NotNow: it is active, succeeded, or another run of its pipeline is active.
    """
    run = services().ledger.run(run_id)
    again = services().actions.retry(run.id, by=by, is_there=services().artifacts.exists)
    with contextlib.suppress(StoreUnavailable):
        client.send("axiom.tasks.watch.publish_run", {"run_id": again.id})
    return again


def backfill(pipeline: str, since: datetime, until: datetime, *, by: str) -> Backfill:
    """Ask for a run of every slot with since <= slot < until, by the pipeline's schedule.

    They run oldest first, `AXIOM_BACKFILL_RUNS` at a time, behind live work in every
    queue and beside the live run. Slots that have their run are counted, not run again.

    Raises:
        ConfigError: the range holds no slot, too many, or reaches into the future.
    """
    _require(pipeline)
    since, until = as_utc(since), as_utc(until)
    if until > utcnow():
        raise ConfigError("range", "ends in the future; those slots are run when they come")
    slots = services().schedules.all()[pipeline].slots
    made = services().backfills.create(pipeline, slots, since, until, by=by)
    _soon()
    return made


def cancel_backfill(backfill_id: str, *, by: str) -> Backfill:
    """Ask for no more runs of a backfill, and cancel those that are active.

    Raises:
        UnknownRun: there is none of that id.
        NotNow: it has ended already.
    """
    backfills = services().backfills
    found = backfills.get(backfill_id)
    for run_id in backfills.cancel(found.id, by=by):
        with contextlib.suppress(NotNow):  # it has just ended by itself
            cancel(run_id, by=by, reason="its backfill was cancelled")
    return backfills.get(found.id)


def backfills(limit: int = 20) -> list[Backfill]:
    """Return backfills and how far they have come, newest first."""
    return services().backfills.newest(limit)


def set_schedule(pipeline: str, changes: Mapping[str, str | None], *, by: str) -> Schedule:
    """Change when a pipeline runs (`spec`), what is done about missed slots (`catch_up`), or both.

    `spec` is an interval (`every 5m`, `90s`) or a cron expression in UTC, from its next slot on:
    beat follows it within 5 s. `catch_up` is `none`, `latest` or `all:N`. None: as celeryconfig
    says.

    Raises:
        ConfigError: one of them cannot be read, or there is none; nothing was changed.
    """
    if not changes:
        raise ConfigError("schedule", "say what is to be changed: spec, catch_up or both")
    services().schedules.change(_require(pipeline), changes, by=by)
    return schedules()[pipeline]


def acknowledge(alert_id: str, *, by: str) -> dict[str, Any]:
    """Say that somebody looks after an alert; return it.

    Raises:
        UnknownAlert: there is none of that id, or it is past that.
    """
    with audited("acknowledge", by=by, alert=alert_id[:200]):
        return services().alerts.acknowledge(alert_id, by)


def mute(what: str, until: datetime, *, by: str) -> None:
    """Tell nobody of a rule, a pipeline or a cause until then; it is still recorded.

    Raises:
        ConfigError: `what` is none of them, or `until` is not within a year from now.
    """
    until, now = as_utc(until), utcnow()
    if not now < until <= now + LONGEST_MUTE:
        raise ConfigError("until", "lies in the past, or more than a year ahead")
    with audited("mute", by=by, what=_known(what), until=until.isoformat()):
        services().alerts.mute(what, until, by)


def unmute(what: str, *, by: str) -> bool:
    """Tell of it again; False when it was not muted."""
    if not what.isprintable():
        return False
    with audited("unmute", by=by, what=what[:200]):
        return services().alerts.unmute(what)


def _known(what: str) -> str:
    from axiom.tasks.alerting.rules import RULES

    if (
        len(what) <= 200
        and what.isprintable()
        and (what.partition("/")[0] in RULES or what in PIPELINES)
    ):
        return what
    raise ConfigError(
        "WHAT",
        f"{what[:80]!r} is no rule ({', '.join(RULES)}), no pipeline and no cause of an alert",
    )


def set_budget(limits: Mapping[str, Decimal | None], *, by: str) -> None:
    """Set limits in dollars by scope, which go before the settings; None: back to those."""
    told = {scope: str(usd) if usd is not None else None for scope, usd in limits.items()}
    with audited("budget", by=by, limits_usd=told):
        for scope, usd in limits.items():
            services().claude.book.set_limit(scope, usd, by=by)


def schedules() -> dict[str, Schedule]:
    """Return when each pipeline runs."""
    return services().schedules.all()


def audit(limit: int = 50, before: int | None = None) -> list[AuditRow]:
    """Return what was done, newest first; `before` is the id of the last row seen."""
    return services().actions.audit(limit, before)


def _require(pipeline: str) -> str:
    if pipeline not in PIPELINES:
        raise UnknownPipeline(f"{pipeline!r} is not a pipeline; they are {', '.join(PIPELINES)}")
    return pipeline


def _soon() -> None:
    with contextlib.suppress(StoreUnavailable):  # then the watch does it, within 5 s
        client.send("axiom.tasks.backfill.advance", {}, expires=5)


def _terminate(task_ids: list[str]) -> None:
    from axiom.celery import app

    if task_ids:
        with client.reaching_broker(app):
            app.control.revoke(task_ids, terminate=True)

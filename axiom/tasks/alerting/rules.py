"""The rules: what of a snapshot a person should know. Pure; one function a rule.

A rule that cannot tell, because what it reads is away, says nothing and is not judged: its
open alerts stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from axiom.resilience import breaker as breakers
from axiom.stores.alerts import Finding
from axiom.tasks.probes import ServiceState
from axiom.tasks.state import QueueState, WorkerState

MB = 2**20
STARTED_APART_S = 5.0  # what starts together may be this far apart


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is worth telling."""

    queue_deep: int = 2000
    queue_old_s: float = 300.0
    quarantine_rows: int = 100
    disk_free_mb: int = 1024
    budget_share: float = 0.8
    gone_after_s: float = 20.0
    settled_s: float = 15.0  # what died and came back is told for so long


@dataclass(frozen=True, slots=True)
class PipelineFacts:
    """How a pipeline stands."""

    pipeline: str
    run_id: str | None = None  # the newest that ended
    state: str | None = None
    reason: str | None = None
    good_at: datetime | None = None  # the newest logical time that was as it should be
    due_at: datetime | None = None  # by now it should be this one; None: it has no schedule


@dataclass(frozen=True, slots=True)
class Spent:
    """How a budget stands."""

    budget: str
    limit_usd: float
    spent_usd: float  # reserved included


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known at a moment; None: nobody could tell."""

    at: datetime
    late: Sequence[Mapping[str, Any]] = ()
    pipelines: Sequence[PipelineFacts] = ()
    quarantined: Sequence[Mapping[str, Any]] = ()
    services: Sequence[ServiceState] = ()
    queues: Sequence[QueueState] | None = None
    workers: Sequence[WorkerState] | None = None
    reached_s: float = 0.0  # for how long Redis could be reached without a break
    breaker: breakers.Status | None = None
    budgets: Sequence[Spent] | None = None
    limits: Limits = field(default_factory=Limits)


Rule = Callable[[Snapshot], Iterable[Finding] | None]


def run_late(seen: Snapshot) -> Iterable[Finding]:
    """Find runs past their deadline."""
    for run in seen.late:
        name, late_s = run["id"][:8], float(run["late_s"])
        yield Finding(
            "run_late", f"run_late/{run['id']}", "warning",
            f"{run['pipeline']}: run {name} is {span(late_s)} past its deadline",
            f"axiom runs show {name}", run["pipeline"],
            {"run": run["id"], "logical_at": run["logical_at"].isoformat(), "late_s": late_s},
        )  # fmt: skip


def run_failed(seen: Snapshot) -> Iterable[Finding]:
    """Find pipelines whose newest run failed, or did only a part."""
    for each in seen.pipelines:
        if each.state in ("failed", "partial"):
            name = (each.run_id or "")[:8]
            yield Finding(
                "run_failed", f"run_failed/{each.pipeline}", "warning",
                f"{each.pipeline}: run {name} {_ended(each)}",
                f"axiom runs show {name}, then: axiom retry {name}", each.pipeline,
                {"run": each.run_id, "state": each.state, "reason": each.reason},
            )  # fmt: skip


def _ended(each: PipelineFacts) -> str:
    how = "failed" if each.state == "failed" else "did only a part"
    return f"{how}: {each.reason}" if each.reason else how


def pipeline_stale(seen: Snapshot) -> Iterable[Finding]:
    """Find pipelines that had no good run for several of their slots.

    After a clean start of beat the time counts from there: it was off, and catches up.
    """
    started_at = _beat_started_at(seen.workers or ())
    for each in seen.pipelines:
        if each.due_at is None or each.good_at is None:
            continue
        if max(each.good_at, started_at or each.good_at) < each.due_at:
            old_s = (seen.at - each.good_at).total_seconds()
            yield Finding(
                "pipeline_stale", f"pipeline_stale/{each.pipeline}", "critical",
                f"{each.pipeline}: no good run for {span(old_s)}; what it shows is old",
                f"axiom runs --pipeline {each.pipeline}, axiom queues, axiom doctor",
                each.pipeline, {"good_at": each.good_at.isoformat(), "old_s": old_s},
            )  # fmt: skip


def _beat_started_at(workers: Iterable[WorkerState]) -> datetime | None:
    return max((w.started_at for w in workers if w.kind == "beat" and not w.deaths), default=None)


def breaker_open(seen: Snapshot) -> Iterable[Finding] | None:
    """Find the breaker before Claude open, or trying."""
    if seen.breaker is None:
        return None
    if seen.breaker.state is breakers.State.CLOSED:
        return []
    retry_s = seen.breaker.retry_in_s
    return [
        Finding(
            "breaker_open", "breaker_open/claude", "warning",
            f"Claude is not asked: the breaker is {seen.breaker.state.replace('_', ' ')}, "
            f"opened {seen.breaker.openings} times in a row",
            "work waits, and goes on by itself; axiom doctor",
            detail={"retry_in_s": retry_s, "openings": seen.breaker.openings},
        )
    ]  # fmt: skip


def budget_low(seen: Snapshot) -> Iterable[Finding] | None:
    """Find budgets of which most is spent."""
    return _budgets(seen, "budget_low", "warning", seen.limits.budget_share)


def budget_spent(seen: Snapshot) -> Iterable[Finding] | None:
    """Find budgets of which all is spent."""
    return _budgets(seen, "budget_spent", "critical", 1.0)


def _budgets(seen: Snapshot, rule: str, severity: str, share: float) -> list[Finding] | None:
    if seen.budgets is None:
        return None
    return [
        Finding(
            rule, f"{rule}/{each.budget}", severity,
            f"budget of the {each.budget}: {each.spent_usd / each.limit_usd:.0%} of "
            f"${each.limit_usd:.2f} is spent",
            "axiom costs; raise it: axiom budget --day USD or --pipeline USD",
            each.budget.partition("pipeline ")[2] or None,
            {"spent_usd": each.spent_usd, "limit_usd": each.limit_usd},
        )
        for each in seen.budgets
        if each.limit_usd > 0 and each.spent_usd >= share * each.limit_usd - 1e-6
    ]  # fmt: skip


def queue_deep(seen: Snapshot) -> Iterable[Finding] | None:
    """Find queues with many messages."""
    if seen.queues is None:
        return None
    return [
        Finding(
            "queue_deep", f"queue_deep/{each.name}", "warning",
            f"queue {each.name}: {each.depth} messages wait",
            f"axiom workers; start one more: celery -A axiom worker -Q {each.name}",
            detail={"depth": each.depth, "unacked": each.unacked},
        )
        for each in seen.queues
        if each.depth >= seen.limits.queue_deep
    ]  # fmt: skip


def queue_old(seen: Snapshot) -> Iterable[Finding] | None:
    """Find queues whose oldest message has waited for long."""
    if seen.queues is None:
        return None
    return [
        Finding(
            "queue_old", f"queue_old/{each.name}", "warning",
            f"queue {each.name}: its oldest message has waited for {span(each.oldest_s or 0)}",
            f"axiom workers; is one on this queue? celery -A axiom worker -Q {each.name}",
            detail={"oldest_s": each.oldest_s, "depth": each.depth},
        )
        for each in seen.queues
        if (each.oldest_s or 0) >= seen.limits.queue_old_s
    ]  # fmt: skip


def process_gone(seen: Snapshot) -> Iterable[Finding] | None:
    """Find processes that were killed: still gone, or started again a moment ago.

    Not while Redis itself was away a moment ago: then nobody could be heard.
    """
    if seen.workers is None or seen.reached_s < seen.limits.gone_after_s:
        return None
    found = [_process(each, seen) for each in seen.workers]
    return [each for each in found if each]


def _process(each: WorkerState, seen: Snapshot) -> Finding | None:
    cause, detail = f"process_gone/{each.name}", {"pid": each.pid, "deaths": each.deaths}
    if not each.alive and not _replaced(each, seen.workers or ()):
        subject = f"{each.name} is gone: not heard of for {span(each.seen_s)}"
        hint = (
            f"look at its log, start it again; if it is gone for good: axiom workers --forget "
            f"{each.name}"
        )
        return Finding("process_gone", cause, "critical", subject, hint, detail=detail)
    if each.alive and each.died_at and _is_new(each, seen):
        times = f", {each.deaths} times by now" if each.deaths > 1 else ""
        subject = f"{each.name} was killed or crashed, and was started again{times}"
        hint = "look at its log and at the memory of the machine"
        return Finding("process_gone", cause, "warning", subject, hint, detail=detail)
    return None


def _is_new(each: WorkerState, seen: Snapshot) -> bool:
    return (seen.at - each.started_at).total_seconds() < seen.limits.settled_s


def _replaced(gone: WorkerState, workers: Iterable[WorkerState]) -> bool:
    """Whether one that does the same was started since, as on another machine."""
    return any(
        other.alive and (other.kind, other.queues) == (gone.kind, gone.queues)
        and other.started_at > gone.seen_at
        for other in workers
    )  # fmt: skip


def service_down(seen: Snapshot) -> Iterable[Finding] | None:
    """Find servers that do not answer, or that died under running processes a moment ago."""
    if not seen.services:
        return None
    found = [_service(each, seen) for each in seen.services]
    return [each for each in found if each]


def _service(each: ServiceState, seen: Snapshot) -> Finding | None:
    cause, hint = f"service_down/{each.name}", "axiom doctor; its log, and start it: axiom up"
    if not each.up:
        subject = f"{TITLES.get(each.name, each.name)} does not answer: {each.error}"
        return Finding("service_down", cause, "critical", subject, hint)
    if each.up_s is not None and each.up_s < seen.limits.settled_s and _outlived(each.up_s, seen):
        subject = f"{TITLES.get(each.name, each.name)} went away and is back"
        return Finding("service_down", cause, "warning", subject, "look at its log")
    return None


def _outlived(up_s: float, seen: Snapshot) -> bool:
    began_at = seen.at - timedelta(seconds=up_s + STARTED_APART_S)
    return any(each.started_at < began_at for each in seen.workers or ())


TITLES = {
    "redis": "the broker (Redis)", "postgres": "Postgres", "graph": "the graph server",
    "chroma": "Chroma",
}  # fmt: skip


def quarantine_growing(seen: Snapshot) -> Iterable[Finding]:
    """Find pipelines whose input is bad more often than now and then."""
    for row in seen.quarantined:
        if row["n"] >= seen.limits.quarantine_rows:
            yield Finding(
                "quarantine_growing", f"quarantine_growing/{row['pipeline']}", "warning",
                f"{row['pipeline']}: {row['n']} rows were not accepted in 15 minutes, "
                f"such as: {row['reason']}",
                f"axiom runs --pipeline {row['pipeline']}; is the provider well?",
                row["pipeline"], {"rows": row["n"]},
            )  # fmt: skip


def disk_low(seen: Snapshot) -> Iterable[Finding] | None:
    """Find machines whose data directory has little space left."""
    if seen.workers is None:
        return None
    least = {
        each.host: each.facts["disk_free_bytes"]
        for each in seen.workers
        if each.alive and each.facts.get("disk_free_bytes") is not None
    }
    limit = seen.limits.disk_free_mb * MB
    return [
        Finding(
            "disk_low", f"disk_low/{host}", "critical" if free < limit / 4 else "warning",
            f"{host}: {free // MB} MB of disk are left", "make room, or move AXIOM_DATA_DIR",
            detail={"free_bytes": free},
        )
        for host, free in sorted(least.items())
        if free < limit
    ]  # fmt: skip


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        run_late, run_failed, pipeline_stale, breaker_open, budget_low, budget_spent, queue_deep,
        queue_old, process_gone, service_down, quarantine_growing, disk_low,
    )
}  # fmt: skip


def judge(seen: Snapshot) -> tuple[list[Finding], list[str]]:
    """Ask every rule; return what they found, and the names of those that could tell."""
    findings, judged = [], []
    for name, rule in RULES.items():
        found = rule(seen)
        if found is not None:
            findings += list(found)
            judged.append(name)
    return findings, judged


def span(seconds: float) -> str:
    """A length of time, in the unit that suits it."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

"""What each process exposes: its own figures; and beat, which is one, those of all of Axiom.

A part that cannot be read (a store is away) is left out, and `axiom_scrape_failed` names it:
a figure is never made up, and the other parts are still told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import structlog

from axiom import __version__
from axiom.config import settings
from axiom.errors import AxiomError
from axiom.model import PIPELINES
from axiom.tasks.services import services
from axiom.telemetry.metrics import Family, gauge, render

if TYPE_CHECKING:
    from axiom.stores.totals import Totals
    from axiom.telemetry.liveness import WorkerLife

log = structlog.get_logger(__name__)
HELP = {
    "axiom_runs_total": "Runs that ended, by how.",
    "axiom_steps_total": "Steps of ended runs, by how they ended.",
    "axiom_step_retries_total": "Attempts after the first, of steps of ended runs.",
    "axiom_rows_total": "What steps fetched, stored or set aside, by step and kind.",
    "axiom_run_duration_seconds": "From a run's start to its end.",
    "axiom_step_duration_seconds": "From the start of a step's last attempt to its end.",
    "axiom_claude_calls_total": "Calls to Claude that ended, by how.",
    "axiom_claude_tokens_total": "Tokens paid for, by kind.",
    "axiom_claude_dollars_total": "What calls to Claude cost; lost ones at their worst.",
    "axiom_claude_call_duration_seconds": "From a call to its answer.",
}


def info(kind: str, name: str) -> Family:
    """Return what the process is."""
    labels = {"kind": kind, "node": name, "version": __version__}
    return gauge("axiom_process_info", "What this process is.", (labels, 1))


def worker_metrics(worker: Any, life: WorkerLife) -> bytes:
    """Return a worker's exposition: its pool and its canary."""
    from celery.worker import state

    from axiom.tasks.canary import pool_use

    name, (size, busy) = {"worker": worker.hostname}, pool_use(worker)
    return render([
        info("worker", worker.hostname),
        gauge("axiom_worker_pool_size", "Slots of the pool.", (name, size)),
        gauge("axiom_worker_pool_busy", "Slots at work.", (name, busy)),
        gauge("axiom_worker_canary_silent_seconds", "Since the worker was last known to take "
              "messages.", (name, life.silent_s)),
        Family("axiom_worker_tasks_total", "Tasks taken since the worker's start.", "counter",
               [(name, sum(state.total_count.values()))]),
    ])  # fmt: skip


def beat_metrics(name: str, *, leading: bool) -> bytes:
    """Return beat's exposition; the beat that leads tells for all of Axiom."""
    leads = gauge("axiom_beat_leading", "Whether this beat holds the schedule.", ({}, leading))
    return render([info("beat", name), leads, *(global_families() if leading else ())])


def global_families() -> Iterator[Family]:
    """Yield what is true of all processes together, from the stores."""
    failed = []
    for part, read in _PARTS.items():
        try:
            yield from list(read())
        except AxiomError as error:
            log.warning("metrics_not_read", part=part, error=str(error))
            failed.append(part)
    samples = [({"part": part}, float(part in failed)) for part in _PARTS]
    yield gauge("axiom_scrape_failed", "Whether a part of the figures could not be read.", *samples)


def _counted() -> Iterator[Family]:
    totals = _totals()
    totals.advance()
    for name, samples in totals.load().items():
        kind = "counter" if name.endswith("_total") else "histogram"
        yield Family(name, HELP[name], kind, samples)  # type: ignore[arg-type]


def _totals() -> Totals:
    from axiom.stores.totals import Totals

    return Totals(services().postgres)


def _pipelines() -> Iterator[Family]:
    rows = _totals().pipelines(list(PIPELINES))
    yield gauge(
        "axiom_pipeline_last_success_timestamp_seconds",
        "The newest logical time whose run succeeded, or did so in part: freshness is now less it.",
        *(({"pipeline": r["pipeline"]}, r["good_s"]) for r in rows if r["good_s"] is not None),
    )
    yield gauge(
        "axiom_pipeline_last_skip_timestamp_seconds",
        "The newest logical time that was skipped for a reason, such as a closed market.",
        *(({"pipeline": r["pipeline"]}, r["skip_s"]) for r in rows if r["skip_s"] is not None),
    )
    yield gauge(
        "axiom_pipeline_paused", "Whether a person or the replay's end stopped the schedule.",
        *(({"pipeline": r["pipeline"]}, r["paused"]) for r in rows),
    )  # fmt: skip
    yield gauge(
        "axiom_pipeline_slot_seconds", "How often the pipeline should run.",
        *(({"pipeline": p}, c.slot.total_seconds()) for p, c in PIPELINES.items()),
    )  # fmt: skip


def _active() -> Iterator[Family]:
    found = {row["pipeline"]: row for row in _totals().active()}
    for name, help, key in (
        ("axiom_runs_active", "Runs that have not ended.", "runs"),
        ("axiom_runs_overdue", "Runs that have not ended and are past their deadline.", "overdue"),
    ):
        counts = [(p, found.get(p, {}).get(key, 0)) for p in {**dict.fromkeys(PIPELINES), **found}]
        yield gauge(name, help, *(({"pipeline": p}, n) for p, n in counts))
    steps = {(row["pipeline"], row["state"]): row["n"] for row in _totals().active_steps()}
    yield gauge(
        "axiom_steps_active", "Steps of active runs, by state.",
        *(({"pipeline": p, "state": state}, steps.get((p, state), 0))
          for p in PIPELINES for state in ("pending", "running", "retrying")),
    )  # fmt: skip


def _alerts() -> Iterator[Family]:
    found = {row["severity"]: row["n"] for row in _totals().open_alerts()}
    severities = {**dict.fromkeys(("info", "warning", "critical"), 0), **found}
    yield gauge(
        "axiom_alerts_open", "Alerts that were not cleared.",
        *(({"severity": severity}, n) for severity, n in severities.items()),
    )  # fmt: skip


def _queues() -> Iterator[Family]:
    from axiom.tasks import state

    found = state.queues()
    yield gauge("axiom_queue_depth", "Messages that wait.", *(_of(q, q.depth) for q in found))
    yield gauge(
        "axiom_queue_unacked", "Messages in the hands of workers.",
        *(_of(queue, queue.unacked) for queue in found),
    )  # fmt: skip
    yield gauge(
        "axiom_queue_oldest_age_seconds", "How long the oldest message has waited.",
        *(_of(queue, queue.oldest_s or 0.0) for queue in found),
    )  # fmt: skip


def _of(queue: Any, value: float) -> tuple[dict[str, str], float]:
    return {"queue": queue.name}, value


def _claude() -> Iterator[Family]:
    from axiom.resilience.breaker import State

    claude = services().claude
    now = claude.breaker.status().state
    yield gauge(
        "axiom_breaker_state", "1 for the state that the breaker is in.",
        *(({"service": "claude", "state": state}, float(state == now)) for state in State),
    )  # fmt: skip
    standing = claude.standing()
    for key, help in (("limit", "May be spent today."), ("spent", "Was spent today."),
                      ("reserved", "Is put aside for calls under way.")):  # fmt: skip
        yield gauge(
            f"axiom_budget_{key}_dollars", help,
            *(({"budget": row["budget"]}, float(row[f"{key}_usd"]))
              for row in standing if row[f"{key}_usd"] is not None),
        )  # fmt: skip
    yield from _waiting()


def _waiting() -> Iterator[Family]:
    wanted = settings()
    found = {
        model: services().claude.guard(model).rate.waiting()
        for model in dict.fromkeys((wanted.claude_small, wanted.claude_large))
    }
    yield gauge(
        "axiom_limiter_waiting", "Calls that wait for their turn.",
        *(({"model": model}, each.tickets) for model, each in found.items()),
    )  # fmt: skip
    yield Family(
        "axiom_limiter_waits_total", "How often a call was told to wait for its turn.", "counter",
        [({"model": model}, each.waits) for model, each in found.items()],
    )  # fmt: skip
    yield Family(
        "axiom_limiter_wait_seconds_total", "For how long calls were told to wait.", "counter",
        [({"model": model}, each.waited_s) for model, each in found.items()],
    )  # fmt: skip


_PARTS: dict[str, Callable[[], Iterator[Family]]] = {
    "totals": _counted, "pipelines": _pipelines, "active": _active, "alerts": _alerts,
    "queues": _queues, "claude": _claude,
}  # fmt: skip

"""Ask the workers for runs, and follow them; for the CLI and `axiom up`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, StoreUnavailable, UnknownRun
from axiom.model import PIPELINES, Json, Run, RunState

if TYPE_CHECKING:
    from celery import Celery

ACTIVE = (RunState.QUEUED, RunState.RUNNING)
POLL_S = 0.1
# prices first: correlations read them; the others may go side by side
SENSIBLE_ORDER: Sequence[Sequence[str]] = (("ingestion",), ("graph", "events", "correlation"))


def _nothing() -> None:
    """Do nothing."""


def trigger(
    pipeline: str,
    *,
    at: str | None = None,
    params: Mapping[str, Json] | None = None,
    overlap: bool = False,
    run_id: str | None = None,
) -> str:
    """Publish a pipeline's run task; return the id that the run will have.

    What a person asks for goes through `operate.trigger`, which keeps who it was.

    Raises:
        StoreUnavailable: the broker cannot be reached.
    """
    run_id = run_id or str(uuid.uuid4())
    kwargs = {"at": at, "params": dict(params or {}), "overlap": overlap, "trigger": "manual"}
    send(f"axiom.tasks.{pipeline}.run", kwargs, task_id=run_id)
    return run_id


def send(task: str, kwargs: Mapping[str, Json], **options: Any) -> None:
    """Publish a message.

    Raises:
        StoreUnavailable: the broker cannot be reached.
    """
    from axiom.celery import app

    # nobody waits for the result: else Celery would first subscribe to it, and with Redis away
    # try that for twenty seconds
    options = {"ignore_result": True} | options
    with reaching_broker(app):
        app.send_task(task, kwargs=dict(kwargs), retry_policy={"max_retries": 1}, **options)


@contextmanager
def reaching_broker(app: Celery) -> Iterator[None]:
    """Raise `StoreUnavailable` where the broker cannot be reached."""
    from kombu.exceptions import OperationalError  # what publishing makes of the transport's errors

    try:
        yield
    except (OperationalError, *app.connection_for_write().connection_errors) as error:
        raise StoreUnavailable(
            f"the broker cannot be reached ({error}); start it: axiom up"
        ) from error


def wait_for(run_id: str, *, timeout_s: float, meanwhile: Callable[[], None] = _nothing) -> Run:
    """Return the run once it has ended; `meanwhile` is called several times a second.

    Raises:
        AxiomError: it has not, within the time.
    """
    from axiom.tasks.services import services

    ledger, deadline = services().ledger, time.monotonic() + timeout_s
    found: Run | None = None
    while time.monotonic() < deadline:
        try:
            found = ledger.run(run_id)
        except UnknownRun:  # its message still waits in a queue
            found = None
        if found and found.state not in ACTIVE:
            return found
        meanwhile()
        time.sleep(POLL_S)
    state = f"is {found.state}" if found else "was taken by no worker; is one running?"
    raise AxiomError(
        f"run {run_id[:8]} {state} after {timeout_s:.0f} s; see: axiom runs show {run_id[:8]}"
    )


def run_all_once(meanwhile: Callable[[], None] = _nothing) -> list[Run]:
    """Run each pipeline once through the queues, in a sensible order."""
    ended: list[Run] = []
    for together in SENSIBLE_ORDER:
        asked = {pipeline: trigger(pipeline) for pipeline in together}
        ended += [
            wait_for(
                run_id,
                timeout_s=PIPELINES[pipeline].deadline.total_seconds(),
                meanwhile=meanwhile,
            )
            for pipeline, run_id in asked.items()
        ]
    return ended


def summary() -> dict[str, Json]:
    """Count what the stores hold of the market: rows, nodes, edges, events, correlations."""
    from axiom.tasks.services import services

    found, market = services(), services().market.name
    graph = found.graph.counts(market)
    return {
        "market": market,
        "rows": found.prices.count(market),
        "nodes": sum(graph["nodes"].values()),
        "edges": sum(graph["edges"].values()),
        "events": found.events.counts(market)["events"],
        "correlations": found.correlations.counts(market)["rows"],
    }

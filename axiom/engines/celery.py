"""From a FLOW to a Celery canvas of chains and chords.

Messages carry a run's id, an item, and how often a person retried the run, nothing
else: what a step needs, it reads from the ledger. Headers are flat chains whose
results are ignored, because nested groups give their results in reverse and every
header message carries the whole body (facts measured with Celery 5.7).
"""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery, chain, group
from celery.canvas import Signature

from axiom.flow import Call, Flow, Stage

# Redis's priorities: the lower goes first. Each has a list of its own in every queue
LIVE, BEHIND = PRIORITIES = (0, 9)


def canvas(
    app: Celery,
    flow: Flow,
    run_id: str,
    items: Sequence[str],
    *,
    retries: int = 0,
    priority: int = LIVE,
) -> Signature:
    """Build the canvas of a planned run; the planning step is not part of it."""
    stages = flow.plan(items)[1 if flow.planner else 0 :]

    def signature(call: Call) -> Signature:
        task = app.tasks[f"axiom.tasks.{flow.pipeline}.{call.step}"]
        return task.si(run_id, call.item, retries).set(priority=priority)

    def stage(each: Stage) -> Signature:
        branches = [chain(*map(signature, branch)) for branch in each.branches]
        return group(branches) if each.mapped else branches[0]

    return chain(*(stage(each) for each in stages if each.branches))


def queue_of(app: Celery, pipeline: str, step: str) -> str:
    """The queue that a step's messages go to, by the routes of celeryconfig."""
    route = app.amqp.router.route({}, f"axiom.tasks.{pipeline}.{step}")
    return str(route["queue"].name)

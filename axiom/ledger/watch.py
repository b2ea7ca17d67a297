"""Find runs that stopped moving. A chord that will never fire raises nothing.

A run moves while one of its steps is held (its process holds the step's lock),
while a retry is due, or while a message for one of its open steps is waiting in
a queue. A run that does none of this for `stall_after_s` is published again:
what succeeded answers from the ledger, so only what was lost is run. When nothing
came of that several times over, the run fails.

A run past its deadline is left alone: an alert says that it is late, and to end it
would lose what it waits for with good reason, such as a budget or a batch of a day.
Only one that is past it by days ends, since while it is active its pipeline runs no
other. A person may retry it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from axiom.model import Run, RunState

if TYPE_CHECKING:
    from axiom.ledger.ledger import Ledger

MAX_RESUMES = 5
STOPPED = f"stopped moving {MAX_RESUMES + 1} times; the logs of its workers say why"
GIVE_UP_AFTER = timedelta(hours=48)


def resume_stalled(
    ledger: Ledger,
    *,
    stall_after_s: float,
    give_up_after: timedelta = GIVE_UP_AFTER,
    waiting: Callable[[str, list[str]], bool],
    publish: Callable[[Run], None],
) -> dict[str, list[str]]:
    """Publish stalled runs again, and fail those for which that did not help.

    `waiting(pipeline, open_steps)` tells whether their queues hold messages;
    `publish(run)` publishes a run again. Returns the run ids by
    what was done: `resumed`, `failed`.
    """

    done: dict[str, list[str]] = {"resumed": [], "failed": []}
    for run in ledger.idle():
        if run["late"] > give_up_after:
            hours = give_up_after.total_seconds() / 3600
            ledger.close(run["id"], RunState.FAILED, f"not done {hours:g} h after its deadline")
            done["failed"].append(run["id"])
            continue
        if _moves(run, stall_after_s) or waiting(run["pipeline"], run["open_steps"] or []):
            continue
        if run["resumes"] >= MAX_RESUMES and not run["progressed"]:
            ledger.close(run["id"], RunState.FAILED, STOPPED)
            done["failed"].append(run["id"])
        elif ledger.count_resume(run["id"], run["resumed_at"]):
            publish(ledger.run(run["id"]))
            done["resumed"].append(run["id"])
    return done


def _moves(run: dict[str, Any], stall_after_s: float) -> bool:
    return bool(run["held"]) or float(run["idle_s"]) < stall_after_s

"""A Celery app with two tasks, for tests that kill what it runs on.

It is told everything by the environment: TINY_BROKER (URL), TINY_DIR (where its tasks leave
their marks) and TINY_PATCH (a file of patches to apply, or nothing).
"""

import os
import runpy
import time
from pathlib import Path

from celery import Celery

MARKS = Path(os.environ["TINY_DIR"])
WAIT_S = 60

if os.environ.get("TINY_PATCH"):
    # By its path: importing it would build axiom's own app and connect its signals as well.
    assert runpy.run_path(os.environ["TINY_PATCH"])["apply"]()

app = Celery("tiny", broker=os.environ["TINY_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_retry_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 1500,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_keepalive": True,
        "global_keyprefix": "tiny:",
    },
)


@app.task
def hold() -> None:
    """Leave the mark `held`, and work until somebody leaves the mark `release`."""
    (MARKS / "held").touch()
    give_up_at = time.monotonic() + WAIT_S
    while not (MARKS / "release").exists() and time.monotonic() < give_up_at:
        time.sleep(0.05)
    (MARKS / "released").touch()


@app.task
def mark(name: str) -> None:
    """Leave a mark."""
    (MARKS / name).touch()

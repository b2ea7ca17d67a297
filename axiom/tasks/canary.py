"""A worker's canary: a task that it sends to a queue of its own, and must take from it.

It comes by the worker's own connection, channel and event loop, as its work does, and is
answered where it is received, in the main process: a pool that is busy with long work does not
keep it waiting. While all of the pool is taken a worker takes nothing (`worker_disable_prefetch`);
then it counts that the event loop turns and that the broker accepts the canary.

Silence for `TOO_OLD_S` means that the worker must be started again: its loop hangs, or its
connection does. A broker that is down (refuses, resets) is no silence: the worker is
connecting again by itself, and a restart would only delay it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.utils.log import get_logger
from kombu.entity import Exchange, Queue

from axiom.celery import app
from axiom.telemetry.liveness import EVERY_S, WorkerLife, is_down

log = structlog.get_logger(__name__)
NAME = "axiom.canary"
TICK_S = 3.0
KEY_LIVES_MS = 120_000
_PRODUCER_OPTIONS = {"socket_timeout": 3, "socket_connect_timeout": 3, "retry_on_timeout": False}


life = WorkerLife()


def on_canary(task: Any, app: Celery, consumer: Any, **_: Any) -> Callable[..., None]:
    """Celery's hook for how a task's messages are taken: here, and not by the pool."""

    def take(message: Any, body: Any, ack: Callable[..., None], *_: Any) -> None:
        ack(get_logger(__name__), consumer.connection_errors)  # who is told when it fails
        life.heard()

    return take


@app.task(name=NAME, Strategy="axiom.tasks.canary:on_canary", ignore_result=True)
def canary() -> None:
    """Say that this worker takes messages; never run, since it is answered at reception."""


def queue_of(hostname: str) -> Queue:
    """The queue that only this worker takes from; nothing is bound, so nothing is left behind."""
    name = f"canary.{hostname}"
    return Queue(name, Exchange(""), routing_key=name, durable=False, auto_delete=True)


def pool_use(worker: Any) -> tuple[int, int]:
    """Return how many slots a worker's pool has, and how many are taken."""
    from celery.worker import state

    pool = getattr(worker, "pool", None)  # a worker that starts has none yet
    return (pool.num_processes if pool else 0), len(state.reserved_requests)


class Canary(bootsteps.StartStopStep):
    """Has the consumer take from the canary's queue, by the connection of its work."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Begin, after each connection to the broker."""
        consumer.task_consumer.add_queue(queue_of(consumer.hostname))
        consumer.task_consumer.consume()
        qos = consumer.task_consumer.channel.qos
        self._ticks = consumer.timer.call_repeatedly(
            TICK_S, lambda: life.turned(full=not qos.can_consume())
        )
        life.connected = True

    def stop(self, consumer: Any) -> None:
        """End, when the connection is lost or the worker stops."""
        life.connected = False
        if ticks := self.__dict__.pop("_ticks", None):
            ticks.cancel()


app.steps["consumer"].add(Canary)


class Sender(threading.Thread):
    """Sends the canaries, by a connection of its own that fails within seconds."""

    def __init__(self, hostname: str) -> None:
        super().__init__(name="canary", daemon=True)
        self._queue = queue_of(hostname)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Send one every few seconds until the process ends."""
        while not self._stop_asked.wait(EVERY_S):
            try:
                self._send()
            except Exception as error:  # whatever it is, the next may do
                if is_down(error):
                    life.refused()
                log.warning("canary_not_sent", error=type(error).__name__)
            else:
                life.sent()

    def _send(self) -> None:
        options = app.conf.broker_transport_options | _PRODUCER_OPTIONS
        with app.connection_for_write(transport_options=options) as connection:
            channel = connection.channel()  # `default_channel` would try for ever
            channel.queue_purge(self._queue.name)  # of one that was not taken
            # not by `send_task`, which would show each one in Flower
            made = app.amqp.create_task_message(str(uuid.uuid4()), NAME, ignore_result=True)
            connection.Producer(channel).publish(
                made.body, routing_key=self._queue.name, headers=made.headers,
                serializer="json", retry=False, **made.properties,
            )  # fmt: skip
            channel.client.pexpire(self._queue.name, KEY_LIVES_MS)

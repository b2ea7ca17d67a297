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
import time
import uuid
from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery import Celery, bootsteps
from kombu.entity import Exchange, Queue

from axiom.celery import app

log = structlog.get_logger(__name__)
NAME = "axiom.canary"
EVERY_S, TOO_OLD_S = 7.0, 25.0
TICK_S = 3.0
SENT_LATELY_S = 10.0  # so old a success still says that the broker answers
CONNECTING_S = 35.0  # Celery's longest pause between two attempts to connect, with room
KEY_LIVES_MS = 120_000
_PRODUCER_OPTIONS = {"socket_timeout": 3, "socket_connect_timeout": 3, "retry_on_timeout": False}


class Pulse:
    """When a worker was last heard of, in seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._alive_s = self._sent_s = clock()
        self._refused_s = float("-inf")
        self.connected = False

    def heard(self) -> None:
        """Note that the canary came, by the worker's own connection."""
        self._alive_s = self._clock()

    def turned(self, *, full: bool) -> None:
        """Note that the event loop turns; with a full pool that is all that can be seen."""
        if full and self._clock() - self._sent_s < SENT_LATELY_S:
            self._alive_s = self._clock()

    def sent(self) -> None:
        """Note that the broker accepted a canary."""
        self._sent_s = self._clock()

    def refused(self) -> None:
        """Note that the broker is down: it said so, or nobody listens."""
        self._refused_s = self._clock()

    @property
    def silent_s(self) -> float:
        """For how long nothing was heard of it that should have been."""
        excused_s = self._refused_s + (0.0 if self.connected else CONNECTING_S)
        return max(self._clock() - max(self._alive_s, excused_s), 0.0)

    @property
    def ailment(self) -> str | None:
        """Why the worker must be started again, if it must."""
        silent_s = self.silent_s
        if silent_s <= TOO_OLD_S:
            return None
        return f"no canary came by its queue for {silent_s:.0f} s: the loop or its connection hangs"


pulse = Pulse()


def on_canary(task: Any, app: Celery, consumer: Any, **_: Any) -> Callable[..., None]:
    """Celery's hook for how a task's messages are taken: here, and not by the pool."""

    def take(message: Any, body: Any, ack: Callable[[], None], *_: Any) -> None:
        ack()
        pulse.heard()

    return take


@app.task(name=NAME, Strategy="axiom.tasks.canary:on_canary", ignore_result=True)
def canary() -> None:
    """Say that this worker takes messages; never run, since it is answered at reception."""


def queue_of(hostname: str) -> Queue:
    """The queue that only this worker takes from; nothing is bound, so nothing is left behind."""
    name = f"canary.{hostname}"
    return Queue(name, Exchange(""), routing_key=name, durable=False, auto_delete=True)


def pool_use(worker: Any) -> tuple[int, int]:
    """Return how many slots a worker's pool has, and how many are at work."""
    from celery.worker import state

    pool = getattr(worker, "pool", None)  # a worker that starts has none yet
    return (pool.num_processes if pool else 0), len(state.active_requests)


class Canary(bootsteps.StartStopStep):
    """Has the consumer take from the canary's queue, by the connection of its work."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Begin, after each connection to the broker."""
        consumer.task_consumer.add_queue(queue_of(consumer.hostname))
        consumer.task_consumer.consume()
        qos = consumer.task_consumer.channel.qos
        self._ticks = consumer.timer.call_repeatedly(
            TICK_S, lambda: pulse.turned(full=not qos.can_consume())
        )
        pulse.connected = True

    def stop(self, consumer: Any) -> None:
        """End, when the connection is lost or the worker stops."""
        pulse.connected = False
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
                if _is_down(error):
                    pulse.refused()
                log.warning("canary_not_sent", error=type(error).__name__)
            else:
                pulse.sent()

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


def _is_down(error: BaseException | None) -> bool:
    """Whether the broker is away; one that hangs, or does not know us, is not."""
    while error is not None:
        if isinstance(error, (redis.TimeoutError, redis.AuthenticationError)):
            return False
        if isinstance(error, (redis.ConnectionError, ConnectionError)):
            return True
        error = error.__cause__ or error.__context__
    return False

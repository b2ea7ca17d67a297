"""Whether a worker or beat lives, from when they were last heard of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis

EVERY_S, TOO_OLD_S = 7.0, 25.0  # between canaries; of the last one
SENT_LATELY_S = 10.0  # so old a success still says that the broker answers
CONNECTING_S = 35.0  # Celery's longest pause between two attempts to connect, with room
BEAT_TOO_OLD_S = 40.0  # it ticks every five seconds; its lock is given up after thirty


class WorkerLife:
    """When a worker was last heard of, in seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._alive_s = self._sent_s = clock()
        self._refused_s = float("-inf")
        self.connected = False
        self.canaries = 0

    def heard(self) -> None:
        """Note that the canary came, by the worker's own connection."""
        self.canaries += 1
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


class BeatLife:
    """When beat's loop last turned. Before its first turn it may be waiting for another beat."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.ticked_s: float | None = None

    def counting(self, tick: Callable[..., float]) -> Callable[..., float]:
        """Wrap a scheduler's `tick`."""

        def counted(*args: Any, **kwargs: Any) -> float:
            self.ticked_s = self._clock()
            return tick(*args, **kwargs)

        return counted

    @property
    def ailment(self) -> str | None:
        """Why beat must be started again, if it must."""
        if self.ticked_s is None or self._clock() - self.ticked_s <= BEAT_TOO_OLD_S:
            return None
        return f"the schedule was not looked at for {self._clock() - self.ticked_s:.0f} s"


def is_down(error: BaseException | None) -> bool:
    """Whether the broker is away; one that hangs, or does not know us, is not."""
    while error is not None:
        if isinstance(error, (redis.TimeoutError, redis.AuthenticationError)):
            return False
        if isinstance(error, (redis.ConnectionError, ConnectionError)):
            return True
        error = error.__cause__ or error.__context__
    return False

"""The beat: RedBeat for what keeps Axiom going, the ledger for when pipelines run.

RedBeat brings the lock by which a second beat stands by, and keeps the entries of
`celeryconfig.beat_schedule` that are no pipelines. The pipelines' schedules are read
from the ledger at each turn of the loop, so that a change is followed within
`beat_max_loop_interval`, and survives every restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import structlog
from kombu.exceptions import OperationalError
from redbeat.schedulers import RedBeatScheduler, acquire_distributed_beat_lock
from redis.exceptions import LockNotOwnedError, RedisError

from axiom.config import settings
from axiom.errors import StoreUnavailable
from axiom.ledger.schedules import Schedule, Schedules
from axiom.ledger.slots import after
from axiom.model import PIPELINES, Json, utcnow
from axiom.tasks.services import services

log = structlog.get_logger(__name__)
ON_TIME = timedelta(seconds=60)  # a standby beat takes over within this
AWAY_S = 1.0  # until the broker is looked for again
FRESH = 0.9  # of the time to its next slot a message is waited for


class Firing:
    """Fires pipelines at their slots.

    A slot is kept as dealt with after its message was sent. To die between the two
    sends it twice, which the claim of the logical time makes harmless. While the
    ledger is away, the schedules that were read last are followed.
    """

    def __init__(
        self,
        schedules: Schedules,
        send: Callable[[str, Mapping[str, Json], float], None],
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self._schedules, self._send, self._clock = schedules, send, clock
        self._read: Mapping[str, Schedule] = {}
        self._fired: dict[str, datetime] = {}

    def tick(self) -> float:
        """Fire what is due; return the seconds until the next slot of any pipeline."""
        self._look()
        now = self._clock()
        for each in self._read.values():
            self._fire(each, now)
        next_at = [at for each in self._read.values() if (at := each.next_at(now))]
        left_s = [(at - self._clock()).total_seconds() for at in next_at]
        return max(0.0, min(left_s, default=float("inf")))

    def _look(self) -> None:
        try:
            self._read = self._schedules.all()
        except StoreUnavailable as error:
            log.warning("schedules_not_read", error=str(error))

    def _fire(self, schedule: Schedule, now: datetime) -> None:
        slot_at = schedule.slots.latest(now)
        known = [at for at in (schedule.fired_at, self._fired.get(schedule.pipeline)) if at]
        if known and slot_at <= max(known):
            return
        missed = schedule.catch_up.kind == "none" and now - slot_at > ON_TIME
        # what never ran before is fired at once, by the watch
        if known and not missed and not schedule.paused:
            fresh_s = (after(schedule.slots, slot_at) - now).total_seconds() * FRESH
            kwargs = {"trigger": "schedule", "at": slot_at.isoformat()}
            self._send(schedule.pipeline, kwargs, fresh_s)
            log.info("pipeline_fired", pipeline=schedule.pipeline, slot=slot_at.isoformat())
        self._keep(schedule.pipeline, slot_at)

    def _keep(self, pipeline: str, slot_at: datetime) -> None:
        self._fired[pipeline] = slot_at
        try:
            self._schedules.fired(pipeline, slot_at)
        except StoreUnavailable as error:
            log.warning("slot_not_kept", pipeline=pipeline, error=str(error))


class LedgerScheduler(RedBeatScheduler):
    """RedBeat, with the pipelines' schedules from the ledger."""

    def setup_schedule(self) -> None:
        """Leave the pipelines to `Firing`; RedBeat forgets what it knew of them."""
        conf = self.app.conf
        conf.beat_schedule = {
            name: entry for name, entry in conf.beat_schedule.items() if name not in PIPELINES
        }
        super().setup_schedule()
        self._firing = Firing(services().schedules, self._send_run)

    def tick(self, **kwargs: Any) -> float:
        """Fire what is due; return the seconds to sleep.

        While the broker is away nothing is: what was missed is dealt with as after a restart.
        """
        try:
            return self._tick(**kwargs)
        except (RedisError, OperationalError) as error:
            log.warning("beat_waits_for_broker", error=str(error))
            return AWAY_S

    def _tick(self, **kwargs: Any) -> float:
        try:
            left_s = float(super().tick(**kwargs))
        except LockNotOwnedError:
            return self._stand_by()
        return left_s if settings().schedules == "off" else min(left_s, self._firing.tick())

    def _stand_by(self) -> float:
        """Wait for the lock as at the start: this process stood still for longer than it lasts."""
        log.warning("beat_lock_lost")
        acquire_distributed_beat_lock(sender=SimpleNamespace(scheduler=self))
        log.info("beat_lock_taken_again")
        return 0.0

    def _send_run(self, pipeline: str, kwargs: Mapping[str, Json], fresh_s: float) -> None:
        self.app.send_task(f"axiom.tasks.{pipeline}.run", kwargs=dict(kwargs), expires=fresh_s)

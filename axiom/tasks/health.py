"""Give each worker and beat its `/live`, `/ready`, `/health` and `/metrics`."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from celery.signals import beat_init, celeryd_after_setup

from axiom.config import settings
from axiom.errors import ConfigError
from axiom.tasks import canary
from axiom.tasks.canary import pool_use
from axiom.telemetry import health
from axiom.telemetry.dependencies import CHECKS, Dependencies

BEAT_TOO_OLD_S = 40.0  # it ticks every five seconds; its lock is given up after thirty


def dependencies() -> Dependencies:
    """The servers of this process, by the settings."""
    return Dependencies(_urls)


def _urls() -> Mapping[str, str]:
    found = {}
    for name in CHECKS:
        try:
            found[name] = settings().require(f"{name}_url")
        except ConfigError:
            found[name] = ""
    return found


def serve(process: health.Process) -> health.HealthServer:
    """Serve a process by the settings; a port that is taken stops it."""
    wanted = settings()
    try:
        return health.serve(process, wanted.health_host, wanted.health_port, wanted.data_dir)
    except ConfigError as error:
        sys.exit(f"axiom: {error}")


@celeryd_after_setup.connect(weak=False)
def _worker(sender: str, instance: Any, **_: Any) -> None:
    from axiom.tasks.metrics import worker_metrics

    canary.Sender(sender).start()
    serve(
        health.Process(
            "worker", sender, lambda: canary.pulse.ailment, dependencies().missing,
            lambda: worker_metrics(instance, canary.pulse), lambda: _worker_facts(instance),
        )
    )  # fmt: skip


def _worker_facts(worker: Any) -> dict[str, Any]:
    size, busy = pool_use(worker)
    return {
        "queues": sorted(worker.app.amqp.queues.consume_from),
        "pool": {"size": size, "busy": busy},
        "canary_silent_s": round(canary.pulse.silent_s, 1),
        "connected": canary.pulse.connected,
    }


class Ticks:
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


@beat_init.connect(weak=False)
def _beat(sender: Any, **_: Any) -> None:
    from axiom.tasks.metrics import beat_metrics

    ticks = Ticks()
    sender.scheduler.tick = ticks.counting(sender.scheduler.tick)
    name = f"beat@{socket.gethostname()}"
    serve(
        health.Process(
            "beat", name, lambda: ticks.ailment, dependencies().missing,
            lambda: beat_metrics(name, leading=ticks.ticked_s is not None),
            lambda: {"leading": ticks.ticked_s is not None},
        )
    )  # fmt: skip

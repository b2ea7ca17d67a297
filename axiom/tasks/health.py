"""Give each worker, beat and Flower its `/live`, `/ready`, `/health` and `/metrics`."""

from __future__ import annotations

import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import click
from celery.signals import beat_init, celeryd_after_setup

from axiom.config import settings
from axiom.errors import ConfigError
from axiom.tasks import canary
from axiom.tasks.canary import pool_use
from axiom.tasks.state import services_up
from axiom.telemetry import health
from axiom.telemetry.liveness import BeatLife

KEEP_S = 5.0


class Servers:
    """What of the servers does not answer; asked every few seconds at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._asked_s: float | None = None
        self._missing: dict[str, str] = {}

    def missing(self) -> Mapping[str, str]:
        """Return why, by the name of each that is away."""
        with self._lock:
            if self._asked_s is None or self._clock() - self._asked_s > KEEP_S:
                found = services_up()
                self._missing = {each.name: each.error or "away" for each in found if not each.up}
                self._asked_s = self._clock()
            return self._missing


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
            "worker", sender, lambda: canary.life.ailment, Servers().missing,
            lambda: worker_metrics(instance, canary.life), lambda: _worker_facts(instance),
        )
    )  # fmt: skip


def _worker_facts(worker: Any) -> dict[str, Any]:
    size, busy = pool_use(worker)
    return {
        "queues": sorted(worker.app.amqp.queues.consume_from),
        "pool": {"size": size, "busy": busy},
        "canaries": canary.life.canaries,
        "canary_silent_s": round(canary.life.silent_s, 1),
        "connected": canary.life.connected,
    }


@beat_init.connect(weak=False)
def _beat(sender: Any, **_: Any) -> None:
    from axiom.tasks.metrics import beat_metrics

    life = BeatLife()
    sender.scheduler.tick = life.counting(sender.scheduler.tick)
    name = f"beat@{socket.gethostname()}"
    serve(
        health.Process(
            "beat", name, lambda: life.ailment, Servers().missing,
            lambda: beat_metrics(name, leading=life.ticked_s is not None),
            lambda: {"leading": life.ticked_s is not None},
        )
    )  # fmt: skip


def _flower() -> None:
    """Flower sends no signal: it imports the tasks from within its own command."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "flower":
        return
    from axiom.tasks.metrics import info
    from axiom.telemetry.metrics import render

    name = f"flower@{socket.gethostname()}"
    serve(
        health.Process(
            "flower", name, _flower_ailment, Servers().missing,
            lambda: render([info("flower", name)]),
        )
    )  # fmt: skip


def _flower_ailment() -> str | None:
    """Ask Flower's own loop; its address is known once it has read its options."""
    from tornado.options import options

    address = options.address or "127.0.0.1"
    url = f"http://{address}:{options.port}{prefix(options.url_prefix)}/healthcheck"
    try:
        with urllib.request.urlopen(url, timeout=5):
            return None
    except OSError as error:
        return f"Flower does not answer at {address}:{options.port} ({error})"


def prefix(url_prefix: str | None) -> str:
    """Return Flower's prefix as a path."""
    return f"/{url_prefix.strip('/')}" if url_prefix else ""


_flower()

"""Give each worker, beat and Flower its `/live`, `/ready`, `/health` and `/metrics`."""

from __future__ import annotations

import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import click
from celery.signals import beat_init, celeryd_after_setup

from axiom.config import settings
from axiom.errors import ConfigError
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
    from axiom.tasks import canary
    from axiom.tasks.metrics import worker_metrics

    canary.Sender(sender).start()
    serve(
        health.Process(
            "worker", sender, lambda: canary.life.ailment, Servers().missing,
            lambda: worker_metrics(instance, canary.life), lambda: _worker_facts(instance),
        )
    )  # fmt: skip


def _worker_facts(worker: Any) -> dict[str, Any]:
    from axiom.tasks import canary

    size, busy = canary.pool_use(worker)
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


def serve_web(kind: str, probe: Callable[[], str], name: str | None = None) -> None:
    """Serve the pages of a process that is a web server; `probe` gives what it must answer."""
    from axiom.tasks.metrics import info
    from axiom.telemetry.metrics import render

    name = name or f"{kind}@{socket.gethostname()}"
    serve(
        health.Process(
            kind, name, lambda: _web_ailment(probe()), Servers().missing,
            lambda: render([info(kind, name)]),
        )
    )  # fmt: skip


def _web_ailment(url: str) -> str | None:
    # nobody else's name: a server may check which host it is asked as
    where = url.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")
    try:
        with urllib.request.urlopen(where, timeout=5):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f"{where} says {error.code}"  # it answers
    except OSError as error:
        return f"it does not answer at {where} ({error})"


def _flower() -> None:
    """Flower sends no signal: it imports the tasks from within its own command."""
    context = click.get_current_context(silent=True)
    if context is not None and context.info_name == "flower":
        from axiom.celery import configure_logs

        configure_logs()  # after Flower has set up its own
        serve_web("flower", _flower_url)


def _flower_url() -> str:
    """Where Flower's own loop answers; it is known once Flower has read its options."""
    from tornado.options import options

    prefix = f"/{options.url_prefix.strip('/')}" if options.url_prefix else ""
    return f"http://{options.address or '127.0.0.1'}:{options.port}{prefix}/live"


_flower()

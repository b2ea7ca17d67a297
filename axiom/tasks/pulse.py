"""The pulse of a process: a thread that says every few seconds that it lives.

Workers, beat and Flower get one where they start; what else lives long calls `start`. Beat and
the workers of `control` watch too (`alerting/watcher.py`), and so should the console.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import click
import psutil
import structlog
from celery.signals import worker_ready
from celery.utils.nodenames import gethostname
from celery.worker import state as worker_state

from axiom.config import settings
from axiom.errors import StoreUnavailable
from axiom.memory import trim, use_one_arena
from axiom.model import Json, utcnow
from axiom.tasks.services import services
from axiom.tasks.state import heartbeats

log = structlog.get_logger(__name__)
Facts = Callable[[], Mapping[str, Json]]
_pulses: dict[str, Pulse] = {}  # of this process
WATCHES = {"beat": True, "flower": False}
SETTLED = 2  # beats: by then everything is imported that a process needs to wait
MEMORY_EVERY = 6  # beats: adding up pages takes a few milliseconds


class Pulse:
    """What a process says of itself, and when it ends."""

    def __init__(
        self, kind: str, name: str, facts: Facts = dict, failed: Callable[[], bool] = bool
    ) -> None:
        self._kind, self.name, self._facts, self._failed = kind, name, facts, failed
        self._mark, self._pid = uuid.uuid4().hex, os.getpid()
        self._began: dict[str, Json] = {}
        self._beats = 0
        self._memory_bytes: int | None = None
        self._ended = threading.Event()
        self._one_at_a_time = threading.Lock()  # a beat after the leave would look like a death
        self._reached_since_s: float | None = None

    def start(self) -> None:
        """Beat in a thread until the process ends, and then leave, unless it crashed."""
        atexit.register(self._end)
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def _end(self) -> None:
        if _crashed() or self._failed():  # who falls silent is looked for
            log.error("pulse_stays", process=self.name)
        else:
            self.stop()

    def stop(self) -> None:
        """Leave, as a process that ends by its own will does."""
        if os.getpid() != self._pid or self._ended.is_set():  # not in a fork
            return
        with self._one_at_a_time:
            self._ended.set()
            try:
                heartbeats().leave(self.name, self._mark)
            except StoreUnavailable as error:
                log.warning("pulse_not_ended", error=str(error))

    def beat(self) -> bool:
        """Say once that the process lives; False when Redis is away."""
        try:
            with self._one_at_a_time:
                if self._ended.is_set():
                    return False
                if not self._began:
                    self._began = self._beginning()
                heartbeats().beat(self.name, self._mark, self._told())
        except StoreUnavailable as error:
            self._reached_since_s = None
            log.warning("pulse_missed", error=str(error))
            return False
        self._beats += 1
        if self._beats == SETTLED:
            trim()
        self._reached_since_s = self._reached_since_s or time.monotonic()
        return True

    def reached_s(self) -> float:
        """For how long Redis was reached at every beat."""
        since_s = self._reached_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def _run(self) -> None:
        every_s = settings().heartbeat_s
        use_one_arena()
        while not self._ended.is_set():
            try:
                self.beat()
            except Exception:  # the next beat may do better; a dead thread would look like death
                log.exception("pulse_failed")
            self._ended.wait(every_s)

    def _beginning(self) -> dict[str, Json]:
        """When this process started, and whether one of its name was killed before."""
        began: dict[str, Json] = {"started_at": _process_started_at().isoformat()}
        for each in heartbeats().all():
            if each.name == self.name and _is_dead(each.facts.get("pid")):
                deaths = int(each.facts.get("deaths", 0)) + 1
                began |= {"died_at": each.seen_at.isoformat(), "deaths": deaths}
        return began

    def _told(self) -> dict[str, Json]:
        if self._beats % MEMORY_EVERY == 0:
            self._memory_bytes = memory_bytes()
        fixed = {"kind": self._kind, "host": gethostname(), "pid": self._pid}
        measured = {"memory_bytes": self._memory_bytes, "disk_free_bytes": _disk_free_bytes()}
        return fixed | self._began | measured | dict(self._facts())


def _crashed() -> bool:
    """Whether an error that nobody caught ends this process: the interpreter keeps the last."""
    return isinstance(getattr(sys, "last_value", None), Exception)


def start(
    kind: str,
    name: str | None = None,
    facts: Facts = dict,
    *,
    failed: Callable[[], bool] = bool,
    watches: bool = False,
) -> Pulse:
    """Give this process a pulse, stopped when the interpreter ends; and let it watch, if wanted.

    A process that an error ends does not leave, and is told to be gone; `failed` says it of one
    that catches its errors.

    Once: a worker is ready again each time that it has found its broker again.
    """
    name = name or f"{kind}@{gethostname()}"
    if name in _pulses:
        return _pulses[name]
    pulse = _pulses[name] = Pulse(kind, name, facts, failed)
    pulse.start()
    if watches and settings().alerts == "on":
        from axiom.tasks.alerting.watcher import Watcher  # only where it is needed

        Watcher(services(), pulse.reached_s).start()
    return pulse


def _disk_free_bytes() -> int | None:
    try:
        return shutil.disk_usage(settings().data_dir).free
    except OSError:  # it is on another machine
        return None


def memory_bytes() -> int:
    """The memory of this process and of those below it; shared pages count once."""
    here = psutil.Process()
    return sum(_memory_of(each) for each in (here, *here.children(recursive=True)))


def _memory_of(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.uss))  # only Linux knows what is shared
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        return int(process.memory_info().rss)


def _process_started_at() -> datetime:
    return datetime.fromtimestamp(psutil.Process().create_time(), utcnow().tzinfo)


def _is_dead(pid: Any) -> bool:
    # in a container the next process has the number of the last one
    return not isinstance(pid, int) or pid == os.getpid() or not psutil.pid_exists(pid)


@worker_ready.connect(weak=False)
def _worker(sender: Any, **_: Any) -> None:
    watches = "control" in sender.app.amqp.queues.consume_from
    start(
        "worker", sender.hostname, lambda: _worker_facts(sender), watches=watches,
        failed=lambda: _worker_failed(sender),
    )  # fmt: skip


def _worker_failed(consumer: Any) -> bool:
    # a cold shutdown has an exit code too, and was asked for
    asked = (worker_state.should_stop, worker_state.should_terminate)
    by_itself = all(each is None or each is False for each in asked)  # 0 is a code
    return by_itself and bool(consumer.controller.exitcode)


def _worker_facts(consumer: Any) -> dict[str, Json]:
    pool = consumer.pool
    return {
        "queues": list(consumer.app.amqp.queues.consume_from),
        "pool": type(pool).__module__.rpartition(".")[2],
        "size": pool.num_processes,
        "busy": len(worker_state.active_requests),
    }


def _by_command() -> None:
    """Give beat and Flower theirs: both import the tasks from within their own command.

    Flower sends no signal. Beat's comes only when it holds its lock, which it may wait for
    half a minute: it lives all the same.
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.info_name in WATCHES:
        start(context.info_name, watches=WATCHES[context.info_name])


_by_command()

"""The watcher: a thread that asks the rules every few seconds, and tells people.

It is no task, since what it watches is what tasks need: the broker, the workers, beat. Beat,
the console and each worker of the queue `control` have one. Whoever comes first takes the next
round, by one UPDATE in Postgres; a process that dies loses its round, and the next one comes by
another. With all but one of them dead, that one looks.

When Postgres itself is away nothing can be kept: then whoever first leaves a mark in Redis
tells people at once, and tells them again when it is back; without Redis, each tells on its own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import redis
import structlog
from celery.utils.nodenames import gethostname

from axiom.config import Settings
from axiom.errors import ConfigError, StoreUnavailable
from axiom.model import utcnow
from axiom.resilience.store import connect
from axiom.stores.alerts import SEVERITIES, Changes, Policy
from axiom.tasks.alerting import notify, rules
from axiom.tasks.alerting.snapshot import take
from axiom.tasks.probes import probe_all

if TYPE_CHECKING:
    from axiom.tasks.services import Services

log = structlog.get_logger(__name__)
EARLY = 0.8  # of the interval: a clock that is a little fast must not skip a round
AWAY_AFTER = 2  # failures in a row
OUTAGE_KEY = "axiom:alerts:postgres"
OUTAGE_KEPT_S = 7 * 86_400


@dataclass
class Watcher:
    """Looks, and tells. `reached_s` says for how long Redis was reached without a break."""

    services: Services
    reached_s: Callable[[], float]
    by: str = field(default_factory=lambda: f"{gethostname()}:{os.getpid()}")

    def __post_init__(self) -> None:
        self._settings = self.services.settings
        self._ways = notify.channels(self._settings)
        self._policy = policy(self._settings, [way.name for way in self._ways])
        self._redis = connect(self._settings.require("redis_url"))
        self._failures = 0
        self._is_away = False
        self._looked = False  # a predecessor may have told of an outage and died in it

    def start(self) -> None:
        """Look until the process ends."""
        _ = self.services.alerts  # made here: a fork must not find it half made
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self.round()
            except Exception:  # the next round may do better
                log.exception("round_failed")
            time.sleep(self._settings.alert_every_s)

    def round(self) -> Changes | None:
        """Look once, unless another has just looked; return what changed."""
        every = timedelta(seconds=self._settings.alert_every_s * EARLY)
        # by a new connection: one that is open waits for ever for a server that is frozen
        [found] = probe_all(self._settings, ["postgres"])
        if not found.up:
            self._ledger_is_away(found.error or "it does not answer")
            return None
        try:
            number = self.services.alerts.take_round(self.by, every)
            self._ledger_is_back()
            return None if number is None else self._look(number)
        except ConfigError as error:  # no tables yet
            log.warning("not_watching", error=str(error))
        except StoreUnavailable as error:
            self._ledger_is_away(str(error))
        return None

    def _look(self, number: int) -> Changes | None:
        findings, judged = rules.judge(take(self.services, reached_s=self.reached_s()))
        changes = self.services.alerts.reconcile(number, findings, judged, self._policy)
        for cause in changes.opened if changes else ():
            log.warning("alert_raised", cause=cause)
        for cause in changes.cleared if changes else ():
            log.info("alert_cleared", cause=cause)
        notify.deliver(self.services.alerts, self._ways)
        return changes

    # --- without the ledger ---

    def _ledger_is_away(self, error: str) -> None:
        self._failures += 1
        log.warning("ledger_unavailable", error=error, times=self._failures)
        if self._failures >= AWAY_AFTER and not self._is_away:
            self._is_away = True
            if self._leaves_mark():
                self._tell("CRITICAL", f"Postgres is away: {error}", "axiom doctor")

    def _ledger_is_back(self) -> None:
        was_away, self._is_away = self._is_away or not self._looked, False
        self._failures, self._looked = 0, True
        if was_away and (since_s := self._takes_mark()):
            span = rules.span(time.time() - since_s)
            self._tell("RESOLVED", f"Postgres is back after {span}", "nothing")

    def _leaves_mark(self) -> bool:
        try:
            return bool(self._redis.set(OUTAGE_KEY, time.time(), nx=True, ex=OUTAGE_KEPT_S))
        except redis.RedisError as error:
            log.warning("mark_not_left", error=str(error))
            return True  # better told twice than not

    def _takes_mark(self) -> float | None:
        """Return when the outage began; None when another process has taken the mark."""
        try:
            found = self._redis.getdel(OUTAGE_KEY)
        except redis.RedisError as error:
            log.warning("mark_not_taken", error=str(error))
            return None
        return float(str(found)) if found else None

    def _tell(self, word: str, what: str, hint: str) -> None:
        now = utcnow()
        key = f"postgres.{now.timestamp():.0f}"
        body = f"{what}\n\nWhat to do: {hint}\n"
        severity = "critical" if word == "CRITICAL" else "info"
        message = notify.Message(key, "postgres", f"[axiom] {word}: {what}", body, severity, now)
        for way in self._ways:
            try:
                way.send(message)
            except notify.NotDelivered as error:
                log.warning("not_delivered", channel=way.name, error=str(error))


def policy(settings: Settings, names: list[str]) -> Policy:
    """Return who is told of what, as the settings ask."""
    return Policy(
        channels=names,
        severities=SEVERITIES[SEVERITIES.index(settings.alert_severity) :],
        clear_after=timedelta(seconds=settings.alert_clear_after_s),
        remind=timedelta(seconds=settings.alert_remind_s),
    )

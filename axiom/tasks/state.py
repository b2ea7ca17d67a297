"""What is going on now: queues, processes, the breaker, the servers.

Everything here is read when it is asked for, within a second or two, also when a server is
away; nothing is imported that costs much, so that the console and the monitor may ask often.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import redis

from axiom.config import settings
from axiom.model import utcnow
from axiom.resilience import breaker as breakers
from axiom.resilience import store
from axiom.stores.heartbeats import Heartbeat, Heartbeats
from axiom.stores.redis import translated
from axiom.tasks.probes import ServiceState, probe_all

__all__ = ["QueueState", "ServiceState", "WorkerState", "breaker", "heartbeats", "queues",
           "services_up", "workers"]  # fmt: skip
MOST_UNACKED = 2000  # looked at; beyond it the rest is taken to be alike


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue: what waits in it, and what its workers have in hand."""

    name: str
    depth: int
    unacked: int
    oldest_s: float | None  # how long its oldest waiting message has waited


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A long-lived process, as its last heartbeat told it."""

    name: str
    kind: str  # worker, beat, flower, console
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    seen_s: float
    alive: bool  # it was heard of lately
    queues: tuple[str, ...] = ()
    pool: str | None = None
    size: int | None = None  # slots
    busy: int | None = None  # slots at work
    memory_bytes: int | None = None  # its own and its children's; shared pages count once
    died_at: datetime | None = None  # when one of its name was last heard of that was killed
    deaths: int = 0  # of that name since one stopped cleanly
    facts: dict[str, Any] = field(default_factory=dict)


def queues() -> list[QueueState]:
    """Return every queue of `celeryconfig.py`.

    Raises:
        StoreUnavailable: the broker cannot be reached.
    """
    import celeryconfig

    names = [queue.name for queue in celeryconfig.task_queues]
    keys = [key for name in names for key in _keys(name)]
    with translated():
        pipe = _redis().pipeline(transaction=False)
        for key in keys:
            pipe.llen(key)
            pipe.lindex(key, -1)  # pushed on the left, taken from the right
        answers = iter(pipe.execute())
        unacked = _unacked()
    now = utcnow().timestamp()
    found = []
    for name in names:
        pairs = [(next(answers), next(answers)) for _ in _keys(name)]
        ages = [now - at for _, message in pairs if (at := _sent_at(message)) is not None]
        oldest_s = max(0.0, *ages) if ages else None
        found.append(QueueState(name, sum(n for n, _ in pairs), unacked[name], oldest_s))
    return found


def workers() -> list[WorkerState]:
    """Return the processes of the last day that did not stop cleanly: alive, or gone.

    Raises:
        StoreUnavailable: Redis cannot be reached.
    """
    gone_after_s = settings().gone_after_s
    return [_worker(each, gone_after_s) for each in heartbeats().all()]


def breaker() -> breakers.Status:
    """Return how the breaker before Claude stands.

    Raises:
        StoreUnavailable: Redis cannot be reached.
    """
    return breakers.Breaker(_redis(), "claude").status()


def services_up() -> list[ServiceState]:
    """Ask each server for a sign of life, all at once; a server that is away is no error."""
    return probe_all(settings())


def heartbeats() -> Heartbeats:
    """Return the list of processes."""
    return Heartbeats(_redis())


def _redis() -> redis.Redis:
    return _client(settings().require("redis_url"))


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return store.connect(url)


def _keys(queue: str) -> Sequence[str]:
    """The lists of a queue: kombu keeps one for each step of priority."""
    from kombu.transport.redis import PRIORITY_STEPS, Channel

    import celeryconfig

    options: dict[str, Any] = celeryconfig.broker_transport_options
    prefix, sep = options.get("global_keyprefix", ""), options.get("sep", Channel.sep)
    steps = options.get("priority_steps", PRIORITY_STEPS)
    return [f"{prefix}{queue}{sep}{step}" if step else f"{prefix}{queue}" for step in steps]


def _unacked() -> Counter[str]:
    """Count by queue what was taken and not acknowledged yet."""
    import celeryconfig

    options: dict[str, Any] = celeryconfig.broker_transport_options
    key = options.get("global_keyprefix", "") + "unacked"
    total, cursor, seen = int(_redis().hlen(key)), 0, dict[str, str]()
    while total:
        cursor, found = _redis().hscan(key, cursor, count=200)
        seen |= dict(found)  # type: ignore[arg-type]  # by name of the tag: it may come twice
        if not cursor or len(seen) >= MOST_UNACKED:
            break
    counted = Counter(json.loads(each)[-1] for each in seen.values())
    scale = max(total / len(seen), 1.0) if seen else 1.0
    return Counter({queue: round(n * scale) for queue, n in counted.items()})


def _sent_at(message: str | None) -> float | None:
    """When a message was published; None for one that does not say."""
    try:
        return float(json.loads(message or "{}")["headers"]["sent_at"])
    except (KeyError, TypeError, ValueError):
        return None


def _worker(each: Heartbeat, gone_after_s: float) -> WorkerState:
    facts = dict(each.facts)
    return WorkerState(
        name=each.name, kind=facts.get("kind", "worker"), host=facts.get("host", ""),
        pid=facts.get("pid", 0), started_at=_moment(facts.get("started_at")) or each.seen_at,
        seen_at=each.seen_at, seen_s=each.seen_s, alive=each.seen_s < gone_after_s,
        queues=tuple(facts.get("queues", ())), pool=facts.get("pool"), size=facts.get("size"),
        busy=facts.get("busy"), memory_bytes=facts.get("memory_bytes"),
        died_at=_moment(facts.get("died_at")), deaths=facts.get("deaths", 0), facts=facts,
    )  # fmt: skip


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def alive(found: Iterable[WorkerState], kind: str) -> list[WorkerState]:
    """Of these processes, the living ones of a kind."""
    return [each for each in found if each.kind == kind and each.alive]

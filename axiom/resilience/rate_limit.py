"""How many requests and tokens a minute a model may be asked for, by all workers of all hosts.

Three token buckets per model, in Redis: requests, input tokens, output tokens. They fill
continuously, up to a burst that is a part of the limit: the service's own bucket holds the
whole limit, so it is never emptied by ours. A call reserves its estimated costs when it is
granted and settles the fact afterwards; a call that dies in between leaves them spent.

Estimates are worst cases (`max_tokens`), and calls cost a fraction of them. Were all of it
reserved, a few calls in flight would fill a burst and the limit could not be used up; so what
is reserved is the estimate times the part that calls of this model were seen to cost, with a
margin. Where a call costs more, settling takes it, and the service's larger bucket bears it.

Waiting is first come, first served. A ticket takes a turn when it first asks and keeps it until
it is granted, wherever it asks from: it may wait in a thread, or in a message that comes back
later. It is granted when all three buckets hold what it needs *and* what everyone ahead of it
needs, so nobody is overtaken to their harm. A ticket that does not come back when it promised
(a killed worker) is skipped.

Keys: `axiom:limits:{rate:<model>}:*`, one cluster slot by its hash tag, gone a day after the
last use. When Redis is away every method raises StoreUnavailable: no call is made unlimited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import redis
from redis.commands.core import Script

from axiom.resilience import store

KINDS = ("requests", "input-tokens", "output-tokens")  # as the headers call them
KEPT_S = 86400


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model may be asked for in a period."""

    requests: float
    input_tokens: float
    output_tokens: float

    def __post_init__(self) -> None:
        if not all(limit > 0 for limit in astuple(self)):
            raise ValueError(f"every limit must be above zero: {self}")


@dataclass(frozen=True, slots=True)
class Costs:
    """What one call takes from each bucket."""

    input_tokens: int
    output_tokens: int
    requests: int = 1

    def __post_init__(self) -> None:
        if min(self.in_order()) < 0:
            raise ValueError(f"costs cannot be negative: {self}")

    def in_order(self) -> tuple[int, int, int]:
        """Return the costs in the order of the buckets."""
        return self.requests, self.input_tokens, self.output_tokens


NOTHING = Costs(0, 0, requests=0)


@dataclass(frozen=True, slots=True)
class Policy:
    """How waiting is done; the defaults suit limits per minute."""

    burst: float = 1 / 6  # of the limit; what may go at once after a quiet time
    period_s: float = 60.0  # what the limits are per
    margin: float | None = 1.25  # over the part of estimates that calls cost; None: reserve all
    lease_s: float = 900.0  # a call that has not settled by then is dead
    longest_wait_s: float = 60.0  # come back and ask again at least this often
    grace_s: float = 2.0  # how late a promise may be kept
    turn_kept_s: float = 600.0  # how long a ticket that broke its promise keeps its turn


@dataclass(frozen=True, slots=True)
class Granted:
    """Go: the costs are reserved."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: ask again with the same ticket after `seconds`, which counts as promised."""

    seconds: float
    estimate_s: float  # until its turn, by what calls have cost so far; may be longer

    def is_short(self, hold_s: float = 5.0) -> bool:
        """Tell whether to sleep in place; else hand the message back, with its ticket."""
        return self.seconds <= hold_s


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who waits: now, and since the state was last forgotten (a day after the last use)."""

    tickets: int
    waits: int  # how often somebody was told to wait
    waited_s: float  # for how long, all together


class RateLimit:
    """The limit of one model. All users of a model must give the same limits and policy."""

    def __init__(
        self, client: redis.Redis, model: str, limits: Limits, policy: Policy | None = None
    ) -> None:
        self._policy = policy or Policy()
        tag = f"{store.PREFIX}:{{rate:{model}}}"
        self._keys = [f"{tag}:{name}" for name in ("state", "queue", "waiting", "granted")]
        self._common = [
            *(limits.requests, limits.input_tokens, limits.output_tokens),
            *(self._policy.period_s, self._policy.burst, self._policy.lease_s, KEPT_S),
        ]
        self._acquire, self._settle, self._correct, self._pause, self._waiting = (
            store.script(client, "buckets", f"rate_{name}")
            for name in ("acquire", "settle", "correct", "pause", "waiting")
        )

    def acquire(self, ticket: str, costs: Costs) -> Granted | Wait:
        """Reserve the costs of a call, or say when to ask again.

        A ticket names one attempt at one call. Asked for again after it was granted, it queues
        as a new attempt and what it had reserved stays spent.

        Raises:
            StoreUnavailable: Redis is away; the call must not be made.
        """
        return self.acquiring(ticket, costs).run()

    def acquiring(self, ticket: str, costs: Costs) -> store.Step[Granted | Wait]:
        """`acquire`, as a step to be run with others."""
        policy = self._policy
        waiting = (policy.longest_wait_s, policy.grace_s, policy.turn_kept_s)
        margin = -1.0 if policy.margin is None else policy.margin

        def read(answer: Any) -> Granted | Wait:
            return Granted() if answer[0] else Wait(float(answer[1]), float(answer[2]))

        return self._step(self._acquire, read, ticket, *costs.in_order(), *waiting, margin)

    def settle(self, ticket: str, actual: Costs) -> bool:
        """Replace the reserved costs by the actual ones; return whether any were reserved.

        Twice is once. More than was reserved may take a bucket below zero.

        Raises:
            StoreUnavailable: Redis is away; the reservation stays spent if this is not repeated.
        """
        return self.settling(ticket, actual).run()

    def settling(
        self, ticket: str, actual: Costs, headers: Mapping[str, str] | None = None
    ) -> store.Step[bool]:
        """`settle`, and then `correct`, as a step to be run with others."""
        told = _told(headers or {})
        return self._step(self._settle, bool, ticket, *actual.in_order(), 1, *told)

    def release(self, ticket: str) -> bool:
        """Leave the queue, or give everything back because the call was never sent.

        Raises:
            StoreUnavailable: Redis is away; the reservation stays spent if this is not repeated.
        """
        return self.releasing(ticket).run()

    def releasing(self, ticket: str, headers: Mapping[str, str] | None = None) -> store.Step[bool]:
        """`release`, and then `correct`, as a step to be run with others."""
        told = _told(headers or {})
        return self._step(self._settle, bool, ticket, *NOTHING.in_order(), 0, *told)

    def correct(self, headers: Mapping[str, str]) -> None:
        """Learn from a response's `anthropic-ratelimit-*` headers; settle the call first.

        The service's limits replace ours. Where it says less remains than we think (somebody
        else uses the key), ours is lowered to that, less what is in flight. Its `reset` is not
        used: it is the time of another machine's clock, and follows from limit and remaining.

        Raises:
            StoreUnavailable: Redis is away.
        """
        if told := _told(headers):
            self._step(self._correct, bool, *told).run()

    def pause(self, seconds: float) -> float:
        """Let nobody through for so long, on `retry-after`; return how long the pause is now.

        Raises:
            StoreUnavailable: Redis is away.
        """
        return self.pausing(seconds).run()

    def pausing(self, seconds: float) -> store.Step[float]:
        """`pause`, as a step to be run with others."""
        return self._step(self._pause, float, max(0.0, seconds))

    def waiting(self) -> Waiting:
        """Return who waits, for people and metrics.

        Raises:
            StoreUnavailable: Redis is away.
        """

        def read(answer: Any) -> Waiting:
            return Waiting(int(answer[0]), int(answer[1]), float(answer[2]))

        return self._step(self._waiting, read).run()

    def _step(
        self, script: Script, read: Callable[[Any], store.T], *args: str | int | float
    ) -> store.Step[store.T]:
        return store.Step(script, self._keys, [*self._common, *args], read)


def _told(headers: Mapping[str, str]) -> list[int]:
    """Return the limits and what remains, -1 where nothing is said; empty when nothing is."""
    found = [_number(headers, kind, name) for name in ("limit", "remaining") for kind in KINDS]
    return found if max(found) >= 0 else []


def _number(headers: Mapping[str, str], kind: str, name: str) -> int:
    try:
        return int(headers[f"anthropic-ratelimit-{kind}-{name}"])
    except (KeyError, ValueError):  # absent, or nothing that we understand
        return -1

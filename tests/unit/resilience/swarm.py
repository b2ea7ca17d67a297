"""What many threads of many processes do at once; importable by a spawned process."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import redis

from axiom.resilience import store
from axiom.resilience.budget import Budget, Reserved
from axiom.resilience.bulkhead import Bulkhead, Entered
from axiom.resilience.rate_limit import KINDS, NOTHING, Costs, Granted, Limits, Policy, RateLimit

LIMITS = Limits(requests=400, input_tokens=20_000, output_tokens=8_000)  # per 2 s
POLICY = Policy(period_s=2.0, grace_s=0.5)


@dataclass(frozen=True)
class Call:
    """A call that was made; times are of the machine's monotonic clock."""

    sent_at: float
    done_at: float
    waited_s: float
    actual: Costs


class Service:
    """Refuses a request when a bucket lacks what it needs; output is charged when it is known.

    It holds as much as it lets through in one period, and begins full.
    """

    def __init__(self, started_at: float, limits: Limits = LIMITS) -> None:
        self.limits = (limits.requests, limits.input_tokens, limits.output_tokens)
        self.levels, self.at, self.refusals_at = list(self.limits), started_at, list[float]()
        self._lock = threading.Lock()

    def asked(self, at: float, actual: Costs) -> bool:
        with self._lock:
            self._flow(at)
            needs = (actual.requests, actual.input_tokens, 1)
            if any(level < need for level, need in zip(self.levels, needs, strict=True)):
                self.refusals_at.append(at)
                return False
            self.levels[0] -= actual.requests
            self.levels[1] -= actual.input_tokens
            return True

    def answered(self, at: float, actual: Costs) -> dict[str, str]:
        with self._lock:
            self._flow(at)
            self.levels[2] -= actual.output_tokens
            said = zip(KINDS, self.limits, self.levels, strict=True)
            return {
                f"anthropic-ratelimit-{kind}-{name}": str(int(max(0, number)))
                for kind, limit, level in said
                for name, number in (("limit", limit), ("remaining", level))
            }

    def _flow(self, at: float) -> None:
        for kind, limit in enumerate(self.limits):
            more = max(0.0, at - self.at) * limit / POLICY.period_s
            self.levels[kind] = min(limit, self.levels[kind] + more)
        self.at = max(at, self.at)


@dataclass(frozen=True)
class Habits:
    """How a caller behaves."""

    seconds: float
    output: int  # tokens of a call, on average
    exaggeration: int = 4  # of its output, in estimates
    late_s: float = 0.0  # comes back up to so much later than it promised
    limits: Limits = LIMITS  # what it believes at first
    service: Service | None = None


def call_away(client: redis.Redis, habits: Habits, seed: int) -> list[Call]:
    """Call as fast as one thread is let."""
    limit, rng = RateLimit(client, "model", habits.limits, POLICY), random.Random(seed)
    calls, ends = list[Call](), time.monotonic() + habits.seconds
    while time.monotonic() < ends:
        actual = Costs(
            rng.randint(50, 150), rng.randint(habits.output // 2, habits.output * 3 // 2)
        )
        if call := one_call(limit, actual, habits, rng):
            calls.append(call)
    return calls


def one_call(limit: RateLimit, actual: Costs, habits: Habits, rng: random.Random) -> Call | None:
    ticket, asked_at = uuid.uuid4().hex, time.monotonic()
    estimate = Costs(actual.input_tokens + 10, actual.output_tokens * habits.exaggeration)
    while not isinstance(answer := limit.acquire(ticket, estimate), Granted):
        time.sleep(answer.seconds + rng.uniform(0, habits.late_s))
    sent_at = time.monotonic()
    if habits.service and not habits.service.asked(sent_at, actual):
        limit.settle(ticket, NOTHING)
        limit.pause(0.05)
        return None
    time.sleep(rng.uniform(0.005, 0.03))  # the service at work
    done_at = time.monotonic()
    limit.settle(ticket, actual)
    if habits.service:
        limit.correct(habits.service.answered(done_at, actual))
    return Call(sent_at, done_at, sent_at - asked_at, actual)


def reserve_all(client: redis.Redis, calls: Sequence[str], limit_usd: float) -> list[str]:
    budget = Budget(client)
    return [
        call
        for call in calls
        if isinstance(budget.reserve(call, {"day": limit_usd}, 0.01), Reserved)
    ]


def crowd(client: redis.Redis, rounds: int, places: int, seed: int) -> list[int]:
    """Go in and out; return how many were inside, as counted by another hand."""
    bulkhead, seen = Bulkhead(client, "crowd", places), list[int]()
    for turn in range(rounds):
        holder = f"{seed}-{turn}"
        if isinstance(bulkhead.enter(holder, 30), Entered):
            seen.append(int(client.incr("inside")))
            client.decr("inside")
            bulkhead.leave(holder)
    return seen


def in_threads(work: Callable[..., list[Any]], args: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Do the work in one thread for each tuple of arguments; return all results in one list."""
    with ThreadPoolExecutor(len(args)) as pool:
        return [one for found in pool.map(lambda each: work(*each), args) for one in found]


def in_processes(
    url: str, work: Callable[..., list[Any]], args: Sequence[Sequence[tuple[Any, ...]]]
) -> list[Any]:
    """Do the work in one process for each group of threads' arguments."""
    with ProcessPoolExecutor(len(args), mp_context=get_context("spawn")) as pool:
        list(pool.map(abs, range(4 * len(args))))  # all have started
        found = pool.map(_threads_of_one_process, [url] * len(args), [work] * len(args), args)
        return [one for process in found for one in process]


def _threads_of_one_process(
    url: str, work: Callable[..., list[Any]], args: Sequence[tuple[Any, ...]]
) -> list[Any]:
    with store.connect(url) as client:
        return in_threads(work, [(client, *each) for each in args])

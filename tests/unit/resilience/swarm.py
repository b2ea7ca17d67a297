"""What many threads of many processes do at once; importable by a spawned process."""

from __future__ import annotations

import random
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
from axiom.resilience.rate_limit import Costs, Granted, Limits, Policy, RateLimit

LIMITS = Limits(requests=400, input_tokens=20_000, output_tokens=8_000)  # per 2 s
POLICY = Policy(period_s=2.0, grace_s=0.5)


@dataclass(frozen=True)
class Call:
    """A call that was made; times are of the machine's monotonic clock."""

    sent_at: float
    done_at: float
    waited_s: float
    actual: Costs


def call_away(client: redis.Redis, seconds: float, output: int, seed: int) -> list[Call]:
    """Call as fast as one thread is let, with outputs estimated at four times the fact."""
    limit, rng = RateLimit(client, "model", LIMITS, POLICY), random.Random(seed)
    calls, ends = list[Call](), time.monotonic() + seconds
    while time.monotonic() < ends:
        actual = Costs(rng.randint(50, 150), rng.randint(output // 2, output * 3 // 2))
        estimate = Costs(actual.input_tokens + 10, actual.output_tokens * 4)
        calls.append(one_call(limit, estimate, actual, rng.uniform(0.005, 0.03)))
    return calls


def one_call(limit: RateLimit, estimate: Costs, actual: Costs, latency_s: float) -> Call:
    ticket, asked_at = uuid.uuid4().hex, time.monotonic()
    while not isinstance(answer := limit.acquire(ticket, estimate), Granted):
        time.sleep(answer.seconds)
    sent_at = time.monotonic()
    time.sleep(latency_s)  # the service at work
    done_at = time.monotonic()
    limit.settle(ticket, actual)
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

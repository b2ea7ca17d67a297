"""At saturation the limit is used up, and never overrun, by threads and by processes.

The service is a token bucket that refuses, with time scaled down: its limits are per two
seconds instead of per minute, and it holds as much as it lets through in one period.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from statistics import mean

import pytest
import redis

from axiom.resilience.rate_limit import Limits
from tests.unit.resilience.swarm import LIMITS, POLICY, Call, call_away, in_processes, in_threads

SECONDS = 5.0
LITTLE_OUTPUT, MUCH_OUTPUT = 20, 80  # with the second, output tokens are what is short


class Service:
    """Refuses a request when a bucket lacks what it needs; output is charged when it is known."""

    def __init__(self, limits: Limits, period_s: float, started_at: float) -> None:
        self.limits = (limits.requests, limits.input_tokens, limits.output_tokens)
        self.levels, self.period_s, self.at = list(self.limits), period_s, started_at
        self.refused = 0

    def flow(self, at: float) -> None:
        for kind, limit in enumerate(self.limits):
            more = (at - self.at) * limit / self.period_s
            self.levels[kind] = min(limit, self.levels[kind] + more)
        self.at = at

    def asked(self, call: Call) -> None:
        needs = (call.actual.requests, call.actual.input_tokens, 1)
        if any(level < need for level, need in zip(self.levels, needs, strict=True)):
            self.refused += 1
            return
        self.levels[0] -= call.actual.requests
        self.levels[1] -= call.actual.input_tokens

    def answered(self, call: Call) -> None:
        self.levels[2] -= call.actual.output_tokens


def refusals(calls: Sequence[Call]) -> int:
    service = Service(LIMITS, POLICY.period_s, min(call.sent_at for call in calls))
    moments = [(call.sent_at, service.asked, call) for call in calls]
    moments += [(call.done_at, service.answered, call) for call in calls]
    for at, happens, call in sorted(moments, key=itemgetter(0)):
        service.flow(at)
        happens(call)
    return service.refused


def part_used(calls: Sequence[Call]) -> float:
    """Return how much was used of what flows in, of the bucket that is used most."""
    periods = (max(c.sent_at for c in calls) - min(c.sent_at for c in calls)) / POLICY.period_s
    return max(
        len(calls) / periods / LIMITS.requests,
        sum(call.actual.input_tokens for call in calls) / periods / LIMITS.input_tokens,
        sum(call.actual.output_tokens for call in calls) / periods / LIMITS.output_tokens,
    )


def check(calls: list[Call], callers: int) -> None:
    span = max(call.sent_at for call in calls) - min(call.sent_at for call in calls)
    fair_share_s = span * callers / len(calls)  # each caller's turn comes once in so long
    assert refusals(calls) == 0
    assert part_used(calls) >= 0.9
    assert max(call.waited_s for call in calls) <= 2 * fair_share_s
    print(
        f"{len(calls)} calls, {part_used(calls):.1%} used; waited {mean(c.waited_s for c in calls):.3f} s, "
        f"at most {max(c.waited_s for c in calls):.3f} s, fair share {fair_share_s:.3f} s"
    )


@pytest.mark.parametrize("output", [LITTLE_OUTPUT, MUCH_OUTPUT])
def test_threads_use_up_the_limit_and_never_overrun_it(client: redis.Redis, output: int) -> None:
    calls = in_threads(call_away, [(client, SECONDS, output, seed) for seed in range(16)])
    check(calls, callers=16)


def test_processes_use_up_the_limit_and_never_overrun_it(redis_url: str) -> None:
    work = [[(SECONDS, LITTLE_OUTPUT, 10 * p + t) for t in range(4)] for p in range(4)]
    check(in_processes(redis_url, call_away, work), callers=16)


def test_the_service_of_this_test_refuses_an_overrun() -> None:
    from axiom.resilience.rate_limit import Costs

    burst = [Call(0.001 * n, 0.001 * n + 1, 0, Costs(100, 1)) for n in range(300)]
    assert refusals(burst) > 50

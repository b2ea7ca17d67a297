"""At saturation the limit is used up, and never overrun, by threads and by processes.

The service is a token bucket that refuses, with time scaled down: its limits are per two
seconds instead of per minute.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import pytest
import redis

from axiom.resilience.rate_limit import Costs, Limits
from tests.unit.resilience.swarm import (
    LIMITS,
    POLICY,
    Call,
    Habits,
    Service,
    call_away,
    in_processes,
    in_threads,
)

LITTLE_OUTPUT = Habits(seconds=4.0, output=20)
JITTER_S = 0.2  # what a busy machine adds, which the scaled time makes large
MUCH_OUTPUT = Habits(seconds=4.0, output=80)  # it is output tokens that are short
WORST_CASES = Habits(seconds=4.0, output=20, exaggeration=50)  # one of them fills a burst

pytestmark = pytest.mark.alone


def refusals(calls: Sequence[Call]) -> int:
    """Return how many calls a service would have refused, had they come to it."""
    service = Service(min(call.sent_at for call in calls))
    moments = [(call.sent_at, service.asked, call) for call in calls]
    moments += [(call.done_at, service.answered, call) for call in calls]
    for at, happens, call in sorted(moments, key=itemgetter(0)):
        happens(at, call.actual)
    return len(service.refusals_at)


def span_s(calls: Sequence[Call]) -> float:
    return max(call.sent_at for call in calls) - min(call.sent_at for call in calls)


def part_used(calls: Sequence[Call]) -> float:
    """Return how much was used of what flows in, of the bucket that is used most."""
    periods = span_s(calls) / POLICY.period_s
    return max(
        len(calls) / periods / LIMITS.requests,
        sum(call.actual.input_tokens for call in calls) / periods / LIMITS.input_tokens,
        sum(call.actual.output_tokens for call in calls) / periods / LIMITS.output_tokens,
    )


def longest_wait_in_fair_shares(calls: Sequence[Call], callers: int) -> float:
    """A fair share is the time in which each caller's turn comes once."""
    longest_s = max(call.waited_s for call in calls) - JITTER_S
    return longest_s / (span_s(calls) * callers / len(calls))


@pytest.mark.parametrize(
    "habits", [LITTLE_OUTPUT, MUCH_OUTPUT, WORST_CASES], ids=["input", "output", "worst cases"]
)
def test_threads_use_up_the_limit_and_never_overrun_it(client: redis.Redis, habits: Habits) -> None:
    service = Service(time.monotonic())
    habits = replace(habits, service=service)
    calls = in_threads(call_away, [(client, habits, seed) for seed in range(16)])
    assert service.refusals_at == []
    assert part_used(calls) >= 0.9
    assert longest_wait_in_fair_shares(calls, 16) <= 2


def test_processes_use_up_the_limit_and_never_overrun_it(redis_url: str) -> None:
    work = [[(LITTLE_OUTPUT, 10 * p + t) for t in range(4)] for p in range(4)]
    calls = in_processes(redis_url, call_away, work)
    assert refusals(calls) == 0
    assert part_used(calls) >= 0.9
    assert longest_wait_in_fair_shares(calls, 16) <= 2


def test_coming_back_late_wastes_little(client: redis.Redis) -> None:
    late = replace(LITTLE_OUTPUT, late_s=0.05)
    calls = in_threads(call_away, [(client, late, seed) for seed in range(16)])
    assert refusals(calls) == 0
    assert part_used(calls) >= 0.9


def test_limits_that_are_set_too_high_are_put_right_by_the_first_answers(
    client: redis.Redis,
) -> None:
    service = Service(time.monotonic())
    believed = Limits(*(3 * limit for limit in service.limits))
    habits = replace(LITTLE_OUTPUT, limits=believed, service=service)
    calls = in_threads(call_away, [(client, habits, seed) for seed in range(16)])
    assert service.refusals_at == []
    assert part_used(calls) >= 0.9


def test_the_service_of_these_tests_refuses_an_overrun() -> None:
    burst = [Call(0.001 * n, 0.001 * n + 1, 0, Costs(100, 1)) for n in range(300)]
    assert refusals(burst) > 50

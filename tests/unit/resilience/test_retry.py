from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from axiom.errors import BreakerOpen, BudgetSpent, RateLimited
from axiom.resilience.retry import Policy, Retrying, retrying


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Failing:
    """Fails with each error in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trying(
    clock: Clock,
    policy: Policy | None = None,
    worth_it: Callable[[BaseException], bool] = lambda _: True,
    seed: int = 1,
) -> Retrying:
    return retrying(
        policy or Policy(attempts=10, total_s=1e9),
        worth_it=worth_it,
        retry_after_s=lambda error: getattr(error, "retry_after_s", None),
        clock=clock,
        sleep=clock.sleep,
        rng=random.Random(seed),
    )


def test_returns_the_answer_of_a_later_attempt(clock: Clock) -> None:
    work = Failing(OSError(), OSError())
    assert trying(clock)(work) == "answer"
    assert (work.calls, len(clock.slept)) == (3, 2)


def test_does_not_retry_what_is_not_worth_it(clock: Clock) -> None:
    work = Failing(ValueError("bad request"))
    with pytest.raises(ValueError, match="bad request"):
        trying(clock, worth_it=lambda error: isinstance(error, OSError))(work)
    assert (work.calls, clock.slept) == (1, [])


@pytest.mark.parametrize("refusal", [BreakerOpen("open", 5.0), BudgetSpent("spent")])
def test_never_retries_our_own_refusals(clock: Clock, refusal: Exception) -> None:
    work = Failing(refusal)
    with pytest.raises(type(refusal)):
        trying(clock, worth_it=lambda _: True)(work)
    assert work.calls == 1


def test_raises_the_last_error_as_it_is(clock: Clock) -> None:
    errors = [OSError(str(n)) for n in range(3)]
    with pytest.raises(OSError, match="2") as caught:
        trying(clock, Policy(attempts=3, total_s=1e9))(Failing(*errors))
    assert caught.value is errors[2]


def test_waits_double_within_a_ceiling_with_full_jitter(clock: Clock) -> None:
    policy = Policy(attempts=8, base_s=1, ceiling_s=10, total_s=1e9)
    waits = [list[float]() for _ in range(7)]
    for seed in range(300):
        clock.slept = []
        trying(clock, policy, seed=seed)(Failing(*[OSError()] * 7))
        for seen, wait in zip(waits, clock.slept, strict=True):
            seen.append(wait)
    for seen, top in zip(waits, (1, 2, 4, 8, 10, 10, 10), strict=True):
        assert 0 <= min(seen) < 0.05 * top
        assert 0.95 * top < max(seen) <= top


def test_obeys_retry_after(clock: Clock) -> None:
    policy = Policy(base_s=0.5, ceiling_s=20)
    assert trying(clock, policy)(Failing(RateLimited("429", retry_after_s=12))) == "answer"
    assert 12 <= clock.slept[0] <= 12.5


def test_gives_up_when_told_to_come_back_later_than_the_ceiling(clock: Clock) -> None:
    work = Failing(RateLimited("429", retry_after_s=21))
    with pytest.raises(RateLimited) as caught:
        trying(clock, Policy(ceiling_s=20))(work)
    assert (caught.value.retry_after_s, work.calls, clock.slept) == (21, 1, [])


def test_begins_no_attempt_after_the_total_time(clock: Clock) -> None:
    policy = Policy(attempts=1000, base_s=1, ceiling_s=10, total_s=30)
    with pytest.raises(OSError, match="down"):
        trying(clock, policy)(Failing(*[OSError("down")] * 1000))
    assert 20 <= sum(clock.slept) <= 30


def test_time_spent_in_attempts_counts(clock: Clock) -> None:
    def slow() -> None:
        clock.now += 50
        raise OSError("slow")

    with pytest.raises(OSError, match="slow"):
        trying(clock, Policy(attempts=9, total_s=90))(slow)
    assert clock.now < 1000 + 90 + 50
    assert len(clock.slept) == 1

from __future__ import annotations

import threading

import pytest
import redis

from axiom.resilience.breaker import Allowed, Breaker, Open, Outcome, Policy, State, Transition
from tests.unit.resilience.waiting import eventually

OK, FAILED, IGNORED = Outcome.OK, Outcome.SERVICE_FAILURE, Outcome.IGNORED
QUICK = Policy(failures=2, window_s=30, cool_down_s=0.15, ceiling_s=0.5, probe_lease_s=30)
PATIENT = Policy(failures=2, window_s=30, cool_down_s=60, ceiling_s=600, probe_lease_s=30)


def opened(client: redis.Redis, policy: Policy) -> Breaker:
    breaker = Breaker(client, "claude", policy)
    for _ in range(policy.failures):
        breaker.record("w", FAILED)
    assert breaker.status().state is State.OPEN
    return breaker


def probing(client: redis.Redis, policy: Policy, holder: str = "probe") -> Breaker:
    breaker = opened(client, policy)
    eventually(lambda: _allowed(breaker, holder))
    return breaker


def test_is_closed_at_first(client: redis.Redis) -> None:
    assert Breaker(client, "claude").allow("w") == Allowed(probe=False)


def test_opens_on_every_worker_at_once_after_enough_failures(client: redis.Redis) -> None:
    one, other = (Breaker(client, "claude", PATIENT) for _ in range(2))
    assert one.record("a", FAILED) is None
    assert other.allow("b") == Allowed()
    assert other.record("b", FAILED) == Transition(
        "claude", State.CLOSED, State.OPEN, cool_down_s=60.0, failures=2
    )
    for breaker in (one, other):
        refused = breaker.allow("c")
        assert isinstance(refused, Open)
        assert 59 < refused.retry_in_s <= 60


def test_another_service_has_another_breaker(client: redis.Redis) -> None:
    opened(client, PATIENT)
    assert Breaker(client, "other", PATIENT).allow("w") == Allowed()


def test_our_own_refusals_never_open_it(client: redis.Redis) -> None:
    breaker = Breaker(client, "claude", PATIENT)
    assert [breaker.record("w", IGNORED) for _ in range(50)] == [None] * 50
    assert breaker.allow("w") == Allowed()


def test_failures_of_long_ago_do_not_count(client: redis.Redis) -> None:
    breaker = Breaker(client, "claude", Policy(failures=2, window_s=0.3, cool_down_s=60))
    breaker.record("w", FAILED)
    eventually(lambda: breaker.status().failures == 0)
    assert breaker.record("w", FAILED) is None
    assert breaker.allow("w") == Allowed()


def test_can_want_a_part_of_all_calls_to_fail(client: redis.Redis) -> None:
    breaker = Breaker(client, "claude", Policy(failures=2, part=0.5))
    for outcome in (OK, OK, OK, FAILED, FAILED):
        assert breaker.record("w", outcome) is None
    transition = breaker.record("w", FAILED)
    assert transition
    assert transition.after is State.OPEN


def test_the_first_to_ask_after_the_cool_down_is_the_one_probe(client: redis.Redis) -> None:
    breaker = opened(client, QUICK)
    first = eventually(lambda: _allowed(breaker, "first"))
    assert first == Allowed(
        probe=True, transition=Transition("claude", State.OPEN, State.HALF_OPEN)
    )
    second = breaker.allow("second")
    assert isinstance(second, Open)
    assert 0 < second.retry_in_s <= QUICK.cool_down_s
    assert breaker.allow("first") == Allowed(probe=True)  # and keeps its lease


def test_of_many_threads_one_is_the_probe(client: redis.Redis) -> None:
    breaker = opened(client, QUICK)
    eventually(lambda: breaker.status().retry_in_s == 0)
    together, answers = threading.Barrier(16), list[Allowed | Open]()

    def ask(holder: str) -> None:
        together.wait(5)
        answers.append(breaker.allow(holder))

    threads = [threading.Thread(target=ask, args=(str(n),)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(answers) == 16
    assert sum(isinstance(answer, Allowed) for answer in answers) == 1


def test_the_probes_success_closes_it(client: redis.Redis) -> None:
    breaker = probing(client, QUICK)
    assert breaker.record("probe", OK) == Transition("claude", State.HALF_OPEN, State.CLOSED)
    assert breaker.allow("w") == Allowed()
    assert breaker.record("w", FAILED) is None  # it counts from nothing again


def test_the_probes_failure_opens_it_for_longer_up_to_a_ceiling(client: redis.Redis) -> None:
    breaker = opened(client, QUICK)
    cool_downs = list[float]()
    for _ in range(3):
        eventually(lambda: _allowed(breaker, "probe"))
        transition = breaker.record("probe", FAILED)
        assert transition
        assert (transition.before, transition.after) == (State.HALF_OPEN, State.OPEN)
        cool_downs.append(transition.cool_down_s)
    assert cool_downs == [0.3, 0.5, 0.5]


def test_a_probe_that_learnt_nothing_lets_another_one_try(client: redis.Redis) -> None:
    breaker = probing(client, QUICK)
    assert breaker.record("probe", IGNORED) is None
    assert breaker.allow("next") == Allowed(probe=True)


def test_a_dead_probe_loses_its_lease(client: redis.Redis) -> None:
    policy = Policy(failures=1, cool_down_s=0.05, probe_lease_s=1)
    breaker = probing(client, policy, holder="dead")
    assert isinstance(breaker.allow("next"), Open)
    assert eventually(lambda: _allowed(breaker, "next")) == Allowed(probe=True)
    assert breaker.record("dead", FAILED) is None  # it was only slow; the probe is another's
    assert breaker.record("next", OK) is not None


def test_echoes_of_calls_from_before_change_nothing(client: redis.Redis) -> None:
    breaker = opened(client, PATIENT)
    assert [breaker.record("late", outcome) for outcome in (OK, FAILED, IGNORED)] == [None] * 3
    assert isinstance(breaker.allow("w"), Open)
    half_open = Breaker(client, "second", QUICK)
    half_open.record("w", FAILED)
    half_open.record("w", FAILED)
    eventually(lambda: _allowed(half_open, "probe"))
    assert [half_open.record("late", outcome) for outcome in (OK, FAILED)] == [None, None]
    assert half_open.status().state is State.HALF_OPEN


def test_calls_from_before_it_opened_do_not_open_it_again_when_it_has_closed(
    client: redis.Redis,
) -> None:
    breaker = Breaker(client, "claude", QUICK)
    old = [breaker.allow(f"old{n}") for n in range(3)]
    for n in range(QUICK.failures):
        breaker.record(f"w{n}", FAILED)
    eventually(lambda: _allowed(breaker, "probe"))
    breaker.record("probe", OK)
    assert breaker.status().state is State.CLOSED
    for n, before in enumerate(old):
        assert isinstance(before, Allowed)
        assert breaker.record(f"old{n}", FAILED, before.generation) is None
    assert breaker.status().failures == 0
    fresh = breaker.allow("fresh")
    assert isinstance(fresh, Allowed)
    breaker.record("fresh", FAILED, fresh.generation)
    assert breaker.status().failures == 1


def test_nothing_is_left_for_ever(client: redis.Redis) -> None:
    breaker = probing(client, QUICK)
    keys = client.keys()
    assert keys
    assert all(0 < client.ttl(key) <= 86400 for key in keys)
    breaker.record("probe", OK)
    assert client.hkeys(client.keys()[0]) == ["generation"]
    assert all(0 < client.ttl(key) <= 86400 for key in client.scan_iter())


@pytest.mark.parametrize("threads", [8])
def test_exactly_one_caller_is_told_that_it_opened(client: redis.Redis, threads: int) -> None:
    breaker, told = Breaker(client, "claude", PATIENT), list[Transition]()

    def fail() -> None:
        for _ in range(20):
            if transition := breaker.record("w", FAILED):
                told.append(transition)

    crowd = [threading.Thread(target=fail) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(10)
    assert [transition.after for transition in told] == [State.OPEN]


def _allowed(breaker: Breaker, holder: str) -> Allowed | None:
    answer = breaker.allow(holder)
    return answer if isinstance(answer, Allowed) else None

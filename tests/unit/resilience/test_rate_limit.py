from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from axiom.resilience.rate_limit import (
    KINDS,
    NOTHING,
    Costs,
    Granted,
    Limits,
    Policy,
    RateLimit,
    Wait,
)
from tests.unit.resilience.waiting import eventually

# By the hour: in a test hardly anything flows back, so that sums can be told.
LIMITS = Limits(requests=60, input_tokens=6000, output_tokens=3000)
HOURLY = Policy(period_s=3600, burst=0.5, margin=None, longest_wait_s=7200, grace_s=60)
ONE = Costs(input_tokens=1000, output_tokens=100)
HOUR = 3600


@pytest.fixture
def limit(client: redis.Redis) -> RateLimit:
    return RateLimit(client, "haiku", LIMITS, HOURLY)


@pytest.fixture
def tickets() -> Iterator[str]:
    return (f"ticket-{n}" for n in itertools.count())


def waited(answer: Granted | Wait) -> float:
    assert isinstance(answer, Wait), answer
    return answer.estimate_s


def take(limit: RateLimit, ticket: str, costs: Costs = ONE) -> None:
    assert limit.acquire(ticket, costs) == Granted()


def fill(limit: RateLimit, tickets: Iterator[str]) -> list[str]:
    """Grant all three calls that the burst of input tokens has room for."""
    taken = [next(tickets) for _ in range(3)]
    for ticket in taken:
        take(limit, ticket)
    return taken


@pytest.mark.parametrize(
    ("costs", "granted"),
    [
        (Costs(1, 1), 30),  # requests: half of 60
        (Costs(1000, 1), 3),  # input tokens: half of 6000
        (Costs(1, 500), 3),  # output tokens: half of 3000
    ],
)
def test_each_bucket_limits(
    limit: RateLimit, tickets: Iterator[str], costs: Costs, granted: int
) -> None:
    for _ in range(granted):
        take(limit, next(tickets), costs)
    assert isinstance(limit.acquire(next(tickets), costs), Wait)


def test_models_have_buckets_of_their_own(
    client: redis.Redis, limit: RateLimit, tickets: Iterator[str]
) -> None:
    fill(limit, tickets)
    take(RateLimit(client, "opus", LIMITS, HOURLY), "ticket")


def test_the_estimate_is_the_time_until_enough_has_flowed_in(
    limit: RateLimit, tickets: Iterator[str]
) -> None:
    fill(limit, tickets)
    assert waited(limit.acquire("first", ONE)) == pytest.approx(HOUR / 6, abs=5)
    assert waited(limit.acquire("second", ONE)) == pytest.approx(2 * HOUR / 6, abs=5)
    assert waited(limit.acquire("first", ONE)) == pytest.approx(HOUR / 6, abs=5)


def test_is_told_to_look_again_before_a_long_estimate_is_over(
    client: redis.Redis, tickets: Iterator[str]
) -> None:
    limit = RateLimit(client, "haiku", LIMITS, Policy(period_s=3600, burst=0.5, longest_wait_s=60))
    limit.settle(fill(limit, tickets)[0], ONE)
    answer = limit.acquire("waiting", ONE)
    assert isinstance(answer, Wait)
    assert (answer.seconds, answer.is_short()) == (60, False)
    assert answer.estimate_s == pytest.approx(HOUR / 6, abs=5)
    assert answer.is_short(hold_s=60)


def test_looks_again_soon_while_the_first_calls_have_yet_to_show_what_calls_cost(
    client: redis.Redis, tickets: Iterator[str]
) -> None:
    limit = RateLimit(client, "haiku", LIMITS, Policy(period_s=3600, burst=0.5))
    first = fill(limit, tickets)[0]
    answer = limit.acquire("waiting", ONE)
    assert isinstance(answer, Wait)
    assert (answer.seconds, answer.estimate_s) == (0.5, pytest.approx(HOUR / 6, abs=5))
    limit.settle(first, Costs(100, 1))
    take(limit, "waiting", ONE)


def test_buckets_fill_again(client: redis.Redis, tickets: Iterator[str]) -> None:
    limit = RateLimit(client, "haiku", LIMITS, Policy(period_s=3, burst=0.5))
    fill(limit, tickets)
    answer = limit.acquire("next", ONE)
    assert isinstance(answer, Wait)
    assert 0 < answer.seconds <= 0.5
    eventually(lambda: limit.acquire("next", ONE) == Granted())


def test_a_call_dearer_than_a_burst_goes_when_the_bucket_is_full(limit: RateLimit) -> None:
    take(limit, "dear", Costs(5000, 1))
    assert waited(limit.acquire("next", Costs(1, 1))) > HOUR / 3  # 2000 were overdrawn


def test_who_came_first_goes_first(limit: RateLimit, tickets: Iterator[str]) -> None:
    taken = fill(limit, tickets)
    for ticket in ("first", "second"):
        limit.acquire(ticket, ONE)
    limit.settle(taken[0], NOTHING)
    assert isinstance(limit.acquire("second", ONE), Wait)
    assert isinstance(limit.acquire("late", ONE), Wait)
    take(limit, "first")


def test_a_small_call_does_not_jump_the_queue(limit: RateLimit, tickets: Iterator[str]) -> None:
    fill(limit, tickets)
    limit.acquire("dear", Costs(3000, 1))
    assert isinstance(limit.acquire("small", Costs(1, 1)), Wait)


def test_who_does_no_harm_to_those_ahead_need_not_wait_for_them(
    limit: RateLimit, tickets: Iterator[str]
) -> None:
    taken = fill(limit, tickets)
    limit.acquire("away", ONE)
    limit.settle(taken[0], NOTHING)
    limit.settle(taken[1], NOTHING)
    take(limit, "behind")  # there was room for two
    assert isinstance(limit.acquire("third", ONE), Wait)
    take(limit, "away")


def test_a_dead_head_does_not_block_and_has_its_turn_again_when_it_was_only_late(
    client: redis.Redis, tickets: Iterator[str]
) -> None:
    policy = Policy(period_s=3600, burst=0.5, margin=None, longest_wait_s=0.2, grace_s=0.3)
    limit = RateLimit(client, "haiku", LIMITS, policy)
    taken = fill(limit, tickets)
    limit.acquire("head", ONE)
    limit.acquire("behind", ONE)
    limit.settle(taken[0], NOTHING)
    eventually(lambda: limit.acquire("behind", ONE) == Granted())
    assert isinstance(limit.acquire("third", ONE), Wait)
    limit.acquire("head", ONE)
    limit.settle(taken[1], NOTHING)
    assert isinstance(limit.acquire("third", ONE), Wait)
    take(limit, "head")


def test_who_is_late_each_time_is_waited_for_longer_each_time(client: redis.Redis) -> None:
    policy = Policy(period_s=3600, burst=0.5, margin=None, longest_wait_s=0.05, grace_s=0.1)
    limit = RateLimit(client, "m", LIMITS, policy)
    take(limit, "all", Costs(2900, 100))
    big, small = Costs(2000, 100), Costs(10, 10)

    for n in range(3):
        assert isinstance(limit.acquire("big", big), Wait)
        assert isinstance(limit.acquire(f"small{n}", small), Wait)
        eventually(lambda n=n: isinstance(limit.acquire(f"small{n}", small), Granted))  # it is late
    assert isinstance(limit.acquire("big", big), Wait)
    asked = client.hget("axiom:limits:{rate:m}:waiting", "big")
    assert float(str(asked).split()[4]) == pytest.approx(0.8)


def test_one_odd_answer_does_not_stop_everyone_for_long(
    limit: RateLimit, tickets: Iterator[str]
) -> None:
    flying = [next(tickets) for _ in range(3)]
    for ticket in flying:
        take(limit, ticket)
    odd = {f"anthropic-ratelimit-{k}-{n}": "1" for k in KINDS for n in ("limit", "remaining")}
    limit.correct(odd)
    for ticket in flying[1:]:
        limit.settle(ticket, ONE)
    assert waited(limit.acquire(next(tickets), ONE)) <= HOUR


def test_a_ticket_that_stays_away_for_long_is_forgotten(
    client: redis.Redis, tickets: Iterator[str]
) -> None:
    policy = Policy(period_s=3600, burst=0.5, longest_wait_s=0.1, grace_s=0.1, turn_kept_s=0.2)
    limit = RateLimit(client, "haiku", LIMITS, policy)
    fill(limit, tickets)
    limit.acquire("dead", ONE)
    eventually(lambda: limit.acquire("alive", ONE) and _queue(client) == ["alive"])


def test_settling_gives_back_and_takes(limit: RateLimit, tickets: Iterator[str]) -> None:
    taken = fill(limit, tickets)
    assert limit.settle(taken[0], Costs(100, 100))
    assert limit.settle(taken[1], Costs(900, 100))
    take(limit, "next")  # 900 + 100
    assert limit.settle(taken[2], Costs(3000, 100))  # 2000 more than reserved
    assert waited(limit.acquire("last", ONE)) == pytest.approx(HOUR * 3000 / 6000, abs=5)


def test_settling_twice_is_settling_once(limit: RateLimit, tickets: Iterator[str]) -> None:
    taken = fill(limit, tickets)
    assert [limit.settle(taken[0], NOTHING) for _ in range(3)] == [True, False, False]
    assert not limit.settle("never heard of", NOTHING)
    take(limit, "one")
    assert isinstance(limit.acquire("two", ONE), Wait)


def test_a_released_ticket_leaves_the_queue_and_gives_all_back(
    limit: RateLimit, tickets: Iterator[str]
) -> None:
    taken = fill(limit, tickets)
    limit.acquire("gives up", ONE)
    assert not limit.release("gives up")  # it had nothing but its turn
    assert limit.release(taken[0])
    take(limit, "next")


def test_waiting_is_estimated_by_what_calls_have_cost_so_far(client: redis.Redis) -> None:
    generous = RateLimit(client, "haiku", Limits(1e9, 1e9, 1e9), HOURLY)
    for n in range(60):  # each costs a tenth of what it reserves
        take(generous, f"call-{n}", Costs(2000, 100))
        generous.settle(f"call-{n}", Costs(200, 100))
    limit = RateLimit(client, "haiku", LIMITS, HOURLY)
    while isinstance(limit.acquire("ahead", ONE), Granted):
        pass
    first, second = limit.acquire("ahead", ONE), limit.acquire("second", ONE)
    assert waited(second) - waited(first) == pytest.approx(HOUR * 100 / 6000, rel=0.1)


def test_reserves_what_calls_were_seen_to_cost_with_a_margin(client: redis.Redis) -> None:
    limit = RateLimit(client, "haiku", LIMITS, replace(HOURLY, margin=1.5))
    take(limit, "teaches", Costs(2000, 100))
    limit.settle("teaches", Costs(200, 100))  # a tenth of the input, all of the output
    for n in range(10):  # each takes 150 of the 2800 that are left, and 100 of 1400
        take(limit, f"call-{n}", Costs(1000, 100))
    assert limit.settle("call-0", Costs(2000, 100))  # more than it was thought to
    assert isinstance(limit.acquire("next", Costs(1000, 1)), Wait)


def test_what_a_dead_call_reserved_stays_spent(client: redis.Redis) -> None:
    policy = Policy(period_s=3600, burst=0.5, lease_s=0.2)
    limit = RateLimit(client, "haiku", LIMITS, policy)
    take(limit, "killed", Costs(1500, 1))
    eventually(lambda: _granted_after_another(client, limit) == [])
    assert not limit.settle("killed", NOTHING)
    assert isinstance(limit.acquire("next", Costs(1600, 1)), Wait)


def test_asking_again_after_a_grant_is_another_attempt(
    limit: RateLimit, tickets: Iterator[str]
) -> None:
    for _ in range(3):
        take(limit, "redelivered")
    assert isinstance(limit.acquire("redelivered", ONE), Wait)


def test_adopts_the_services_limits(limit: RateLimit, tickets: Iterator[str]) -> None:
    limit.correct({"anthropic-ratelimit-input-tokens-limit": "2000"})
    take(limit, "one")
    assert waited(limit.acquire("two", ONE)) == pytest.approx(HOUR / 2, abs=5)


def test_never_thinks_that_more_is_left_than_the_service_says(
    limit: RateLimit, tickets: Iterator[str]
) -> None:
    take(limit, "in flight", Costs(500, 1))
    limit.correct({"anthropic-ratelimit-input-tokens-remaining": "1000"})
    take(limit, "two", Costs(500, 1))
    assert waited(limit.acquire("three", Costs(500, 1))) == pytest.approx(HOUR / 12, abs=5)


def test_more_left_at_the_service_than_we_think_changes_nothing(
    limit: RateLimit, tickets: Iterator[str]
) -> None:
    fill(limit, tickets)
    limit.correct({"anthropic-ratelimit-input-tokens-remaining": "5999"})
    assert isinstance(limit.acquire("next", ONE), Wait)


@pytest.mark.parametrize("headers", [{}, {"anthropic-ratelimit-requests-limit": "many"}])
def test_headers_that_say_nothing_change_nothing(
    limit: RateLimit, client: redis.Redis, headers: dict[str, str]
) -> None:
    limit.correct(headers)
    assert client.keys() == []


def test_a_pause_is_for_everyone_and_a_shorter_one_does_not_end_it(
    client: redis.Redis, limit: RateLimit
) -> None:
    assert limit.pause(600) == pytest.approx(600, abs=1)
    assert limit.pause(5) == pytest.approx(600, abs=5)
    other = RateLimit(client, "haiku", LIMITS, HOURLY)
    assert waited(other.acquire("any", Costs(1, 1))) >= 595
    take(RateLimit(client, "opus", LIMITS, HOURLY), "another model's")


def test_after_a_pause_calls_go_at_the_rate_not_in_a_burst(client: redis.Redis) -> None:
    limit = RateLimit(client, "haiku", LIMITS, Policy(period_s=6, burst=0.5))
    limit.pause(0.3)
    assert waited(limit.acquire("one", ONE)) == pytest.approx(1.3, abs=0.2)
    eventually(lambda: limit.acquire("one", ONE) == Granted())
    assert isinstance(limit.acquire("two", ONE), Wait)


def test_nothing_is_left_for_ever(
    client: redis.Redis, limit: RateLimit, tickets: Iterator[str]
) -> None:
    taken = fill(limit, tickets)
    limit.acquire("waiting", ONE)
    limit.settle(taken[0], ONE)
    keys = client.keys()
    assert len(keys) == 4
    assert all(key.startswith("axiom:limits:{rate:haiku}:") for key in keys)
    assert all(0 < client.ttl(key) <= 86400 for key in keys)


def test_threads_take_no_more_than_there_is(client: redis.Redis) -> None:
    limit, granted = RateLimit(client, "haiku", LIMITS, HOURLY), list[str]()

    def work(thread: int) -> None:
        for n in range(10):
            ticket = f"{thread}-{n}"
            if limit.acquire(ticket, Costs(100, 1)) == Granted():
                granted.append(ticket)
            else:
                limit.release(ticket)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(granted) == 30


@pytest.mark.parametrize("limits", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_refuses_limits_that_let_nothing_through(limits: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Limits(*limits)


def test_refuses_negative_costs() -> None:
    with pytest.raises(ValueError, match="negative"):
        Costs(-1, 0)


def _queue(client: redis.Redis) -> list[str]:
    found: list[str] = client.zrange("axiom:limits:{rate:haiku}:queue", 0, -1)  # type: ignore
    return found


def _granted_after_another(client: redis.Redis, limit: RateLimit) -> list[str]:
    limit.acquire("probe", Costs(0, 0, requests=0))
    limit.release("probe")
    found: list[str] = client.hkeys("axiom:limits:{rate:haiku}:granted")  # type: ignore
    return found

from __future__ import annotations

import random
import uuid
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources

import pytest
import redis

from axiom.resilience.budget import Budget, OpenCall, Reserved, Spending, Spent, Untold
from tests.unit.resilience import swarm
from tests.unit.resilience.waiting import eventually

DAY, RUN = "day:2026-11-23", "run:7f3c"


def test_reserves_in_every_scope(client: redis.Redis) -> None:
    budget = Budget(client)
    assert budget.reserve("call", {DAY: 1, RUN: 0.5}, 0.4) == Reserved(is_new=True)
    assert budget.spent(DAY) == budget.spent(RUN) == Spending(0.0, 0.4)


def test_reserves_in_no_scope_when_one_cannot_pay(client: redis.Redis) -> None:
    budget = Budget(client)
    answer = budget.reserve("call", {DAY: 1, RUN: 0.3}, 0.4)
    assert answer == Spent(RUN, limit_usd=0.3, settled_usd=0.0, reserved_usd=0.0)
    assert budget.spent(DAY).total_usd == 0
    assert budget.open_calls() == []


def test_settling_gives_the_difference_back(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("a", {DAY: 1}, 0.9)
    refused = budget.reserve("b", {DAY: 1}, 0.2)
    assert isinstance(refused, Spent)
    assert (refused.spent_usd, refused.reserved_usd) == (0.9, 0.9)
    assert budget.settle("a", 0.1)
    assert isinstance(budget.reserve("b", {DAY: 1}, 0.9), Reserved)
    assert budget.spent(DAY) == Spending(settled_usd=0.1, reserved_usd=0.9)


def test_a_cost_above_the_worst_case_counts_in_full(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("a", {DAY: 1}, 0.5)
    budget.settle("a", 1.25)
    assert budget.spent(DAY) == Spending(1.25, 0.0)


def test_releasing_gives_all_back(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("a", {DAY: 1}, 0.5)
    assert budget.release("a")
    assert budget.spent(DAY) == Spending(0.0, 0.0)


def test_a_call_may_be_free(client: redis.Redis) -> None:
    budget = Budget(client)
    assert isinstance(budget.reserve("free", {DAY: 0}, 0), Reserved)
    assert isinstance(budget.reserve("unlimited", {}, 5), Reserved)
    assert [budget.settle("free", 0), budget.settle("unlimited", 5)] == [True, True]
    assert budget.spent(DAY) == Spending(0.0, 0.0)


def test_whatever_comes_twice_counts_once(client: redis.Redis) -> None:
    budget = Budget(client)
    assert budget.reserve("a", {DAY: 1}, 0.4) == Reserved(is_new=True)
    assert budget.reserve("a", {DAY: 1}, 0.4) == Reserved(is_new=False)
    assert [budget.settle("a", 0.3), budget.settle("a", 0.3), budget.release("a")] == [
        True, False, False,
    ]  # fmt: skip
    assert budget.spent(DAY) == Spending(0.3, 0.0)
    assert not budget.settle("never heard of", 0.3)


def test_what_somebody_goes_on_with_is_young_again_and_not_taken_for_dead(
    client: redis.Redis,
) -> None:
    budget = Budget(client)
    budget.reserve("a", {DAY: 1}, 0.4)
    eventually(lambda: bool(budget.open_calls(older_than_s=0.2)))
    assert budget.reserve("a", {DAY: 1}, 0.4) == Reserved(is_new=False)
    assert budget.open_calls(older_than_s=0.2) == []
    assert not budget.release("a", older_than_s=0.2)
    assert budget.spent(DAY) == Spending(0.0, 0.4)
    eventually(lambda: budget.release("a", older_than_s=0.2))
    assert budget.spent(DAY) == Spending(0.0, 0.0)


def test_an_attempt_after_the_settled_one_is_charged_again(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("a", {DAY: 1}, 0.4)
    budget.settle("a", 0.4)
    assert budget.reserve("a", {DAY: 1}, 0.4) == Reserved(is_new=True)
    assert budget.spent(DAY).total_usd == 0.8


def test_a_call_that_never_settles_stays_counted_and_is_listed_by_age(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("killed", {DAY: 1, RUN: 1}, 0.4)
    eventually(lambda: budget.open_calls(older_than_s=0.5))
    budget.reserve("young", {DAY: 1}, 0.1)
    lost = budget.open_calls(older_than_s=0.5)
    assert lost == [OpenCall("killed", lost[0].age_s, 0.4, (DAY, RUN))]
    assert 0.5 <= lost[0].age_s < 5
    assert [call.call_id for call in budget.open_calls()] == ["killed", "young"]
    assert budget.spent(DAY).total_usd == 0.5
    assert budget.settle("killed", lost[0].worst_usd)
    assert not budget.settle("killed", 0.01)  # it was not dead after all, and is too late
    assert budget.spent(DAY).settled_usd == 0.4


def test_a_raised_limit_holds_at_once(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("a", {DAY: 0.5}, 0.5)
    assert isinstance(budget.reserve("b", {DAY: 0.5}, 0.5), Spent)
    assert isinstance(budget.reserve("b", {DAY: 1.0}, 0.5), Reserved)


def test_costs_are_rounded_up_and_limits_down(client: redis.Redis) -> None:
    budget = Budget(client)
    assert isinstance(budget.reserve("a", {DAY: Decimal("0.0000019")}, 0.0000011), Spent)
    budget.reserve("b", {DAY: 1}, 0.1)
    budget.settle("b", Decimal("0.0000001"))
    assert budget.spent(DAY) == Spending(0.000001, 0.0)


@pytest.mark.parametrize("usd", [-0.1, float("nan"), float("inf")])
def test_refuses_what_is_no_amount(client: redis.Redis, usd: float) -> None:
    with pytest.raises(ValueError, match="not negative"):
        Budget(client).reserve("a", {DAY: 1}, usd)


def test_nothing_is_left_for_ever(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("a", {DAY: 1, RUN: 1}, 0.4)
    budget.reserve("b", {DAY: 1}, 0.4)
    budget.settle("a", 0.2)
    keys = client.keys()
    assert len(keys) == 4  # two scopes, the open call, the list
    assert all(key.startswith("axiom:limits:{budget}:") for key in keys)
    assert all(0 < client.ttl(key) <= 40 * 86400 for key in keys)


def test_any_order_of_events_leaves_the_books_right(client: redis.Redis) -> None:
    budget, rng = Budget(client), random.Random(7)
    open_usd, settled = dict[str, int](), 0
    for turn in range(300):
        deed = rng.choice(["reserve", "reserve", "settle", "release"])
        if deed == "reserve":
            worst = rng.randint(1, 9)
            if isinstance(budget.reserve(str(turn), {DAY: 1}, worst / 100), Reserved):
                open_usd[str(turn)] = worst
        elif open_usd:
            call, cost = open_usd.popitem()
            actual = rng.randint(0, cost)
            assert budget.settle(call, actual / 100) if deed == "settle" else budget.release(call)
            settled += actual if deed == "settle" else 0
        assert settled + sum(open_usd.values()) <= 100
        assert budget.spent(DAY) == Spending(settled / 100, sum(open_usd.values()) / 100)


def test_threads_never_overspend(client: redis.Redis) -> None:
    calls = [[uuid.uuid4().hex for _ in range(20)] for _ in range(16)]
    reserved = swarm.in_threads(swarm.reserve_all, [(client, each, 1.0) for each in calls])
    assert len(reserved) == 100
    assert Budget(client).spent("day").total_usd == 1.0


def test_processes_never_overspend(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        work = [[([f"{p}-{t}-{c}" for c in range(20)], 1.0) for t in range(4)] for p in range(4)]
        # every other one comes twice
        reserved = swarm.in_processes(redis_url, swarm.reserve_all, [*work, *work[:2]])
        assert len(set(reserved)) == 100
        assert Budget(client).spent("day").total_usd == 1.0


def today_by(client: redis.Redis, day: date) -> str:
    """What the scripts take for the day, at its last second."""
    at_s = (day - date(1970, 1, 1)).days * 86400 + 86399
    common = (resources.files("axiom.resilience") / "lua" / "budget_common.lua").read_text()
    clock = f"local function server_time() return {at_s} end\n"
    return str(client.eval(f"{clock}{common}\nreturn today()", 2, "p", "o", "", 1))


def test_the_server_knows_every_day(client: redis.Redis) -> None:
    days = [date(2024, 2, 28) + timedelta(days=n) for n in range(4)]
    days += [date(1970, 1, 1), date(2000, 2, 29), date(2026, 12, 31), date(2100, 3, 1)]
    days += [date(2026, 1, 1) + timedelta(days=17 * n) for n in range(22)]
    assert [today_by(client, day) for day in days] == [str(day) for day in days]


def test_a_starred_scope_is_one_of_the_servers_day(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("a", {"day:*": 1, "pipeline:x:*": 1}, 0.4)
    [call] = budget.open_calls()
    assert [scope[:-10] for scope in call.scopes] == ["day:", "pipeline:x:"]
    assert budget.spent("day:*") == budget.spent(call.scopes[0]) == Spending(0.0, 0.4)


def test_what_was_put_aside_yesterday_pays_nothing_today(client: redis.Redis) -> None:
    budget = Budget(client)
    budget.reserve("a", {"day:2026-11-22": 1}, 0.4)
    assert isinstance(budget.reserve("a", {DAY: 0}, 0.4), Spent)
    assert budget.open_calls() == []
    budget.reserve("b", {"day:2026-11-22": 1}, 0.4)
    assert budget.reserve("b", {DAY: 1}, 0.4) == Reserved(is_new=True)
    assert budget.spent("day:2026-11-22").total_usd == 0
    assert budget.spent(DAY).total_usd == 0.4


def ask(budget: Budget, call: str, worst_usd: float, limit_usd: float = 1) -> object:
    return budget.reserving(call, {DAY: limit_usd, RUN: 9}, worst_usd, must_know=True).run()


def test_who_must_know_is_told_what_to_tell_first(client: redis.Redis) -> None:
    budget = Budget(client)
    assert ask(budget, "a", 0.4) == Untold((DAY, RUN))
    budget.tell(DAY, 0.5, {})
    assert ask(budget, "a", 0.4) == Untold((RUN,))
    budget.tell(RUN, 0, {})
    assert ask(budget, "a", 0.4) == Reserved(is_new=True)
    assert isinstance(ask(budget, "b", 0.4), Spent)
    budget.tell(DAY, 7, {"x": 7})  # it knows by now
    assert budget.spent(DAY) == Spending(0.5, 0.4)


def test_what_may_be_in_flight_counts_once_until_it_ends_or_asks_itself(
    client: redis.Redis,
) -> None:
    budget = Budget(client)
    budget.reserve("known", {DAY: 1}, 0.1)
    flying = {"known": 0.1, "settles": 0.2, "asks": 0.2, "withdrawn": 0.2}
    budget.tell(DAY, 0.05, flying)
    budget.tell(RUN, 0, {"settles": 0.2, "asks": 0.2})
    assert budget.spent(DAY) == Spending(0.05, 0.7)
    budget.settle("settles", 0.1)
    assert budget.spent(RUN) == Spending(0.1, 0.2)
    budget.release("withdrawn")
    assert isinstance(ask(budget, "asks", 0.2, limit_usd=0.3), Spent)  # it stood in for itself only
    assert budget.spent(DAY) == Spending(0.15, 0.1)
    assert ask(budget, "asks", 0.2) == Reserved(is_new=True)
    assert budget.spent(DAY) == Spending(0.15, 0.3)


def test_all_must_be_told_again_when_redis_has_forgotten(client: redis.Redis) -> None:
    budget = Budget(client)
    for scope in (DAY, RUN):
        budget.tell(scope, 0, {})
    assert isinstance(ask(budget, "a", 0.4), Reserved)
    client.delete("axiom:limits:{budget}:memory")
    assert ask(budget, "b", 0.4) == Untold((DAY, RUN))

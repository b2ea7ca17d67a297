"""When the backend is away, paid calls fail closed: each policy says so, and quickly."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis

from axiom.errors import StoreUnavailable
from axiom.resilience import store
from axiom.resilience.breaker import Allowed, Breaker, Outcome
from axiom.resilience.budget import Budget, Reserved
from axiom.resilience.bulkhead import Bulkhead, Entered
from axiom.resilience.rate_limit import Costs, Granted, Limits, RateLimit
from tests.unit.resilience.conftest import Outage

Deed = Callable[[redis.Redis], object]
DEEDS: dict[str, tuple[Deed, object]] = {
    "rate limit": (lambda c: _limit(c).acquire("t", Costs(1, 1)), Granted()),
    "rate limit settles": (lambda c: _limit(c).settle("nobody", Costs(1, 1)), False),
    "rate limit pauses": (lambda c: _limit(c, "paused").pause(0), 0.0),
    "rate limit corrects": (
        lambda c: _limit(c).correct({"anthropic-ratelimit-requests-limit": "9"}),
        None,
    ),
    "budget": (lambda c: Budget(c).reserve("c", {"day": 1}, 0.1), Reserved(is_new=True)),
    "budget settles": (lambda c: Budget(c).settle("nobody", 0.1), False),
    "budget lists": (lambda c: Budget(c).open_calls(older_than_s=1e6), []),
    "budget tells": (lambda c: Budget(c).spent("other").total_usd, 0.0),
    "breaker": (lambda c: Breaker(c, "claude").allow("w"), Allowed()),
    "breaker records": (lambda c: Breaker(c, "claude").record("w", Outcome.OK), None),
    "bulkhead": (lambda c: Bulkhead(c, "claude", 2).enter("w", 5), Entered()),
    "bulkhead leaves": (lambda c: Bulkhead(c, "claude", 2).leave("nobody"), False),
}


def _limit(client: redis.Redis, model: str = "haiku") -> RateLimit:
    return RateLimit(client, model, Limits(10, 10, 10))


def test_each_policy_raises_quickly_and_works_again_afterwards(outage: Outage) -> None:
    outage.client.ping()
    outage.away()
    for name, (deed, _) in DEEDS.items():
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="Redis, which keeps the limits"):
            deed(outage.client)
        assert time.monotonic() - began < store.CONNECT_TIMEOUT_S + store.TIMEOUT_S, name
    outage.back()
    assert [deed(outage.client) for deed, _ in DEEDS.values()] == [
        answer for _, answer in DEEDS.values()
    ]


def test_scripts_that_the_server_has_forgotten_are_sent_again(client: redis.Redis) -> None:
    budget, limit = Budget(client), _limit(client)
    budget.reserve("a", {"day": 1}, 0.1)
    limit.acquire("a", Costs(1, 1))
    client.script_flush()
    assert budget.settle("a", 0.1)
    assert limit.settle("a", Costs(1, 1))


def test_what_was_spent_outlives_a_restart(outage: Outage) -> None:
    Budget(outage.client).reserve("a", {"day": 1}, 0.7)
    outage.away()
    outage.back()
    assert Budget(outage.client).spent("day").reserved_usd == 0.7


def test_a_server_that_hangs_is_away(redis_url: str) -> None:
    with store.connect(redis_url) as client, redis.Redis.from_url(redis_url) as other:
        bulkhead = Bulkhead(client, "claude", 2)
        bulkhead.enter("w", 5)
        other.client_pause(3000)  # it ends by itself
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            bulkhead.enter("w", 5)
        assert time.monotonic() - began < store.CONNECT_TIMEOUT_S + store.TIMEOUT_S

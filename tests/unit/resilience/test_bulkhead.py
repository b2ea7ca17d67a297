from __future__ import annotations

import pytest
import redis

from axiom.resilience.bulkhead import Bulkhead, Entered, Full
from tests.unit.resilience import swarm
from tests.unit.resilience.waiting import eventually


def test_lets_in_as_many_as_there_are_places(client: redis.Redis) -> None:
    bulkhead = Bulkhead(client, "claude", places=2)
    assert [bulkhead.enter(holder, 60) for holder in "ab"] == [Entered(), Entered()]
    refused = bulkhead.enter("c", 60)
    assert isinstance(refused, Full)
    assert refused.in_flight == 2
    assert 59 < refused.first_lease_ends_in_s <= 60


def test_a_place_that_is_left_is_free(client: redis.Redis) -> None:
    bulkhead = Bulkhead(client, "claude", places=1)
    bulkhead.enter("a", 60)
    assert bulkhead.leave("a")
    assert bulkhead.enter("b", 60) == Entered()


def test_leaving_twice_frees_nobody_elses_place(client: redis.Redis) -> None:
    bulkhead = Bulkhead(client, "claude", places=1)
    bulkhead.enter("a", 60)
    bulkhead.leave("a")
    bulkhead.enter("b", 60)
    assert not bulkhead.leave("a")
    assert not bulkhead.leave("stranger")
    assert isinstance(bulkhead.enter("c", 60), Full)


def test_entering_twice_takes_one_place(client: redis.Redis) -> None:
    bulkhead = Bulkhead(client, "claude", places=2)
    bulkhead.enter("a", 60)
    bulkhead.enter("a", 60)
    assert bulkhead.enter("b", 60) == Entered()


def test_the_place_of_a_dead_holder_is_free_when_its_lease_ends(client: redis.Redis) -> None:
    bulkhead = Bulkhead(client, "claude", places=1)
    bulkhead.enter("dead", 1)
    assert isinstance(bulkhead.enter("next", 60), Full)
    eventually(lambda: bulkhead.enter("next", 60) == Entered())
    assert not bulkhead.leave("dead")
    assert isinstance(bulkhead.enter("third", 60), Full)


def test_renewal_prolongs_a_lease_and_cannot_bring_one_back(client: redis.Redis) -> None:
    bulkhead = Bulkhead(client, "claude", places=1)
    bulkhead.enter("a", 5)
    assert bulkhead.renew("a", 60)
    refused = bulkhead.enter("b", 60)
    assert isinstance(refused, Full)
    assert refused.first_lease_ends_in_s > 50
    assert bulkhead.renew("a", 0.05)
    eventually(lambda: bulkhead.enter("b", 60) == Entered())
    assert not bulkhead.renew("a", 60)


def test_nothing_is_left_for_ever(client: redis.Redis) -> None:
    bulkhead = Bulkhead(client, "claude", places=3)
    bulkhead.enter("long", 60)
    bulkhead.enter("short", 1)
    assert [59 <= client.ttl(key) <= 62 for key in client.scan_iter()] == [True]


def test_needs_a_place(client: redis.Redis) -> None:
    with pytest.raises(ValueError, match="needs a place"):
        Bulkhead(client, "claude", places=0)


def test_threads_never_crowd_it(client: redis.Redis) -> None:
    seen = swarm.in_threads(swarm.crowd, [(client, 40, 3, seed) for seed in range(16)])
    assert seen
    assert max(seen) <= 3


def test_processes_never_crowd_it(redis_url: str) -> None:
    work = [[(200, 3, 10 * process + thread) for thread in range(4)] for process in range(4)]
    seen = swarm.in_processes(redis_url, swarm.crowd, work)
    assert 2 <= max(seen) <= 3

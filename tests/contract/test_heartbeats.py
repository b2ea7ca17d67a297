"""Who lives and who was killed, on the embedded Redis and on a real one."""

import json

import pytest
import redis

from axiom.errors import StoreUnavailable
from axiom.resilience.store import connect
from axiom.stores.heartbeats import KEPT_S, KEY, Heartbeats

pytestmark = pytest.mark.contract


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return connect(redis_url)


@pytest.fixture
def heartbeats(client: redis.Redis) -> Heartbeats:
    return Heartbeats(client)


def test_a_process_is_told_with_its_facts_and_when_it_was_heard_of(heartbeats: Heartbeats) -> None:
    heartbeats.beat("io@here", "a", {"queues": [], "busy": 3, "name": "Zoë 株"})
    [found] = heartbeats.all()
    assert (found.name, found.facts["queues"], found.facts["busy"]) == ("io@here", [], 3)
    assert found.facts["name"] == "Zoë 株"
    assert 0 <= found.seen_s < 60


def test_beating_again_renews_and_does_not_add(heartbeats: Heartbeats) -> None:
    heartbeats.beat("io@here", "a", {"busy": 1})
    first = heartbeats.all()[0]
    heartbeats.beat("io@here", "a", {"busy": 2})
    [found] = heartbeats.all()
    assert found.facts["busy"] == 2
    assert found.seen_at > first.seen_at


def test_a_process_that_stops_leaves(heartbeats: Heartbeats) -> None:
    heartbeats.beat("io@here", "a", {})
    assert heartbeats.leave("io@here", "a")
    assert heartbeats.all() == []


def test_a_late_leave_does_not_take_the_successor_out(heartbeats: Heartbeats) -> None:
    heartbeats.beat("io@here", "a", {})
    heartbeats.beat("io@here", "b", {})
    assert not heartbeats.leave("io@here", "a")
    assert [each.facts["mark"] for each in heartbeats.all()] == ["b"]


def test_one_not_heard_of_for_a_day_is_forgotten(
    client: redis.Redis, heartbeats: Heartbeats
) -> None:
    now = client.time()[0]
    for name, age_s in (("old@here", KEPT_S + 60), ("gone@here", KEPT_S / 2)):
        client.hset(KEY, name, f"{now - age_s} {json.dumps({'mark': name})}")
    assert [each.name for each in heartbeats.all()] == ["gone@here"]
    assert client.hkeys(KEY) == ["gone@here"]


def test_a_redis_that_is_away_is_told() -> None:
    with pytest.raises(StoreUnavailable):
        Heartbeats(connect("redis://127.0.0.1:1")).all()

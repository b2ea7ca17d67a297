"""Heartbeats: which processes there are, and when each was last heard of.

One hash in Redis, a field per process. A process that stops cleanly leaves it; one that was
killed stays in it until one of the same name starts, somebody forgets it, or a day has gone by.
Times are the server's, so hosts may disagree about the hour.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from axiom.model import Json
from axiom.stores.redis import translated

KEY = "axiom:processes"
KEPT_S = 86_400.0
_BEAT = """
local now = redis.call('TIME')
local at = string.format('%d.%06d', now[1], now[2])
redis.call('HSET', KEYS[1], ARGV[1], at .. ' ' .. ARGV[2])
"""
# only its own entry: the next process of that name may have begun before this one has ended
_LEAVE = """
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found and string.find(found, ARGV[2], 1, true) then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a process said of itself last, and how long ago."""

    name: str
    facts: Mapping[str, Any]
    seen_at: datetime
    seen_s: float


class Heartbeats:
    """The hash of processes. Raises `StoreUnavailable` when Redis is away."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._beat = client.register_script(_BEAT)
        self._leave = client.register_script(_LEAVE)

    def beat(self, name: str, mark: str, facts: Mapping[str, Json]) -> None:
        """Say that a process lives; `mark` is its alone among all that ever have its name."""
        with translated():
            self._beat(keys=[KEY], args=[name, json.dumps({"mark": mark, **facts})])

    def leave(self, name: str, mark: str) -> bool:
        """Take a process that ends out of the list; False when another has its place."""
        with translated():
            return bool(self._leave(keys=[KEY], args=[name, json.dumps({"mark": mark})[:-1]]))

    def forget(self, name: str) -> bool:
        """Take a process out, whoever it is; False when there is none of that name."""
        with translated():
            return bool(self._redis.hdel(KEY, name))

    def all(self) -> list[Heartbeat]:
        """Return every process of the last day, by name; older ones are forgotten."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            pipe.time()
            pipe.hgetall(KEY)
            (seconds, micros), found = pipe.execute()
        now = seconds + micros / 1e6
        read = [_read(name, text, now) for name, text in sorted(found.items())]
        for old in [each.name for each in read if each.seen_s > KEPT_S]:
            self.forget(old)
        return [each for each in read if each.seen_s <= KEPT_S]


def _read(name: str, text: str, now: float) -> Heartbeat:
    at, _, facts = text.partition(" ")
    return Heartbeat(
        name, json.loads(facts), datetime.fromtimestamp(float(at), UTC), max(now - float(at), 0.0)
    )

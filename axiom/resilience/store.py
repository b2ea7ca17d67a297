"""What the policies stand on: Lua scripts, each atomic, on Redis or in this process's memory.

One implementation serves both: `in_memory()` is fakeredis, which runs the very same scripts
in a Lua of its own, so that the two backends cannot drift. Time is the server's (`TIME` inside
the script); the caller's clock decides nothing, so hosts may disagree about the hour.

A script that Redis has forgotten (a restart, SCRIPT FLUSH) is sent again by redis-py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from axiom.errors import StoreUnavailable

PREFIX = "axiom:limits"
CONNECT_TIMEOUT_S = 1.0
TIMEOUT_S = 2.0

Run = Callable[[Sequence[str], Sequence[str | int | float]], Any]


def connect(url: str) -> redis.Redis:
    """Return a client that fails within seconds, and does nothing twice.

    redis-py repeats a command by default when the connection breaks, although the server may
    have done it; a policy that is away must be told at once, as paid calls fail closed.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def in_memory() -> redis.Redis:
    """Return a backend of this process alone, for its threads to share."""
    import fakeredis  # takes a while to import, and most processes have a Redis

    return fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)


def script(client: redis.Redis, *parts: str) -> Run:
    """Return the named files of `lua/`, joined, as one atomic function of keys and arguments.

    The function raises StoreUnavailable when Redis cannot be reached or cannot do it.
    """
    registered = client.register_script("".join(_source(part) for part in ("clock", *parts)))

    def run(keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        try:
            return registered(keys=keys, args=args)
        except redis.RedisError as error:
            raise StoreUnavailable(f"Redis, which keeps the limits: {error}") from error

    return run


@cache
def _source(part: str) -> str:
    return (resources.files(__package__) / "lua" / f"{part}.lua").read_text()

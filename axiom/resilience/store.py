"""What the policies stand on: Lua scripts, each atomic, on Redis or in this process's memory.

One implementation serves both: `in_memory()` is fakeredis, which runs the very same scripts
in a Lua of its own, so that the two backends cannot drift. Time is the server's (`TIME` inside
the script); the caller's clock decides nothing, so hosts may disagree about the hour.

A script that Redis has forgotten (a restart, SCRIPT FLUSH) is sent again by redis-py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Generic, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from axiom.errors import StoreUnavailable

PREFIX = "axiom:limits"
CONNECT_TIMEOUT_S = 1.0
TIMEOUT_S = 2.0

T = TypeVar("T")
Args = Sequence[str | int | float]


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """One atomic script, ready to run, and how its answer is read."""

    script: Script
    keys: Sequence[str]
    args: Args
    read: Callable[[Any], T]

    def run(self) -> T:
        """Run it alone.

        Raises:
            StoreUnavailable: Redis cannot be reached, or cannot do it.
        """
        try:
            return self.read(self.script(keys=self.keys, args=self.args))
        except redis.RedisError as error:
            raise _away(error) from error


def run_together(client: redis.Redis, *steps: Step[Any]) -> list[Any]:
    """Run steps in their order, in one message; each is atomic, all of them together are not.

    What costs time is the way to Redis and back. One that Redis has forgotten the script of
    is run again alone.

    Raises:
        StoreUnavailable: Redis cannot be reached, or cannot do one of them.
    """
    pipe = client.pipeline(transaction=False)
    for step in steps:
        pipe.evalsha(step.script.sha, len(step.keys), *step.keys, *map(str, step.args))
    try:
        answers = pipe.execute(raise_on_error=False)
    except redis.RedisError as error:
        raise _away(error) from error
    return [_read(step, answer) for step, answer in zip(steps, answers, strict=True)]


def _read(step: Step[T], answer: Any) -> T:
    if isinstance(answer, redis.exceptions.NoScriptError):
        return step.run()
    if isinstance(answer, redis.RedisError):
        raise _away(answer) from answer
    return step.read(answer)


def _away(error: redis.RedisError) -> StoreUnavailable:
    return StoreUnavailable(f"Redis, which keeps the limits: {error}")


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


def script(client: redis.Redis, *parts: str) -> Script:
    """Return the named files of `lua/`, joined, as one atomic script."""
    return client.register_script("".join(_source(part) for part in ("clock", *parts)))


@cache
def _source(part: str) -> str:
    return (resources.files(__package__) / "lua" / f"{part}.lua").read_text()

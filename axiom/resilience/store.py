"""What the policies stand on: Lua scripts, each atomic, on Redis or in this process's memory.

One implementation serves both: `in_memory()` is fakeredis, which runs the very same scripts
in a Lua of its own, so that the two backends cannot drift. Time is the server's (`TIME` inside
the script); the caller's clock decides nothing, so hosts may disagree about the hour.

A script that Redis has forgotten (a restart, SCRIPT FLUSH) is sent again by redis-py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Generic, NoReturn, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.maint_notifications import MaintNotificationsConfig
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
    """Run steps in their order, as one atomic script in one message.

    What costs time is each command, and the way to Redis and back.

    Raises:
        StoreUnavailable: Redis cannot be reached, or cannot do one of them.
    """
    return send_together(client, *steps)()


def send_together(client: redis.Redis, *steps: Step[Any]) -> Callable[[], list[Any]]:
    """Send steps as `run_together` does; return what waits for their answers, to be called once.

    Both raise StoreUnavailable.
    """
    together, pool = _together(client, steps), client.connection_pool
    words = ("EVALSHA", together.script.sha, len(together.keys), *together.keys, *together.args)
    try:
        connection = pool.get_connection()
    except redis.RedisError as error:
        raise _away(error) from error
    try:
        connection.send_command(*words)  # type: ignore[no-untyped-call]
    except BaseException as error:
        _drop(connection)
        pool.release(connection)
        _raise(error)

    def wait() -> list[Any]:
        try:
            return together.read(connection.read_response())
        except redis.exceptions.NoScriptError:
            return together.run()
        except BaseException as error:
            _drop(connection)
            _raise(error)
        finally:
            pool.release(connection)

    return wait


def _raise(error: BaseException) -> NoReturn:
    if isinstance(error, redis.RedisError):
        raise _away(error) from error
    raise error


def _drop(connection: Any) -> None:
    """Close it: an answer that nobody read would be taken for that of the next command."""
    connection.disconnect()


def _together(client: redis.Redis, steps: Sequence[Step[Any]]) -> Step[list[Any]]:
    # in one argument and one answer, since the client takes a microsecond for each
    given = json.dumps([(len(step.keys), [str(arg) for arg in step.args]) for step in steps])
    return Step(
        _joined(client, tuple(step.script for step in steps)),
        [key for step in steps for key in step.keys],
        [given],
        lambda answers: [
            step.read(each) for step, each in zip(steps, json.loads(answers), strict=True)
        ],
    )


_JOINED = """%s
local answers, key, given = {}, 0, cjson.decode(ARGV[1])
local function run(n, script)
  local keys = {}
  for i = 1, given[n][1] do key = key + 1; keys[i] = KEYS[key] end
  answers[n] = script(keys, given[n][2]) or false -- a nil would end the list
end
%s
return cjson.encode(answers)
"""


@lru_cache(maxsize=64)
def _joined(client: redis.Redis, scripts: tuple[Script, ...]) -> Script:
    clock = _source("clock")  # once for all: it asks the server once
    parts = (
        f"run({n}, function(KEYS, ARGV)\n{str(each.script).removeprefix(clock)}\nend)"
        for n, each in enumerate(scripts, 1)
    )
    return client.register_script(_JOINED % (clock, "\n".join(parts)))


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
        # while these are on, the pool does not look whether a connection has an unread answer
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
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

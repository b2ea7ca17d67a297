"""Redis: the client, and its errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from axiom.errors import ConfigError, StoreUnavailable


def connect(url: str) -> redis.Redis:
    """Return a client, which connects when it is first used.

    Raises:
        ConfigError: the address cannot be read.
    """
    try:
        return redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)
    except ValueError:
        # never what the library says of it: that quotes parts of the password
        raise ConfigError(
            "AXIOM_REDIS_URL",
            "cannot be read; write what is not a letter or digit in its password as %XX",
        ) from None


@contextmanager
def translated() -> Iterator[None]:
    """Raise `StoreUnavailable` for what Redis raises."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreUnavailable(f"Redis: {error}") from error

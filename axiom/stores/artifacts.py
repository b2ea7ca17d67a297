"""What steps hand on that is too large for a message: compressed JSON in Redis, for a day."""

from __future__ import annotations

import json
import zlib
from functools import cached_property
from typing import Any

import redis

from axiom.errors import ArtifactMissing, StoreUnavailable
from axiom.model import Json

TTL_S = 86_400


class RedisArtifacts:
    """Artifacts under `axiom:artifact:<run>:<name>`; one put twice is replaced."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _redis(self) -> redis.Redis:
        return redis.Redis.from_url(self._url, socket_timeout=10, socket_connect_timeout=5)

    def put(self, run_id: str, name: str, value: Json) -> str:
        """Keep a JSON value for a day and return its reference."""
        ref = f"axiom:artifact:{run_id}:{name}"
        try:
            self._redis.set(ref, zlib.compress(json.dumps(value).encode(), 1), ex=TTL_S)
        except redis.RedisError as error:
            raise StoreUnavailable(f"Redis: {error}") from error
        return ref

    def get(self, ref: str) -> Json:
        """Return a kept value.

        Raises:
            ArtifactMissing: it has expired, or Redis lost it.
        """
        try:
            found: Any = self._redis.get(ref)
        except redis.RedisError as error:
            raise StoreUnavailable(f"Redis: {error}") from error
        if found is None:
            raise ArtifactMissing(f"{ref} is gone (kept for a day); trigger the run again")
        return json.loads(zlib.decompress(found))


class MemoryArtifacts:
    """Artifacts of one process; what comes out is JSON, as with Redis."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def put(self, run_id: str, name: str, value: Json) -> str:
        """Keep a JSON value and return its reference."""
        ref = f"memory:{run_id}:{name}"
        self._kept[ref] = json.dumps(value)
        return ref

    def get(self, ref: str) -> Json:
        """Return a kept value; raises `ArtifactMissing` when there is none."""
        if ref not in self._kept:
            raise ArtifactMissing(f"{ref} was never kept")
        return json.loads(self._kept[ref])

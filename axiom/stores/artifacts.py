"""What steps hand on that is too large for a message: compressed JSON in Redis, for a day."""

from __future__ import annotations

import json
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from axiom.errors import ArtifactMissing
from axiom.model import Json
from axiom.stores.redis import connect, translated

if TYPE_CHECKING:
    from redis import Redis

TTL_S = 86_400


class RedisArtifacts:
    """Artifacts under `axiom:artifact:<run>:<name>`; one put twice is replaced."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _redis(self) -> Redis:
        return connect(self._url)

    def put(self, run_id: str, name: str, value: Json) -> str:
        """Keep a JSON value for a day and return its reference."""
        ref = f"axiom:artifact:{run_id}:{name}"
        packed = zlib.compress(json.dumps(value).encode(), 1)
        with translated():
            self._redis.set(ref, packed, ex=TTL_S)
        return ref

    def exists(self, ref: str) -> bool:
        """Whether a value is still kept."""
        with translated():
            return bool(self._redis.exists(ref))

    def get(self, ref: str) -> Json:
        """Return a kept value.

        Raises:
            ArtifactMissing: it has expired, or Redis lost it.
        """
        with translated():
            found: Any = self._redis.get(ref)
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

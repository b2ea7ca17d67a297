"""What steps hand on that is too large for a message: compressed, in Redis, for a day.

Values are JSON, tables of numbers are NumPy's own format: no digit is lost, nothing is
parsed, and nothing that is read can run.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
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
        return self._set(run_id, name, json.dumps(value).encode())

    def exists(self, ref: str) -> bool:
        """Whether a value is still kept."""
        with translated():
            return bool(self._redis.exists(ref))

    def get(self, ref: str) -> Json:
        """Return a kept value.

        Raises:
            ArtifactMissing: it has expired, or Redis lost it.
        """
        return json.loads(self._get(ref))

    def put_arrays(self, run_id: str, name: str, arrays: Mapping[str, Any]) -> str:
        """Keep arrays for a day and return their reference."""
        return self._set(run_id, name, _packed(arrays))

    def get_arrays(self, ref: str) -> dict[str, Any]:
        """Return kept arrays; raises like `get`."""
        return _unpacked(self._get(ref))

    def _set(self, run_id: str, name: str, value: bytes) -> str:
        ref = f"axiom:artifact:{run_id}:{name}"
        with translated():
            self._redis.set(ref, zlib.compress(value, 1), ex=TTL_S)
        return ref

    def _get(self, ref: str) -> bytes:
        with translated():
            found: Any = self._redis.get(ref)
        if found is None:
            raise ArtifactMissing(f"{ref} is gone (kept for a day); trigger the run again")
        return zlib.decompress(found)


class MemoryArtifacts:
    """Artifacts of one process; what comes out is what Redis would give."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def put(self, run_id: str, name: str, value: Json) -> str:
        """Keep a JSON value and return its reference."""
        return self._set(run_id, name, json.dumps(value).encode())

    def get(self, ref: str) -> Json:
        """Return a kept value; raises `ArtifactMissing` when there is none."""
        return json.loads(self._get(ref))

    def put_arrays(self, run_id: str, name: str, arrays: Mapping[str, Any]) -> str:
        """Keep arrays and return their reference."""
        return self._set(run_id, name, _packed(arrays))

    def get_arrays(self, ref: str) -> dict[str, Any]:
        """Return kept arrays; raises like `get`."""
        return _unpacked(self._get(ref))

    def _set(self, run_id: str, name: str, value: bytes) -> str:
        ref = f"memory:{run_id}:{name}"
        self._kept[ref] = value
        return ref

    def _get(self, ref: str) -> bytes:
        if ref not in self._kept:
            raise ArtifactMissing(f"{ref} was never kept")
        return self._kept[ref]


def _packed(arrays: Mapping[str, Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpacked(packed: bytes) -> dict[str, Any]:
    import numpy as np

    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        return dict(arrays)

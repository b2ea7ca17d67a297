"""Embeddings in Chroma, over HTTP; a collection per market."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from axiom.errors import StoreUnavailable

if TYPE_CHECKING:
    from chromadb import Collection

BATCH = 500


class VectorStore:
    """A Chroma server, at `http://host:port`. Vectors are ours: it embeds nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._collections: dict[str, Collection] = {}

    @cached_property
    def _client(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        parts = urlsplit(self._url)
        return chromadb.HttpClient(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or (443 if parts.scheme == "https" else 8000),
            ssl=parts.scheme == "https",
            settings=Settings(anonymized_telemetry=False),
        )

    def _events(self, market: str) -> Collection:
        if market not in self._collections:
            # without None the default function would download a model
            self._collections[market] = self._client.get_or_create_collection(
                f"events_{market}", embedding_function=None, metadata={"hnsw:space": "cosine"}
            )
        return self._collections[market]

    def upsert(
        self,
        market: str,
        ids: Sequence[str],
        vectors: Sequence[Sequence[float]],
        metadata: Sequence[Mapping[str, Any]],
    ) -> int:
        """Keep vectors by id; return how many were given."""
        with self._translated():
            for start in range(0, len(ids), BATCH):
                part = slice(start, start + BATCH)
                self._events(market).upsert(
                    ids=list(ids[part]),
                    embeddings=list(vectors[part]),
                    metadatas=[dict(each) for each in metadata[part]],
                )
        return len(ids)

    def nearest(
        self,
        market: str,
        vectors: Sequence[Sequence[float]],
        since: datetime,
        until: datetime,
        count: int = 1,
    ) -> list[list[tuple[str, float]]]:
        """Return, for each vector, the ids nearest to it in that span of time, and their cosines.

        At most `count` for each, the nearest first.
        """
        span: Any = {
            "$and": [
                {"published_at": {"$gte": since.timestamp()}},
                {"published_at": {"$lte": until.timestamp()}},
            ]
        }
        found: list[list[tuple[str, float]]] = []
        for start in range(0, len(vectors), BATCH):
            with self._translated():
                said = self._events(market).query(
                    query_embeddings=list(vectors[start : start + BATCH]),
                    n_results=count, where=span, include=["distances"],
                )  # fmt: skip
            for ids, gaps in zip(said["ids"], said["distances"] or [], strict=True):
                found.append([(id, 1.0 - float(gap)) for id, gap in zip(ids, gaps, strict=True)])
        return found

    def near(self, market: str, vector: Sequence[float], limit: int) -> list[tuple[str, float]]:
        """Return the ids nearest to a vector, nearest first, each with its cosine."""
        with self._translated():
            found = self._events(market).query(
                query_embeddings=list(vector), n_results=limit, include=["distances"]
            )
        gaps = (found["distances"] or [[]])[0]
        return [(id, 1.0 - float(gap)) for id, gap in zip(found["ids"][0], gaps, strict=True)]

    def count(self, market: str) -> int:
        """Return the number of vectors of a market."""
        with self._translated():
            return int(self._events(market).count())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx
        from chromadb.errors import InternalError, NotFoundError

        try:
            yield
        except NotFoundError as error:
            self._collections.clear()  # removed since: the next attempt makes them again
            raise StoreUnavailable(f"Chroma: {_first_line(error)}") from error
        except (InternalError, httpx.TransportError, OSError, ValueError) as error:
            # the client turns a refused connection into a ValueError
            raise StoreUnavailable(f"Chroma: {_first_line(error)}") from error


class UnkeptVectors(VectorStore):
    """Vectors for dry runs: reads what is kept, keeps nothing."""

    def upsert(
        self,
        market: str,
        ids: Sequence[str],
        vectors: Sequence[Sequence[float]],
        metadata: Sequence[Mapping[str, Any]],
    ) -> int:
        """Return how many vectors there are."""
        return len(ids)

    def nearest(
        self,
        market: str,
        vectors: Sequence[Sequence[float]],
        since: datetime,
        until: datetime,
        count: int = 1,
    ) -> list[list[tuple[str, float]]]:
        """Return the nearest of what is kept; a market without a collection gets none."""
        if not self._exists(market):
            return [[] for _ in vectors]
        return super().nearest(market, vectors, since, until, count)

    def count(self, market: str) -> int:
        """Return the number of vectors of a market."""
        return super().count(market) if self._exists(market) else 0

    def _exists(self, market: str) -> bool:
        from chromadb.errors import NotFoundError

        with self._translated():
            try:
                self._client.get_collection(f"events_{market}", embedding_function=None)
            except NotFoundError:
                return False
            return True


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

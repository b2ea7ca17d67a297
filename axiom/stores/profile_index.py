"""The meanings of profiles in Chroma: a collection per market, a vector for each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from axiom.stores.vectors import VectorStore

if TYPE_CHECKING:
    from chromadb import Collection


class ProfileIndex(VectorStore):
    """Profiles by what they mean; the vectors are ours, Chroma embeds nothing."""

    def stale(self, market: str, hashes: Mapping[str, str]) -> list[str]:
        """Return the tickers whose profile is not kept in this form: `hashes` by ticker."""
        if not hashes:
            return []
        with self._translated():
            found = self._profiles(market).get(
                where={"last": True}, include=["metadatas"], limit=100_000
            )
        kept: dict[str, set[str]] = {}
        for row in found["metadatas"] or ():
            kept.setdefault(str(row["ticker"]), set()).add(str(row["input_hash"]))
        return sorted(ticker for ticker, each in hashes.items() if kept.get(ticker) != {each})

    def put(
        self,
        market: str,
        ticker: str,
        input_hash: str,
        texts: Sequence[str],
        vectors: Sequence[Sequence[float]],
    ) -> None:
        """Keep a profile's parts in place of those that were kept of it.

        What is left of a longer, older profile is removed afterwards: ended in between, the
        two last parts differ, so the profile is stale and is put again.
        """
        if not texts:
            return
        rows = [
            {"ticker": ticker, "market": market, "kind": "profile", "input_hash": input_hash,
             "last": n == len(texts) - 1}
            for n in range(len(texts))
        ]  # fmt: skip
        with self._translated():
            profiles = self._profiles(market)
            older: Any = {"$and": [{"ticker": ticker}, {"input_hash": {"$ne": input_hash}}]}
            profiles.upsert(
                ids=[f"{ticker}#{n}" for n in range(len(texts))],
                embeddings=list(vectors),
                documents=list(texts),
                metadatas=rows,  # type: ignore[arg-type]
            )
            profiles.delete(where=older)

    def near_companies(
        self, market: str, vector: Sequence[float], limit: int
    ) -> list[dict[str, Any]]:
        """Return the companies whose profiles are nearest: `ticker`, `text`, `similarity`."""
        with self._translated():
            # parts of one profile may crowd the answer, so more are asked for
            found = self._profiles(market).query(
                query_embeddings=list(vector), n_results=limit * 4,
                include=["metadatas", "documents", "distances"],
            )  # fmt: skip
        best: dict[str, dict[str, Any]] = {}
        [rows], [texts], [gaps] = found["metadatas"], found["documents"], found["distances"]  # type: ignore[misc]
        for row, text, gap in zip(rows, texts, gaps, strict=True):
            best.setdefault(
                str(row["ticker"]),
                {"ticker": row["ticker"], "text": text, "similarity": 1.0 - float(gap)},
            )
        return list(best.values())[:limit]

    def _profiles(self, market: str) -> Collection:
        name = f"profiles_{market}"
        if name not in self._collections:
            self._collections[name] = self._client.get_or_create_collection(
                name, embedding_function=None, metadata={"hnsw:space": "cosine"}
            )
        return self._collections[name]


class UnkeptProfiles(ProfileIndex):
    """Profiles for dry runs: nothing is kept, and no collection is made."""

    def stale(self, market: str, hashes: Mapping[str, str]) -> list[str]:
        """Return all of them: a dry run shows what a first one would do."""
        return sorted(hashes)

    def put(
        self,
        market: str,
        ticker: str,
        input_hash: str,
        texts: Sequence[str],
        vectors: Sequence[Sequence[float]],
    ) -> None:
        """Keep nothing."""

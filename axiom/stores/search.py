"""Search by meaning: stories and profiles that are near to a question."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

from axiom.stores.postgres import Postgres, named_queries
from axiom.stores.profile_index import ProfileIndex
from axiom.stores.vectors import VectorStore

Kind = Literal["event", "profile"]
KINDS: tuple[Kind, ...] = ("event", "profile")
LONGEST = 500  # letters of a question; the model reads no further than about that


class Search:
    """Events and profiles of one market, nearest first. The question stays data: a vector."""

    def __init__(
        self,
        postgres: Postgres,
        events: VectorStore,
        profiles: ProfileIndex,
        embed: Callable[[Sequence[str]], list[list[float]]],
    ) -> None:
        self._db, self._events, self._profiles, self._embed = postgres, events, profiles, embed
        self._sql = named_queries("search")

    def __call__(
        self, text: str, market: str, kinds: Collection[str] = KINDS, limit: int = 10
    ) -> list[dict[str, Any]]:
        """Return at most `limit` rows, nearest first.

        Each has `kind`, `similarity` (a cosine), `market`, `text`, `tickers`; an event also
        `id`, `at`, `type`, `source` and `url`.

        Raises:
            StoreUnavailable: Chroma or Postgres cannot be reached.
        """
        text = " ".join(text.split())[:LONGEST]
        if not text or limit < 1:
            return []
        [vector] = self._embed([text])
        rows: list[dict[str, Any]] = []
        if "event" in kinds:
            rows += self._near_events(market, vector, limit)
        if "profile" in kinds:
            rows += [
                {"kind": "profile", "similarity": row["similarity"], "text": row["text"],
                 "tickers": [row["ticker"]]}
                for row in self._profiles.near_companies(market, vector, limit)
            ]  # fmt: skip
        rows.sort(key=lambda row: -row["similarity"])
        return [row | {"market": market} for row in rows[:limit]]

    def _near_events(
        self, market: str, vector: Sequence[float], limit: int
    ) -> list[dict[str, Any]]:
        near = dict(self._events.near(market, vector, limit))
        found = self._db.query(self._sql["events"], {"market": market, "ids": list(near)})
        return [row | {"kind": "event", "similarity": near[row["id"]]} for row in found]

"""What analysts said of companies, and the snapshots of the graph, in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from axiom.model import Json
from axiom.stores.postgres import Jsonb, Postgres, named_queries


class AnalysisStore:
    """The tables `analyses`, `graph_readings` and `graph_snapshots`."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("analyses")

    def known(self, question: Mapping[str, str]) -> dict[str, Any] | None:
        """Return `findings` and `rejected` when this very question was answered.

        A question has market, ticker, input_hash, analyst and prompt_hash.
        """
        rows = self._db.query(self._sql["known"], question)
        return rows[0] if rows else None

    def keep(self, question: Mapping[str, str], findings: Json, rejected: int, run_id: str) -> None:
        """Keep an answer; the first one stays."""
        answer = {"findings": Jsonb(findings), "rejected": rejected, "run_id": run_id}
        self._db.execute(self._sql["keep"], {**question, **answer})

    def last_snapshot(
        self, market: str, run_id: str, logical_at: datetime
    ) -> dict[str, Any] | None:
        """Return `nodes` and `edges` of the snapshot before a logical time."""
        asked = {"market": market, "run_id": run_id, "logical_at": logical_at}
        rows = self._db.query(self._sql["last_snapshot"], asked)
        return rows[0] if rows else None

    def keep_snapshot(
        self,
        run_id: str,
        market: str,
        logical_at: datetime,
        counts: Mapping[str, Mapping[str, int]],
        density: float,
        changes: Mapping[str, int],
        structure: Mapping[str, Json],
    ) -> None:
        """Keep the graph's size and structure at a run; what is kept stays."""
        self._db.execute(
            self._sql["keep_snapshot"],
            {
                "run_id": run_id, "market": market, "logical_at": logical_at, "density": density,
                "nodes": Jsonb(counts["nodes"]), "edges": Jsonb(counts["edges"]),
                "changes": Jsonb(changes), "structure": Jsonb(structure),
            },
        )  # fmt: skip

    def snapshots(
        self, market: str, as_of: datetime | None = None, limit: int = 1
    ) -> list[dict[str, Any]]:
        """Return the newest snapshots with all they hold, up to a moment, newest first."""
        asked = {"market": market, "as_of": as_of, "limit": limit}
        return self._db.query(self._sql["snapshots"], asked)

    def keep_readings(self, market: str, sources: Sequence[str], read_at: datetime) -> None:
        """Keep that sources were read at a moment; safe to repeat."""
        rows = {"market": market, "sources": list(sources), "read_at": read_at}
        self._db.execute(self._sql["keep_readings"], rows)

    def next_readings(
        self, market: str, sources: Sequence[str], after: datetime
    ) -> dict[str, datetime]:
        """Return when each source was first read after a moment, if it was."""
        asked = {"market": market, "sources": list(sources), "after": after}
        rows = self._db.query(self._sql["next_readings"], asked)
        return {row["source"]: row["read_at"] for row in rows}

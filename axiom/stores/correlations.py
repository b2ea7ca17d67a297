"""Correlations and what was said of their changes, in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg2.extras import execute_values

from axiom.model import Correlation
from axiom.pipelines.changes import Explanation
from axiom.stores.postgres import Postgres, named_queries


class CorrelationStore:
    """The tables `correlations` and `explanations`."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("correlations")

    def replace(
        self,
        market: str,
        logical_at: datetime,
        shown_until: datetime,
        correlations: Sequence[Correlation],
        explanations: Sequence[Explanation],
        run_id: str,
    ) -> int:
        """Store the result of a logical time, in place of what was stored for it before."""
        rows = [
            (market, logical_at, c.window, c.method, c.a, c.b, c.n, c.r, c.low, c.high, c.p, c.q,
             c.n_eff, c.q_by, c.shrunk, c.cleaned, c.break_q, c.lag, c.lag_r, c.lag_q,
             shown_until, run_id)
            for c in correlations
        ]  # fmt: skip
        told = [
            (market, logical_at, e.window, e.method, e.a, e.b, e.kind, e.text, e.analyst,
             e.prompt_hash, run_id)
            for e in explanations
        ]  # fmt: skip
        with self._db.transaction() as cursor:
            cursor.execute(self._sql["clear"], {"market": market, "logical_at": logical_at})
            for query, values in (("insert_correlations", rows), ("insert_explanations", told)):
                if values:
                    execute_values(cursor, self._sql[query], values, page_size=5000)
        return len(rows)

    def before(self, market: str, window: int, method: str, before: datetime) -> list[Correlation]:
        """Return the last result of a window and method before a logical time."""
        asked = {"market": market, "window": window, "method": method, "before": before}
        return [Correlation(**row) for row in self._db.query(self._sql["before"], asked)]

    def groups(
        self, market: str, windows: Sequence[int], methods: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return the newest result of each window and method: `logical_at`, `shown_until`."""
        both = [(window, method) for window in windows for method in methods]
        asked = {"market": market, "windows": [w for w, _ in both], "methods": [m for _, m in both]}
        return self._db.query(self._sql["groups"], asked)

    def tickers(self, group: Mapping[str, Any], limit: int) -> list[str]:
        """Return the first tickers of a result, in their order."""
        rows = self._db.query(self._sql["tickers_of"], {**group, "limit": limit})
        last = self._db.query(self._sql["last_of"], group) if len(rows) < limit else []
        return sorted({row["ticker"] for row in rows + last})

    def among(self, group: Mapping[str, Any], tickers: Sequence[str]) -> list[Correlation]:
        """Return the pairs of a result that lie among some tickers."""
        asked = {**group, "tickers": list(tickers), "limit": len(tickers) ** 2}
        return [Correlation(**row) for row in self._db.query(self._sql["among"], asked)]

    def strongest(
        self, group: Mapping[str, Any], limit: int, ticker: str | None = None
    ) -> list[Correlation]:
        """Return the strongest pairs of a result, or of one ticker in it."""
        asked = {**group, "limit": limit, "ticker": ticker}
        return [Correlation(**row) for row in self._db.query(self._sql["strongest"], asked)]

    def explained(self, groups: Sequence[Mapping[str, Any]], limit: int) -> list[dict[str, Any]]:
        """Return what was said of changes in results' windows and methods, newest first.

        With the pair's numbers at that time: `r`, `low`, `high`, `q`, `n`.
        """
        if not groups:
            return []
        asked = {
            "market": groups[0]["market"], "windows": [each["window"] for each in groups],
            "methods": [each["method"] for each in groups], "limit": limit,
        }  # fmt: skip
        return self._db.query(self._sql["explained"], asked)

    def counts(self, market: str) -> dict[str, Any]:
        """Return the number of `rows` and how many of them are `significant`."""
        return self._db.query(self._sql["count"], {"market": market})[0]

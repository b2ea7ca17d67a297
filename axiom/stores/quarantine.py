"""Raw input that was not accepted, kept whole with the reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from psycopg2.extras import execute_values

from axiom.model import Rejected, content_hash
from axiom.stores.postgres import Postgres


class Quarantine:
    """The `quarantine` table."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres

    def insert(self, rejected: Sequence[Rejected], pipeline: str, run_id: str) -> int:
        """Keep what was rejected; the same payload of the same run is kept once."""
        rows = [
            (_id(each, run_id), pipeline, run_id, each.reason, each.source, _jsonb(each.payload))
            for each in rejected
        ]
        if not rows:
            return 0
        with self._db.transaction() as cursor:
            execute_values(
                cursor,
                "INSERT INTO quarantine (id, pipeline, run_id, reason, source, payload) "
                "VALUES %s ON CONFLICT DO NOTHING",
                rows,
            )
            return int(cursor.rowcount)

    def newest(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return what was rejected last."""
        return self._db.query(
            "SELECT * FROM quarantine ORDER BY quarantined_at DESC LIMIT %s", (limit,)
        )


def _id(each: Rejected, run_id: str) -> str:
    return content_hash(run_id, each.reason, each.source, _jsonb(each.payload))[:32]


def _jsonb(payload: Any) -> str:
    # jsonb has no NaN and no NUL: what holds one is kept as the text that it was
    try:
        return json.dumps(payload, allow_nan=False, default=str).replace("\\u0000", "\\ufffd")
    except ValueError:
        return json.dumps(json.dumps(payload, default=str)).replace("\\u0000", "\\ufffd")

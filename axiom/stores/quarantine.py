"""Raw input that was not accepted, kept whole with the reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from axiom.model import Rejected, content_hash
from axiom.stores.postgres import Postgres, insert_rows, to_jsonb


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
        with self._db.transaction() as cursor:
            return insert_rows(
                cursor,
                "INSERT INTO quarantine (id, pipeline, run_id, reason, source, payload) "
                "VALUES %s ON CONFLICT DO NOTHING",
                rows,
            )

    def newest(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return what was rejected last."""
        return self._db.query(
            "SELECT * FROM quarantine ORDER BY quarantined_at DESC, id LIMIT %s", (limit,)
        )


def _id(each: Rejected, run_id: str) -> str:
    return content_hash(run_id, each.reason, each.source, _jsonb(each.payload))[:32]


def _jsonb(payload: Any) -> str:
    # jsonb has no NaN: what holds one is kept whole, as the text that it was
    try:
        text = json.dumps(payload, allow_nan=False, default=str)
    except ValueError:
        return to_jsonb(json.dumps(payload, default=str))
    return to_jsonb(json.loads(text))

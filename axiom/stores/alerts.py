"""Alerts: what a person should know, once per cause."""

from __future__ import annotations

from typing import Any

from axiom.model import Json, content_hash
from axiom.stores.postgres import Jsonb, Postgres


class AlertStore:
    """The `alerts` table."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres

    def raise_alert(self, cause: str, *, severity: str, subject: str, detail: Json) -> bool:
        """Raise an alert; False when this cause has raised one already."""
        return bool(
            self._db.execute(
                "INSERT INTO alerts (id, cause, severity, subject, detail) "
                "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (content_hash(cause)[:32], cause, severity, subject, Jsonb(detail)),
            )
        )

    def newest(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest alerts."""
        return self._db.query("SELECT * FROM alerts ORDER BY raised_at DESC LIMIT %s", (limit,))

"""Stories and who told them, in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from axiom.model import Event, Telling
from axiom.stores.postgres import Jsonb, Postgres, insert_rows, named_queries


class EventStore:
    """The tables `events` and `tellings`."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("events")

    def tellings(self, market: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Return `headline_id`, `event_id`, `text_hash` and `headline` of what was told."""
        return self._db.query(
            self._sql["tellings"], {"market": market, "since": since, "until": until}
        )

    def upsert(self, events: Sequence[Event], tellings: Sequence[Telling], run_id: str) -> int:
        """Store stories and tellings in one transaction; return how many stories were new."""
        with self._db.transaction() as cursor:
            stories = [_event_row(event, run_id) for event in events]
            added = insert_rows(cursor, self._sql["insert_events"], stories)
            told = [_telling_row(telling, run_id) for telling in tellings]
            insert_rows(cursor, self._sql["insert_tellings"], told)
        return added

    def newest(self, market: str, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest stories with their `corroborations`."""
        return self._db.query(self._sql["newest"], {"market": market, "limit": limit})

    def counts(self, market: str) -> dict[str, int]:
        """Return the number of `events` and of `tellings`."""
        return self._db.query(self._sql["counts"], {"market": market})[0]


def _event_row(event: Event, run_id: str) -> tuple[Any, ...]:
    headline = event.headline
    sentiment = {
        ticker: {"positive": s.positive, "neutral": s.neutral, "negative": s.negative,
                 "score": s.score}
        for ticker, s in event.sentiment.items()
    }  # fmt: skip
    return (
        event.id, event.market, headline.text, headline.summary, headline.url, headline.source,
        headline.published_at, event.type, list(event.tickers), Jsonb(sentiment), event.relevance,
        event.novelty, event.confidence, event.analyst, event.prompt_hash, run_id,
    )  # fmt: skip


def _telling_row(telling: Telling, run_id: str) -> tuple[Any, ...]:
    headline = telling.headline
    return (
        headline.id, telling.event_id, telling.market, headline.text_hash, headline.text,
        headline.source, headline.published_at, telling.similarity, telling.found_by, run_id,
    )  # fmt: skip

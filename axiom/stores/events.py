"""Stories and who told them, in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.model import Event, EventType, Headline, Sentiment, Telling
from axiom.stores.postgres import Jsonb, Postgres, insert_rows, named_queries

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

Place = tuple[datetime, str]  # of a story: when it was published, and its id
EVER, NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
LOOK = 2000


class EventStore:
    """The tables `events` and `tellings`."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("events")

    def tellings(self, market: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Return `headline_id`, `event_id` and `headline` of what was told."""
        return self._db.query(
            self._sql["tellings"], {"market": market, "since": since, "until": until}
        )

    def left(
        self, market: str, since: datetime, until: datetime, run_id: str
    ) -> list[dict[str, Any]]:
        """Return `headline_id` and `event_id` of tellings that other stores may not know.

        They were stored by a run that ended badly, or by this one, which begins once more.
        """
        asked = {"market": market, "since": since, "until": until, "run": run_id}
        return self._db.query(self._sql["left"], asked)

    def stored(self, market: str, ids: Sequence[str]) -> list[Event]:
        """Return some stories as they were stored."""
        asked = {"market": market, "events": list(ids)}
        return [_event(row) for row in self._db.query(self._sql["stored"], asked)]

    def upsert(
        self,
        events: Sequence[Event],
        tellings: Sequence[Telling],
        run_id: str,
        related: Sequence[tuple[str, str]] = (),
        left: Sequence[str] = (),
    ) -> int:
        """Store stories and tellings in one transaction; return how many stories were new.

        `left` are the headlines that an earlier run stored and this one finishes.
        An earlier telling that arrives late makes its story older. Stories that are
        related, by their ids, and about one company become one line.
        """
        with self._db.transaction() as cursor:
            stories = [_event_row(event, run_id) for event in events]
            added = insert_rows(cursor, self._sql["insert_events"], stories)
            told = [_telling_row(telling, run_id) for telling in tellings]
            insert_rows(cursor, self._sql["insert_tellings"], told)
            if left:
                cursor.execute(self._sql["take_over"], {"run": run_id, "left": list(left)})
            retold = sorted({telling.event_id for telling in tellings})
            cursor.execute(self._sql["correct_times"], {"events": retold})
            self._join_lines(cursor, related)
        return added

    def _join_lines(self, cursor: Cursor, related: Sequence[tuple[str, str]]) -> None:
        ones, others = [one for one, _ in related], [other for _, other in related]
        cursor.execute(self._sql["lines_to_join"], {"ones": ones, "others": others})
        rows: list[Any] = cursor.fetchall()
        moves = joined_lines([(row["one"], row["other"]) for row in rows])
        insert_rows(cursor, self._sql["join_lines"], list(moves.items()))

    def newest(self, market: str, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest stories with their `corroborations`."""
        return self._db.query(self._sql["newest"], {"market": market, "limit": limit})

    def page(
        self,
        market: str,
        *,
        since: datetime = EVER,
        kind: str | None = None,
        ticker: str | None = None,
        sign: str | None = None,
        before: Place | None = None,
        limit: int = 50,
    ) -> tuple[list[dict[str, Any]], Place | None]:
        """Return stories with their `corroborations`, newest first, and where to go on.

        `sign` is the likeliest sentiment (for `ticker`, if one is given): "positive", "neutral"
        or "negative". It is looked for in the next 2000 stories, so that a page may be short.
        """
        at, key = before or (NEVER, "")
        asked = {
            "market": market, "since": since, "type": kind, "ticker": ticker, "sign": sign,
            "before": at, "before_id": key, "limit": limit, "look": LOOK if sign else limit,
        }  # fmt: skip
        rows = self._db.query(self._sql["looked_at"], asked)
        if len(rows) == limit:
            return rows, (rows[-1]["published_at"], rows[-1]["id"])
        further = self._db.query(self._sql["looked_to"], asked) if sign else []
        return rows, (further[0]["published_at"], further[0]["id"]) if further else None

    def one(self, market: str, event_id: str) -> dict[str, Any] | None:
        """Return a story with its `corroborations`."""
        rows = self._db.query(self._sql["one"], {"market": market, "event": event_id})
        return rows[0] if rows else None

    def told_by(self, event_id: str, limit: int = 100) -> list[dict[str, Any]]:
        """Return the tellings of a story, the earliest first."""
        return self._db.query(self._sql["told_by"], {"event": event_id, "limit": limit})

    def story_line(self, event_id: str, limit: int = 50) -> list[dict[str, Any]]:
        """Return the stories of the line that a story belongs to, itself included, newest first."""
        return self._db.query(self._sql["story_line"], {"event": event_id, "limit": limit})

    def lines(self, market: str, since: datetime, limit: int = 20) -> list[dict[str, Any]]:
        """Return the lines of two stories or more that went on since then, newest first.

        Each has `line_id`, `stories`, `began_at`, `last_at` and its newest `headline`.
        """
        asked = {"market": market, "since": since, "limit": limit}
        return self._db.query(self._sql["lines"], asked)

    def counts(self, market: str) -> dict[str, int]:
        """Return the number of `events` and of `tellings`."""
        return self._db.query(self._sql["counts"], {"market": market})[0]


def joined_lines(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return where each line goes when the lines of each pair become one.

    The least name stays, whatever the order, so that doing it again changes nothing.
    """
    names: dict[str, str] = {}

    def name(line: str) -> str:
        while line in names:
            line = names[line]
        return line

    for one, other in pairs:
        low, high = sorted((name(one), name(other)))
        if low != high:
            names[high] = low
    return {line: name(line) for line in names}


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
        headline.published_at, event.id,
    )  # fmt: skip


def _event(row: dict[str, Any]) -> Event:
    told = (row[name] for name in ("headline", "published_at", "source", "url", "summary"))
    sentiment = {
        ticker: Sentiment(each["positive"], each["neutral"], each["negative"])
        for ticker, each in row["sentiment"].items()
    }
    return Event(
        row["id"], Headline(*told), tuple(row["tickers"]), EventType(row["type"]), sentiment,
        row["relevance"], row["novelty"], row["confidence"], row["analyst"], row["prompt_hash"],
        row["market"],
    )  # fmt: skip


def _telling_row(telling: Telling, run_id: str) -> tuple[Any, ...]:
    headline = telling.headline
    return (
        headline.id, telling.event_id, telling.market, headline.text_hash, headline.text,
        headline.source, headline.published_at, telling.similarity, telling.found_by, run_id,
    )  # fmt: skip

"""News, every five minutes: what is new, of what type, how it sounds, whom it concerns.

Novelty comes before the analyst: a headline that is known to tell a story again is linked to its
first event and never sent. What only sounds like earlier stories is sent with them, once, for the
analyst to say. What a run stored that ended badly stays as it was, and the next run finishes it:
the other stores may not know it. Headlines are untrusted: they stay data, and
what an analyst says of them is checked against closed lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from axiom.flow import Context, Flow, Parallel
from axiom.model import (
    Classification,
    Earlier,
    Event,
    EventType,
    Headline,
    Json,
    Said,
    Sentiment,
    Telling,
    storable,
    to_json,
)
from axiom.params import Param
from axiom.pipelines.judged import alarming, as_judged, told_before, valid_classifications
from axiom.pipelines.linking import Company, EntityFinder
from axiom.pipelines.novelty import KINDS, NEIGHBOURS, Stories, tell_apart

MEMORY = timedelta(days=7)  # how long a story is remembered as the same story
LINE_MEMORY = timedelta(days=14)  # how far apart the events of one story line may follow
BATCH = 40  # headlines that an analyst is asked about at once


class Market(Protocol):
    """Which world, and what of it can be known at a logical time."""

    @property
    def name(self) -> str: ...  # noqa: D102
    def visible_at(self, logical_at: datetime) -> datetime: ...  # noqa: D102


class HeadlineProvider(Protocol):
    """Where headlines come from."""

    def fetch_headlines(self, since: datetime | None, logical_at: datetime) -> list[Headline]:
        """Return what became public between two logical times; since None: at a first run."""
        ...


class RunHistory(Protocol):
    """What was run before."""

    def previous(self, pipeline: str, before: datetime) -> datetime | None: ...  # noqa: D102


class EventStore(Protocol):
    """Where stories are kept."""

    def tellings(  # noqa: D102
        self, market: str, since: datetime, until: datetime
    ) -> Sequence[Mapping[str, Any]]: ...
    def upsert(  # noqa: D102
        self,
        events: Sequence[Event],
        tellings: Sequence[Telling],
        run_id: str,
        related: Sequence[tuple[str, str]] = (),
        left: Sequence[str] = (),
    ) -> int: ...
    def left(  # noqa: D102
        self, market: str, since: datetime, until: datetime, run_id: str
    ) -> Sequence[Mapping[str, Any]]: ...
    def stored(self, market: str, ids: Sequence[str]) -> list[Event]: ...  # noqa: D102


class VectorStore(Protocol):
    """Where meanings are kept."""

    def upsert(  # noqa: D102
        self,
        market: str,
        ids: Sequence[str],
        vectors: Sequence[Sequence[float]],
        metadata: Sequence[Mapping[str, Any]],
    ) -> int: ...
    def nearest(  # noqa: D102
        self,
        market: str,
        vectors: Sequence[Sequence[float]],
        since: datetime,
        until: datetime,
        count: int,
    ) -> list[list[tuple[str, float]]]: ...


class EventGraph(Protocol):
    """Where events have their nodes."""

    def link_events(  # noqa: D102
        self, events: Sequence[Event], run_id: str, recorded_at: datetime
    ) -> int: ...


class Alerts(Protocol):
    """Where alerts are raised."""

    def raise_alert(  # noqa: D102
        self, cause: str, *, severity: str, subject: str, detail: Json
    ) -> bool: ...


class Analyst(Protocol):
    """Classifies headlines, each with its tickers; says which tell `earlier` events again."""

    def classify(  # noqa: D102
        self, headlines: Sequence[tuple[Headline, Sequence[str]]], earlier: Earlier | None = None
    ) -> Said[Classification]: ...


class Universe(Protocol):
    """Whom news is linked to."""

    @property
    def companies(self) -> Sequence[Company]: ...  # noqa: D102


class Services(Protocol):
    """What the steps of this pipeline need."""

    @property
    def market(self) -> Market: ...  # noqa: D102
    @property
    def headlines(self) -> HeadlineProvider: ...  # noqa: D102
    @property
    def history(self) -> RunHistory: ...  # noqa: D102
    @property
    def events(self) -> EventStore: ...  # noqa: D102
    @property
    def vectors(self) -> VectorStore: ...  # noqa: D102
    @property
    def graph(self) -> EventGraph: ...  # noqa: D102
    @property
    def alerts(self) -> Alerts: ...  # noqa: D102
    @property
    def analyst(self) -> Analyst: ...  # noqa: D102
    @property
    def universe(self) -> Universe: ...  # noqa: D102
    @property
    def embed(self) -> Callable[[Sequence[str]], list[list[float]]]: ...  # noqa: D102


def fetch_headlines(ctx: Context[Services]) -> Json:
    """Fetch what became public since the last run that ended well, or longer if that was said."""
    since = ctx.services.history.previous(ctx.pipeline, ctx.logical_at)
    if since and (hours := ctx.params.get("hours")):
        # never later: the next run goes on from this one, and would miss what lies between
        since = min(since, ctx.logical_at - timedelta(hours=hours))
    fetched = ctx.services.headlines.fetch_headlines(since, ctx.logical_at)
    found = [_storable(headline) for headline in fetched]
    unique = {headline.id: headline for headline in found if headline.text.strip()}
    rows = [to_json(headline) for headline in unique.values()]
    return {
        "headlines": ctx.artifacts.put(ctx.run_id, "headlines", rows),
        "fetched": len(found),
        "since": since.isoformat() if since else None,
    }


def drop_known(ctx: Context[Services]) -> Json:
    """Part new stories from further tellings of known ones: by words, wording, meaning.

    A new story that sounds like known ones comes with them, for the analyst to say.
    """
    headlines = _headlines(ctx.artifacts.get(ctx.inputs["fetch_headlines"]["headlines"]))
    services, market = ctx.services, ctx.services.market.name
    times = [each.published_at for each in headlines] or [
        services.market.visible_at(ctx.logical_at)
    ]
    span = min(times) - MEMORY, max(times) + MEMORY
    known = services.events.tellings(market, *span)
    left = {
        row["headline_id"]: row["event_id"]
        for row in services.events.left(market, *span, ctx.run_id)
    }
    _embed(services, _left(services, left))  # before others are compared with them
    mine = {row["headline_id"] for row in known}
    fresh = [headline for headline in headlines if headline.id not in mine]
    vectors = services.embed([headline.text for headline in fresh])
    since, until = min(times) - LINE_MEMORY, max(times) + LINE_MEMORY
    near = services.vectors.nearest(market, vectors, since, until, NEIGHBOURS)
    stories = Stories(services.embed, EntityFinder(services.universe.companies).canonical)
    found = tell_apart(fresh, known, vectors, near, stories, market)
    tellings = [each.telling for each in found]
    first = [each for each in found if each.telling.found_by == "first"]
    counts = {kind: sum(t.found_by == kind for t in tellings) for kind in KINDS}
    earlier = {each.telling.event_id: each.earlier for each in first if each.earlier}
    return {
        "left": left,
        "earlier": ctx.artifacts.put(ctx.run_id, "earlier", earlier),
        "tellings": ctx.artifacts.put(ctx.run_id, "tellings", [to_json(t) for t in tellings]),
        "novelty": {each.telling.event_id: 1 - each.likeness for each in first},
        "related": {each.telling.event_id: each.related for each in first if each.related},
        "seen_before": len(headlines) - len(fresh),
        **counts,
    }


def link_entities(ctx: Context[Services]) -> Json:
    """Find the companies that each new story names."""
    finder = EntityFinder(ctx.services.universe.companies)
    return {
        telling.event_id: finder.find(telling.headline)
        for telling in _tellings(ctx)
        if telling.found_by == "first"
    }


def classify(ctx: Context[Services]) -> Json:
    """Ask the analyst about the new stories, in batches; check what it says.

    A story that by its word was told before is none: its telling goes to where that is.
    """
    linked = ctx.inputs["link_entities"]
    ref = ctx.inputs["drop_known"].get("earlier")  # none in a run that an older version began
    candidates = ctx.artifacts.get(ref) if ref else {}
    earlier = {event_id: {e: text for e, text, _ in each} for event_id, each in candidates.items()}
    asked = [(t.headline, linked[t.event_id]) for t in _tellings(ctx) if t.found_by == "first"]
    answers: dict[str, Json] = {}
    repeats: dict[str, str] = {}
    rejected, dropped = 0, Counter[str]()
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        said = ctx.services.analyst.classify(batch, earlier)
        dropped.update(said.dropped)
        good = valid_classifications(said.results, batch, earlier)
        rejected += len(batch) - len(good)
        unanswered = {headline.id: to_json(_unknown(headline.id)) for headline, _ in batch}
        answers |= unanswered | {each.headline_id: to_json(each) for each in good}
        repeats |= {each.headline_id: each.repeats for each in good if each.repeats}
    return {
        "told_before": told_before(repeats, candidates),
        "classified": ctx.artifacts.put(ctx.run_id, "classified", answers),
        "asked": len(asked),
        "rejected": rejected,
        "dropped": dict(dropped),
    }


def store_events(ctx: Context[Services]) -> Json:
    """Store new stories and all tellings in Postgres."""
    tellings = _judged(ctx)
    near = ctx.inputs["drop_known"]["related"]
    related = [(event_id, other) for event_id, others in near.items() for other in others]
    left = list(ctx.inputs["drop_known"].get("left", ()))
    added = ctx.services.events.upsert(_events(ctx), tellings, ctx.run_id, related, left)
    return {"events": added, "tellings": len(tellings)}


def embed_events(ctx: Context[Services]) -> Json:
    """Keep the meaning of new stories in Chroma."""
    return {"vectors": _embed(ctx.services, _events(ctx))}


def link_events(ctx: Context[Services]) -> Json:
    """Link new stories, and those left, to the companies they affect, in the graph."""
    return {"edges": ctx.services.graph.link_events(_to_finish(ctx), ctx.run_id, ctx.logical_at)}


def raise_alerts(ctx: Context[Services]) -> Json:
    """Raise an alert for each story that is grave or sounds strong, once."""
    raised = 0
    for event in _to_finish(ctx):
        if reason := alarming(event):
            raised += ctx.services.alerts.raise_alert(
                f"event/{event.id}",
                severity="info",
                subject=f"{', '.join(event.tickers)}: {event.type}",
                detail={"headline": event.headline.text, "why": reason, "event": event.id},
            )
    return {"raised": raised}


FLOW = Flow(
    "events",
    fetch_headlines,
    drop_known,
    link_entities,
    classify,
    Parallel(store_events, embed_events, link_events),
    raise_alerts,
    params=[
        Param(
            "hours",
            float,
            "look back at least so far; always to the last run that ended well",
            0.0,
            least=0,
            most=24 * 90,
        )
    ],
)


def _unknown(headline_id: str) -> Classification:
    # a story is kept even when nothing that holds was said of it
    return Classification(headline_id, EventType.OTHER, {}, 0.0, 0.0, "none", "")


def _storable(raw: Headline) -> Headline:
    return replace(
        raw,
        text=storable(raw.text),
        source=storable(raw.source),
        url=storable(raw.url),
        summary=storable(raw.summary),
    )


def _headlines(rows: Sequence[Mapping[str, Any]]) -> list[Headline]:
    found = [_headline(row) for row in rows]
    return sorted(found, key=lambda headline: (headline.published_at, headline.id))


def _headline(row: Mapping[str, Any]) -> Headline:
    published_at = datetime.fromisoformat(row["published_at"])
    return Headline(**{**row, "published_at": published_at, "tickers": tuple(row["tickers"])})


def _tellings(ctx: Context[Any]) -> list[Telling]:
    rows = ctx.artifacts.get(ctx.inputs["drop_known"]["tellings"])
    return [Telling(**{**row, "headline": _headline(row["headline"])}) for row in rows]


def _to_finish(ctx: Context[Services]) -> list[Event]:
    return _events(ctx) + _left(ctx.services, ctx.inputs["drop_known"].get("left", {}))


def _left(services: Services, left: Mapping[str, str]) -> list[Event]:
    """Return the stories among what was left, as they were stored; `left` is headline -> story."""
    ids = [headline for headline, story in left.items() if headline == story]
    return services.events.stored(services.market.name, ids) if ids else []


def _embed(services: Services, events: Sequence[Event]) -> int:
    vectors = services.embed([event.headline.text for event in events])
    metadata = [
        {"published_at": event.headline.published_at.timestamp(), "type": event.type.value}
        for event in events
    ]
    ids = [event.id for event in events]
    return services.vectors.upsert(services.market.name, ids, vectors, metadata)


def _judged(ctx: Context[Any]) -> list[Telling]:
    before = ctx.inputs["classify"].get("told_before", {})  # as above
    return [as_judged(telling, before) for telling in _tellings(ctx)]


def _events(ctx: Context[Services]) -> list[Event]:
    answers = ctx.artifacts.get(ctx.inputs["classify"]["classified"])
    novelty = ctx.inputs["drop_known"]["novelty"]
    linked = ctx.inputs["link_entities"]
    return [
        _event(telling, answers[telling.event_id], linked[telling.event_id], novelty)
        for telling in _judged(ctx)
        if telling.found_by == "first"
    ]


def _event(
    telling: Telling,
    answer: Mapping[str, Any],
    tickers: Sequence[str],
    novelty: Mapping[str, float],
) -> Event:
    return Event(
        id=telling.event_id,
        headline=telling.headline,
        tickers=tuple(tickers),
        type=EventType(answer["type"]),
        sentiment={ticker: Sentiment(**s) for ticker, s in answer["sentiment"].items()},
        relevance=answer["relevance"],
        novelty=round(novelty[telling.event_id], 6),
        confidence=answer["confidence"],
        analyst=answer["analyst"],
        prompt_hash=answer["prompt_hash"],
        market=telling.market,
    )

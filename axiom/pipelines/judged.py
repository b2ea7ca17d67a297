"""What an analyst says of headlines: what holds, what it knew before, what a person should know.

Nothing is stored on its word that was not in the closed lists that it was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from axiom.model import Classification, Earlier, Event, EventType, Headline, Sentiment, Telling
from axiom.pipelines.novelty import Candidate

STRONG_SCORE, STRONG_CONFIDENCE = 0.6, 0.6
GRAVE = {EventType.MERGER_ACQUISITION, EventType.LEGAL_REGULATORY, EventType.MANAGEMENT_CHANGE}


def valid_classifications(
    said: Sequence[Classification],
    asked: Sequence[tuple[Headline, Sequence[str]]],
    earlier: Earlier | None = None,
) -> list[Classification]:
    """Keep what an analyst may say: of headlines that it was asked about, within the lists."""
    tickers = {headline.id: set(linked) for headline, linked in asked}
    known = earlier or {}
    return [
        each
        for each in said
        if each.headline_id in tickers
        and _holds(each, tickers)
        and each.repeats in (None, *known.get(each.headline_id, ()))
    ]


def _holds(said: Classification, tickers: Mapping[str, set[str]]) -> bool:
    return (
        isinstance(said.type, EventType)
        and set(said.sentiment) <= tickers[said.headline_id]
        and all(0 <= value <= 1 for value in (said.relevance, said.confidence))
        and all(_is_distribution(sentiment) for sentiment in said.sentiment.values())
    )


def _is_distribution(s: Sentiment) -> bool:
    parts = (s.positive, s.neutral, s.negative)
    return all(0 <= part <= 1 for part in parts) and abs(sum(parts) - 1) < 1e-6


def told_before(
    repeats: Mapping[str, str], candidates: Mapping[str, Sequence[Candidate]]
) -> dict[str, tuple[str, float]]:
    """Return where each story goes that was told before, and how near it is to that telling.

    What it repeats may itself be told before; that one came earlier, as `candidates` has them.
    """
    went: dict[str, tuple[str, float]] = {}
    for event_id, known in candidates.items():
        if story := repeats.get(event_id):
            cosine = next(cosine for e, _, cosine in known if e == story)
            went[event_id] = went.get(story, (story, 0.0))[0], cosine
    return went


def as_judged(telling: Telling, before: Mapping[str, tuple[str, float]]) -> Telling:
    """Return a telling with the story that the analyst left it with."""
    if telling.event_id not in before:
        return telling
    story, cosine = before[telling.event_id]
    if telling.found_by != "first":
        return replace(telling, event_id=story)
    return replace(telling, event_id=story, similarity=cosine, found_by="analyst")


def alarming(event: Event) -> str | None:
    """Say why a person should know of an event now; None when they need not."""
    if not event.tickers or event.confidence < STRONG_CONFIDENCE:
        return None
    if event.type in GRAVE:
        return f"{event.type}, confidence {event.confidence:.2f}"
    ticker, score = max(
        ((t, s.score) for t, s in event.sentiment.items()), key=lambda each: abs(each[1]),
        default=("", 0.0),
    )  # fmt: skip
    return f"sentiment {score:+.2f} for {ticker}" if abs(score) >= STRONG_SCORE else None

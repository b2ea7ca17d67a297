"""The type and the sound of a headline, by ordered keyword rules and a small trained model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from axiom.analysts.sentiment import CLASSES, WEIGHTS, SentimentModel
from axiom.model import Classification, EventType, Headline, Sentiment, content_hash

RULES = Path(__file__).parents[1] / "data" / "event_rules.json"
RULE_CONFIDENCE, NO_RULE_CONFIDENCE = 0.7, 0.3


@cache
def prompt_hash() -> str:
    """Changes with the rules or the weights."""
    weights = sha256(WEIGHTS.read_bytes()).hexdigest()
    return content_hash("local_events", RULES.read_text(), weights)[:16]


@cache
def _rules() -> list[tuple[EventType, re.Pattern[str]]]:
    return [
        (EventType(rule["type"]), re.compile("|".join(rule["any"]), re.IGNORECASE))
        for rule in json.loads(RULES.read_text())
    ]


def event_type(text: str) -> tuple[EventType, float]:
    """Return the type of a headline and how sure the rules are of it.

    The first rule that matches decides; `axiom/data/event_rules.json` has them in order.
    """
    for kind, pattern in _rules():
        if pattern.search(text):
            return kind, RULE_CONFIDENCE
    return EventType.OTHER, NO_RULE_CONFIDENCE


@cache
def _model() -> SentimentModel:
    return SentimentModel()


def classify(headlines: Sequence[tuple[Headline, Sequence[str]]]) -> list[Classification]:
    """Classify headlines; each linked ticker gets the sentiment of the whole headline."""
    if not headlines:
        return []
    said = _model().predict([headline.text for headline, _ in headlines])
    return [
        _classified(headline, tickers, dict(zip(CLASSES, map(float, row), strict=True)))
        for (headline, tickers), row in zip(headlines, said, strict=True)
    ]


def _classified(
    headline: Headline, tickers: Sequence[str], said: Mapping[str, float]
) -> Classification:
    kind, confidence = event_type(headline.text)
    total = sum(said.values())
    sentiment = Sentiment(**{name: share / total for name, share in said.items()})
    return Classification(
        headline_id=headline.id,
        type=kind,
        sentiment=dict.fromkeys(tickers, sentiment),
        relevance=1.0 if tickers else 0.3,
        confidence=confidence,
        analyst="local",
        prompt_hash=prompt_hash(),
    )

"""The type and the sound of a headline, by ordered keyword rules and a small trained model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from axiom.analysts.clauses import Part, parts
from axiom.analysts.sentiment import WEIGHTS, SentimentModel
from axiom.analysts.sentiment_terms import WORDS
from axiom.model import Classification, EventType, Headline, Sentiment, content_hash
from axiom.pipelines.linking import EntityFinder

RULES = Path(__file__).parents[1] / "data" / "event_rules.json"
NO_RULE_CONFIDENCE = 0.3
LEAST_SURE, SURER = 0.45, 0.42  # about how often rules are right on facts.jsonl, by their share
MORE_PHRASES = 0.5  # what a second and a third phrase of a rule add
LONGEST = 500  # letters that are read


@cache
def prompt_hash() -> str:
    """Return what changes with the rules, the lexicon or the weights."""
    weights = sha256(WEIGHTS.read_bytes()).hexdigest()
    return content_hash("local_events", RULES.read_text(), WORDS.read_text(), weights)[:16]


@dataclass(frozen=True, slots=True)
class Rule:
    """Phrases that speak for a type, and how strongly."""

    type: EventType
    weight: float
    phrases: re.Pattern[str]


@cache
def _rules() -> list[Rule]:
    return [
        Rule(EventType(rule["type"]), rule["weight"], re.compile("|".join(rule["any"]).lower()))
        for rule in json.loads(RULES.read_text())
    ]


def event_type(text: str) -> tuple[EventType, float]:
    """Return the type of a headline and how sure the rules are of it.

    Each rule of `axiom/data/event_rules.json` that matches speaks for its type, the
    more phrases the more; the strongest wins, of equal ones the first.
    """
    said = weighed(text)
    if not said:
        return EventType.OTHER, NO_RULE_CONFIDENCE
    best = max(said, key=lambda kind: said[kind])
    share = said[best] / sum(said.values())
    return best, round(LEAST_SURE + SURER * share, 4)


def weighed(text: str) -> dict[EventType, float]:
    """Return how strongly the rules speak for each type that they speak for."""
    said: dict[EventType, float] = {}
    lower = text[:LONGEST].lower()  # faster than patterns that look at both cases
    for rule in _rules():
        phrases = {found.group() for found in rule.phrases.finditer(lower)}
        if phrases:
            more = MORE_PHRASES * (min(len(phrases), 3) - 1)
            said[rule.type] = max(said.get(rule.type, 0), rule.weight + more)
    return said


@cache
def _model() -> SentimentModel:
    return SentimentModel()


def classify(
    headlines: Sequence[tuple[Headline, Sequence[str]]], finder: EntityFinder | None = None
) -> list[Classification]:
    """Classify headlines; each linked ticker gets the sentiment of what is said of it.

    Without a finder, who knows the names, that is the whole headline.
    """
    told = [_parts(headline.text, tickers, finder) for headline, tickers in headlines]
    texts = list(dict.fromkeys(part.text for each in told for part in each.values()))
    rows = zip(texts, _model().predict(texts), strict=True)
    said = {text: _sentiment(*map(float, row)) for text, row in rows}
    return [
        _classified(headline, {ticker: _of(part, said) for ticker, part in each.items()})
        for (headline, _), each in zip(headlines, told, strict=True)
    ]


def _parts(text: str, tickers: Sequence[str], finder: EntityFinder | None) -> Mapping[str, Part]:
    if finder is None or len(tickers) < 2:
        return dict.fromkeys(tickers, Part(text))
    return parts(text, finder.mentions(text), tickers)


def _sentiment(negative: float, neutral: float, positive: float) -> Sentiment:
    total = negative + neutral + positive
    return Sentiment(positive / total, neutral / total, negative / total)


def _of(part: Part, said: Mapping[str, Sentiment]) -> Sentiment:
    found = said[part.text]
    if not part.turned:
        return found
    return Sentiment(found.negative, found.neutral, found.positive)


def _classified(headline: Headline, sentiment: Mapping[str, Sentiment]) -> Classification:
    kind, confidence = event_type(headline.text)
    return Classification(
        headline_id=headline.id,
        type=kind,
        sentiment=sentiment,
        relevance=1.0 if sentiment else 0.3,
        confidence=confidence,
        analyst="local",
        prompt_hash=prompt_hash(),
    )

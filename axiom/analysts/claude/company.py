"""Read a company: extract -> check spans -> repair."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from axiom.analysts.claude import cues, prompt
from axiom.analysts.claude.answers import EdgeFound
from axiom.analysts.claude.interview import Interview, Verdict
from axiom.analysts.claude.items import read
from axiom.analysts.claude.material import NAME, PROFILE, clean, is_ticker, written
from axiom.analysts.question import Ask, Effort, Question
from axiom.model import EdgeType, Json, Profile, Said
from axiom.pipelines.entities import has_latin, normal
from axiom.pipelines.findings import Finding

LEAST_CONFIDENCE = 50
UNSURE = "unsure"
_CODE = re.compile(r"[{}\[\]<>;`|\\$=\"\n\t]|--|//|/\*|\*/|::")
_COMPANIES = frozenset((
    EdgeType.COMPETES_WITH, EdgeType.SUPPLIES, EdgeType.CUSTOMER_OF, EdgeType.PARTNERS_WITH,
    EdgeType.OWNS,
))  # fmt: skip
_COUNTRIES = {
    "united states": r"\bu\.?\s?s\.?(\s?a\.?)?(?![a-z])|\bamerica\b",
    "united kingdom": r"\bu\.?k\.?(?![a-z])|\b(great britain|england|scotland|wales)\b",
}
_DETAILS = {
    "span_not_in_text": "the span is not in the text, letter by letter",
    "name_not_in_span": "the span does not hold the other thing's name",
    "type_not_allowed": "there is no such edge type",
    cues.NO_CUE: "the sentence around the span does not state such an edge",
    cues.ADDRESSED: "the sentence around the span is an order, and no fact",
}


def analyse_company(ask: Ask, model: str, effort: Effort | None, profile: Profile) -> Said[Finding]:
    """Return what a profile states, each with a span that is in it."""
    if not is_ticker(profile.ticker):
        return Said([], {"ticker_unusable": 1}, refused="ticker_unusable")
    shown = clean(profile.text, PROFILE, lines=True)
    texts = (shown, profile.text)

    def judge(items: Sequence[Json], open_: Sequence[int] | None) -> Verdict[Finding]:
        return _judge(items, open_, texts)

    result = Interview(ask, "f", judge).hold(_question(model, effort, profile, shown))
    others = [found for found in result.good.values() if not _is_itself(found, profile)]
    unique = {(f.type, normal(f.other)): f for f in reversed(others)}
    findings = [f for f in others if unique[f.type, normal(f.other)] is f]
    dropped = result.dropped
    dropped["itself"] += len(result.good) - len(others)
    dropped["repeated"] += len(others) - len(findings)
    return Said(findings, dict(+dropped), result.refused)


def _question(model: str, effort: Effort | None, profile: Profile, shown: str) -> Question:
    asked = prompt.company()
    return Question(
        prompt=asked.name,
        system=asked.system,
        material=written({"name": clean(profile.name, NAME), "text": shown}),
        schema=asked.schema,
        model=model,
        max_tokens=_max_tokens(shown),
        subjects=(profile.ticker,),
        effort=effort,
    )


def _max_tokens(shown: str) -> int:
    # a profile of short names is quoted nearly whole, each with its frame
    return 100 * min(4 + len(shown) * 12 // 1000, 80)


def _judge(
    items: Sequence[Json], open_: Sequence[int] | None, texts: Sequence[str]
) -> Verdict[Finding]:
    """Places count from 1; in the second round the n-th item stands for the n-th open place."""
    places = list(open_ or ())
    start = max(places, default=0) + 1_000 * bool(open_)
    good, wrong = {}, {}
    extra = Counter[str]()
    for n, item in enumerate(items):
        place = places[n] if n < len(places) else start + n + 1
        found = read(EdgeFound, item)
        judged = found if isinstance(found, str) else _grounded(found, texts)
        if judged == UNSURE and place not in places:
            extra[UNSURE] += 1  # to ask again would make it no surer
        elif isinstance(judged, str):
            wrong[place] = judged
        else:
            good[place] = judged
    details = {place: _DETAILS.get(why, why.replace("_", " ")) for place, why in wrong.items()}
    return Verdict(good, wrong, details, extra)


def _grounded(found: EdgeFound, texts: Sequence[str]) -> Finding | str:
    """The finding, or what its evidence lacks."""
    span = found.s
    if not span.strip() or not all(span in text for text in texts):
        return "span_not_in_text"
    kind, name = EdgeType(found.t), " ".join((found.o or span).split())
    if not has_latin(name) or _CODE.search(name) or not name.isprintable() or len(name) > 100:
        return "name_unusable"
    if not _is_named(kind, name, span):
        return "name_not_in_span"
    if why := cues.objection(kind, name, span, texts[0]):
        return why
    if found.c < LEAST_CONFIDENCE:
        return UNSURE
    return Finding(kind, name, span, found.c / 100)


def _is_itself(found: Finding, profile: Profile) -> bool:
    return found.type in _COMPANIES and f"{_words(profile.name)} ".startswith(
        f"{_words(found.other)} "
    )


def _is_named(kind: EdgeType, name: str, span: str) -> bool:
    if f" {_words(name)} " in f" {_words(span)} ":
        return True
    pattern = _COUNTRIES.get(_words(name)) if kind is EdgeType.HEADQUARTERED_IN else None
    return bool(pattern and re.search(pattern, span.lower()))


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold().replace("&", " and ")))

"""What two headlines share and where they are at odds: wording, figures, names and deeds.

Wording and meaning alone cannot part "Q1 results" from "Q2 results", or "sues"
from "is sued": a template's words are the same. Two tellings of one event agree in every
slot (how much, when, who, what is done, to what), whatever their wording; two events differ in
one. So each word that the other headline has no word for counts by what it is: a deed, a
topic, a name, or another; `axiom/pipelines/weighing.py` weighs them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from axiom.pipelines.figures import Amount, Slot, amounts, meet, slots, slots_odd, without_slots
from axiom.pipelines.wording import (
    STOP,
    Token,
    lexicon,
    meaning,
    stem,
    stood_for,
    tell_the_same,
    tokens,
)

LONGEST = 500  # letters that are read
# however alike the rest is
VETOES = ("slots_odd", "stages_odd", "roles_odd", "at_odds", "firm_odd")
_AGREED = ("amounts_odd", "amounts_mixed", "names_odd", "deeds_odd", "deeds_turned", "topics_odd")
_SOURCE = re.compile(
    r"\s+(?:[-|–—]|--)\s+(?:[A-Z][\w.&']*\s?){1,3}$"
    r"|\s*\((?:\d|[Uu]pdate\w*|[A-Z][\w&]+(?: [A-Z]\w+)?)\)$|[,;]? (?:-+ )?sources(?: say)?$"
)
_DRESS = re.compile(
    r"^(?:(?:UPDATE|WRAPUP|RPT|BRIEF|EXCLUSIVE|REFILE|CORRECTED)(?: \d+)?-|"
    r"(?:breaking|exclusive|update|just in|live)\s?[:-]\s)\s*",
    re.IGNORECASE,
)
_NO_NAMES = STOP | {"q1", "q2", "q3", "q4"}
_PASSIVE = re.compile(r"\b(?:is|was|are|gets?|been|be)?\s?(\w+(?:ed|cut|hit|bought|taken)) by\b")
_ACTIVE = re.compile(
    r"\b(sues?|suing|files? (?:\w+ )?(?:suit|lawsuit) against|takes|beats?|overtak(?:es?|ing)|"
    r"pass(?:es|ing)|surpass(?:es|ing)|upgrades?|downgrades?|acquires?|buys|"
    r"(?<!upgrades )(?<!raised )to buy (?!from|at|rating)|warns?|"
    r"accuses?|challenges?|threatens to sue|rejects?|makes .* (?:bid|offer) for)\b"
)
_STAGES = ("abandon", "deny", "complete", "block", "probe", "approve", "talks", "buy")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read out of a headline, for comparison."""

    words: frozenset[str]  # stems, known phrases as one
    stood_for: frozenset[str]  # whom its products and people stand for
    names: frozenset[str]
    wholes: Mapping[str, frozenset[str]]  # "eurozone" of "euro zone", "rbi" of its words
    amounts: frozenset[Amount]
    slots: frozenset[Slot]
    senses: frozenset[str]
    roles: tuple[frozenset[str], frozenset[str]] | None  # who does it, to whom
    plain: tuple[str, ...]  # words and numbers in order


@lru_cache(maxsize=20_000)
def read(text: str) -> Reading:
    """Read a headline."""
    text = undressed(text[:LONGEST].replace("’", "'"))
    lower = text.lower()
    found = tokens(without_slots(text))
    words = frozenset(each.stem for each in found) - _STOP_STEMS - {""}
    return Reading(
        words=words,
        stood_for=frozenset(stood_for(found)),
        names=frozenset(_names(found)),
        wholes=_wholes(found),
        amounts=frozenset(amounts(text)),
        slots=frozenset(slots(text)),
        senses=frozenset(sense for word in words for sense in meaning(word).senses),
        roles=_roles(lower),
        plain=tuple(re.findall(r"[\w&.%$€]+", lower)),
    )


def undressed(text: str) -> str:
    """Return a headline without its source and without what an agency puts before it."""
    plain = unicodedata.normalize("NFKC", text).strip()
    plain = _DRESS.sub("", plain)
    return plain if plain.isupper() else _SOURCE.sub("", plain)


_STOP_STEMS = STOP | {stem(word) for word in STOP}


def _names(found: Sequence[Token]) -> Iterator[str]:
    """Capitalised words; none where capitals say nothing, in titles and shouted lines."""
    long = [each.written for each in found if len(each.written) > 3]
    if long and sum(word[0].isupper() for word in long) / len(long) > 0.75:
        return
    deeds = lexicon().deeds
    for each in found:
        first = each.start == 0 and bool(meaning(each.stem).senses & deeds)
        if each.written[0].isupper() and each.stem not in _NO_NAMES and not first:
            yield each.stem


def _wholes(found: Sequence[Token]) -> Mapping[str, frozenset[str]]:
    """Return what words that follow one another may be written as: at one, or as initials."""
    wholes = {
        stem(a.written.lower() + b.written.lower()): frozenset((a.stem, b.stem))
        for a, b in pairwise(found)
    }
    run: list[Token] = []
    for each in [*found, None]:
        if each and each.written[0].isupper():
            run.append(each)
        elif each and run and each.stem in ("of", "and", "for", "the"):
            continue
        else:
            if len(run) > 1:
                initials = "".join(one.written[0] for one in run).lower()
                wholes[stem(initials)] = frozenset(one.stem for one in run)
            run = []
    return wholes


def _roles(lower: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """Return the words of who does a deed and of whom it is done to."""
    passive = _PASSIVE.search(lower)
    if not (found := passive or _ACTIVE.search(lower)):
        return None
    before, after = _content(lower[: found.start()]), _content(lower[found.end() :])
    return (after, before) if passive else (before, after)


def _content(text: str) -> frozenset[str]:
    return frozenset(each.stem for each in tokens(text)) - _STOP_STEMS


# --- comparing -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unmet:
    """The words of a headline that another has no word for, by what they are."""

    words: frozenset[str]
    deeds: frozenset[str]
    topics: frozenset[str]
    names: frozenset[str]


def unmet(a: Reading, b: Reading) -> Unmet:
    """Return what `a` says and `b` does not."""
    left = a.words - b.words - b.stood_for - b.wholes.keys()
    left -= {part for whole, parts in a.wholes.items() if whole in b.words for part in parts}
    left = frozenset(word for word in left if not _said(word, b))
    known = lexicon()
    deeds = frozenset(word for word in left if meaning(word).senses & known.deeds)
    topics = frozenset(word for word in left - deeds if meaning(word).senses & known.topics)
    return Unmet(left, deeds, topics, (left & a.names) - deeds)


def _said(word: str, other: Reading) -> bool:
    means = meaning(word)
    if means.senses & other.senses:
        return True
    return any(tell_the_same(word, each) for each in other.words)


def features(a: Reading, b: Reading, cosine: float) -> dict[str, float]:
    """Return where two headlines agree and where they are at odds."""
    only_a, only_b = unmet(a, b), unmet(b, a)
    return compared(a, b, only_a, only_b, cosine)


def compared(
    a: Reading, b: Reading, only_a: Unmet, only_b: Unmet, cosine: float
) -> dict[str, float]:
    """Return where two headlines agree and where they are at odds."""
    amounts_met, amounts_odd = meet(a.amounts, b.amounts)
    shared_a, shared_b = len(a.words) - len(only_a.words), len(b.words) - len(only_b.words)
    all_words = len(a.words) + len(b.words)
    names_met = len(a.names - only_a.words) + len(b.names - only_b.words)
    unsaid = sorted((len(only_a.words), len(only_b.words)))
    found = {
        "cosine": cosine,
        "wording": (shared_a + shared_b) / all_words if all_words else 0.0,
        "contained": max(
            shared_a / len(a.words) if a.words else 0.0, shared_b / len(b.words) if b.words else 0.0
        ),
        "amounts_met": min(amounts_met, 2),
        "amounts_odd": float(amounts_odd and not amounts_met),
        "amounts_mixed": float(amounts_odd and amounts_met > 0),
        "amounts_none": float(bool(a.amounts and b.amounts) and not amounts_met),
        "amounts_one": float(bool(a.amounts) != bool(b.amounts)),
        "slots_met": float(bool(a.slots & b.slots)),
        "slots_one": float(bool(a.slots) != bool(b.slots)),
        "slots_odd": float(slots_odd(a.slots, b.slots)),
        "names_met": min(names_met, 4),
        "names_none": float(bool(a.names and b.names) and not names_met),
        "names_swapped": float(_swapped(a, b, only_a, only_b)),
        "words_odd": min(unsaid[0], 4),
        "words_more": min(unsaid[1], 6),
        "at_odds": float(_at_odds(a, b, only_a, only_b)),
        "deeds_turned": float(min(len(_turns(only_a, b) | _turns(only_b, a)), 2)),
        "firm_odd": float(any(map(_firm, only_a.deeds | only_b.deeds))),
        "deeds_met": float(min(len(_deeds(a) & _deeds(b)), 2)),
        "stages_odd": float(_stages_odd(a, b)),
        "roles_odd": float(_roles_odd(a, b)),
    }
    for kind in ("deeds", "topics", "names"):
        fewer, more = sorted((len(getattr(only_a, kind)), len(getattr(only_b, kind))))
        found[f"{kind}_odd"], found[f"{kind}_more"] = float(min(fewer, 2)), float(min(more, 3))
    return found


def agree(a: Reading, b: Reading) -> bool:
    """Say whether nothing that two headlines state is at odds."""
    found = features(a, b, 0.0)
    return not any(found[name] for name in (*VETOES, *_AGREED))


def _deeds(a: Reading) -> frozenset[str]:
    return a.senses & lexicon().deeds


def _turns(only: Unmet, other: Reading) -> frozenset[str]:
    turns = lexicon().turns
    return frozenset(word for word in only.deeds if meaning(word).senses & turns)


def _firm(word: str) -> bool:
    return meaning(word).senses & lexicon().deeds <= lexicon().firm


def _at_odds(a: Reading, b: Reading, only_a: Unmet, only_b: Unmet) -> bool:
    """Say whether what one tells alone is at odds with what the other tells."""
    odds = lexicon().at_odds
    return any(
        frozenset((x, y)) in odds
        for only, other, others in ((only_a, only_b, b), (only_b, only_a, a))
        for word in only.words
        for x in meaning(word).senses
        for y in _senses(other.words) | (others.senses if x in lexicon().turns else frozenset())
    )


def _senses(words: frozenset[str]) -> frozenset[str]:
    return frozenset(sense for word in words for sense in meaning(word).senses)


def _stages_odd(a: Reading, b: Reading) -> bool:
    if "buy" not in a.senses | b.senses:
        return False
    stages = {_stage(a), _stage(b)}
    return "" not in stages and len(stages) == 2


def _stage(read: Reading) -> str:
    """Return how far a deal has come; empty when none is told of."""
    return next((stage for stage in _STAGES if stage in read.senses), "")


def _roles_odd(a: Reading, b: Reading) -> bool:
    """Say whether what the one does to the other is done to it, by the other, in the other."""
    if not a.roles or not b.roles:
        return False
    (by, to), (other_by, other_to) = a.roles, b.roles
    return bool(by & other_to) and bool(to & other_by) and not by & other_by & (a.names or by)


def _swapped(a: Reading, b: Reading, only_a: Unmet, only_b: Unmet) -> bool:
    """Say whether two headlines are one template that names different things."""
    if not (only_a.names and only_b.names):
        return False
    return SequenceMatcher(None, a.plain, b.plain, autojunk=False).ratio() >= 0.6

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
from itertools import groupby, pairwise

from axiom.pipelines.figures import Amount, Slot, amounts, meet, slots, slots_odd, without_slots
from axiom.pipelines.wording import (
    START,
    STOP,
    Token,
    forms_of_one,
    lexicon,
    meaning,
    stem,
    stood_for,
    tokens,
)

LONGEST = 500  # letters that are read
# however alike the rest is
VETOES = ("slots_odd", "stages_odd", "roles_odd", "at_odds", "firm_odd", "moves_odd")
_AGREED = ("amounts_odd", "amounts_mixed", "names_odd", "deeds_odd", "deeds_turned", "topics_odd")
_SOURCE = re.compile(
    r"\s+(?:[-|–—]|--)\s+(?:[A-Z][\w.&']*\s?){1,3}$"
    r"|\s*\((?:\d|[Uu]pdate\w*|[A-Z][\w&]+(?: [A-Z]\w+)?)\)$|[,;]? (?:-+ )?sources(?: say)?$"
)
DRESS = re.compile(
    r"^(?:(?:UPDATE|WRAPUP|RPT|BRIEF|EXCLUSIVE|REFILE|CORRECTED)(?: \d+)?-|"
    r"(?:breaking|exclusive|update|just in|live)\s?[:-]\s)\s*",
    re.IGNORECASE,
)
_SHARES = re.compile(
    r"[,;] (?:and |its )?(?:shares?|stock) \w+(?: (?:by )?\d[\d.]*%| on \w+)?(?=[,;]|$)",
    re.IGNORECASE,
)
_PLAIN_LETTERS = str.maketrans("øØłŁäöüÄÖÜéèêáàâíóôúñçãõå", "oOlLaouAOUeeeaaaioouncaoa")
_RISES, _FALLS = re.compile(r"(?<!\S)\+(?=[$€£]?\d)"), re.compile(r"(?<!\S)[-−–](?=[$€£]?\d)")
# seen from the other side
_BUYER = re.compile(
    r"\b(?:sell\w*|sold|sale|offload\w*)\b.* to (?=[A-Z])|\btak(?:e|es|ing)\b.* private\b"
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
    runs: tuple[frozenset[str], ...]  # names of several words
    amounts: frozenset[Amount]
    moves: frozenset[tuple[str, str]]  # figures beside "rise" or "fall"
    slots: frozenset[Slot]
    senses: frozenset[str]
    kinds: frozenset[str]
    starts: frozenset[str]  # of its longer words
    roles: tuple[frozenset[str], frozenset[str]] | None  # who does it, to whom
    plain: tuple[str, ...]  # words and numbers in order


@lru_cache(maxsize=20_000)
def read(text: str) -> Reading:
    """Read a headline."""
    text = undressed(text[:LONGEST])
    text = _FALLS.sub("falls ", _RISES.sub("rises ", text))
    lower = text.lower()
    found = tokens(without_slots(text))
    words = frozenset(each.stem for each in found) - _STOP_STEMS - {""}
    senses = frozenset(sense for word in words for sense in meaning(word).senses)
    return Reading(
        words=words,
        stood_for=frozenset(stood_for(found)),
        names=frozenset(_names(found)),
        wholes=_wholes(found),
        runs=_runs(found),
        amounts=frozenset(amounts(text)),
        moves=frozenset(_moves(lower)),
        slots=frozenset(slots(text)),
        senses=senses | ({"buy"} if _BUYER.search(text) else set()),
        kinds=frozenset(kind for word in words for kind in meaning(word).kinds),
        starts=frozenset(word[:START] for word in words if len(word) >= START),
        roles=_roles(lower),
        plain=tuple(re.findall(r"[\w&.%$€]+", lower)),
    )


def undressed(text: str) -> str:
    """Return a headline without its source, agency marks, and what the shares did at it."""
    plain = DRESS.sub("", unicodedata.normalize("NFKC", text.replace("’", "'")).strip())
    plain = _SHARES.sub("", plain.translate(_PLAIN_LETTERS))
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


def _runs(found: Sequence[Token]) -> tuple[frozenset[str], ...]:
    """Return the words of each name of several words, which may be told in short."""
    runs = groupby(found, key=lambda each: each.written[0].isupper() and not each.written.isupper())
    stems = (frozenset(each.stem for each in run) - _STOP_STEMS for capital, run in runs if capital)
    return tuple(run for run in stems if len(run) > 1)


_MOVE = re.compile(r"([a-z]+)(?: by| another| about| nearly)? [$€£]?(\d[\d.,]*\d|\d)")


def _moves(lower: str) -> Iterator[tuple[str, str]]:
    for word, figure in _MOVE.findall(lower):
        for sense in meaning(stem(word)).senses & {"rise", "fall", "raise", "lower"}:
            yield {"raise": "rise", "lower": "fall"}.get(sense, sense), figure


def _moves_odd(a: Reading, b: Reading) -> bool:
    """Say whether what rises by an amount here falls by it there."""
    turned = {("fall" if way == "rise" else "rise", figure) for way, figure in a.moves - b.moves}
    return bool(turned & (b.moves - a.moves))


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
    # what both name, "App Store", stands for nobody
    left = a.words - b.words - (b.stood_for - a.stood_for) - b.wholes.keys()
    left -= {part for run in a.runs if _in_short(run, b) for part in run}
    left -= {part for whole, parts in a.wholes.items() if whole in b.words for part in parts}
    left = frozenset(word for word in left if not _said(word, b))
    known = lexicon()
    deeds = frozenset(word for word in left if meaning(word).senses & known.deeds)
    topics = frozenset(word for word in left - deeds if meaning(word).senses & known.topics)
    return Unmet(left, deeds, topics, (left & a.names) - deeds)


def _in_short(run: frozenset[str], other: Reading) -> bool:
    """Say whether a text names what a run of words names by some of them: "Lund", "Novo"."""
    return not run.isdisjoint(other.names) and not any(
        run & each and each - run for each in other.runs
    )


def _said(word: str, other: Reading) -> bool:
    """Say whether a text has a word of the same meaning, of its kind, or a form of it."""
    means = meaning(word)
    if not means.senses.isdisjoint(other.senses | other.kinds) or means.kinds & other.senses:
        return True
    return word[:START] in other.starts and any(forms_of_one(word, each) for each in other.words)


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
        "moves_odd": float(_moves_odd(a, b)),
        "siblings": float(not _kinds(only_a.words).isdisjoint(_kinds(only_b.words))),
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
    said_a, said_b = _senses(only_a.words), _senses(only_b.words)
    return _against(said_a, said_b, b) or _against(said_b, said_a, a)


def _against(said: frozenset[str], unsaid: frozenset[str], other: Reading) -> bool:
    known = lexicon()
    return any(
        known.at_odds[sense] & (other.senses if sense in known.turns else unsaid)
        for sense in said & known.at_odds.keys()
    )


def _kinds(words: frozenset[str]) -> frozenset[str]:
    return frozenset(kind for word in words for kind in meaning(word).kinds)


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
    matcher = SequenceMatcher(None, a.plain, b.plain, autojunk=False)
    return matcher.ratio() >= 0.6

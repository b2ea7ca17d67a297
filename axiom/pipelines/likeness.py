"""What two headlines share and where they are at odds: wording, numbers, names and deeds.

Wording and meaning alone cannot part "Q1 results" from "Q2 results", or "sues"
from "is sued": a template's words are the same. What decides is where two
headlines agree and where they are at odds; `axiom/pipelines/weighing.py` weighs both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

LONGEST = 500  # letters that are read
_QUARTERS = {"first": 1, "second": 2, "third": 3, "fourth": 4}
_QUARTER = re.compile(rf"\b(?:q([1-4])|({'|'.join(_QUARTERS)})[- ](?:fiscal[- ])?quarter)\b")
_MONTH = re.compile(
    r"\b(january|february|april|june|july|august|september|october|november|december)\b"
)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b(?!\s?(?:million|billion|%))")
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_NUMBER = re.compile(
    r"([$€£]?)\s?(?<![\w.])(\d[\d,]*(?:\.\d+)?)\s?"
    r"(?:(%|percent\b|per cent\b|pct\b)|(basis points?|bps)\b"
    r"|(k|thousand|m|mn|mln|million|b|bn|bln|billion|tn|trillion)\b)?(?![\w])"
    r"(?:[- ](euro|dollar|pound|yen|cent|[a-z]{3,})s?\b)?"
)
# what it was before: what it is now parts one raised target from the next
_FROM = re.compile(r"(?<=\d)(\S*(?:\s(?:million|billion|cents))?)\sfrom\s\S?\d[\d.,]*")
_CURRENCIES = {"euro", "dollar", "pound", "yen", "cent"}
_SPELT = {
    r"\bquarter[- ](?:of a )?(?:percentage )?point\b": "0.25%",
    r"\bhalf[- ](?:a )?(?:percentage )?point\b": "0.5%",
    r"\bhalf[- ](?:a )?percent\b": "0.5%",
    r"\bthree[- ]quarters? of a (?:percentage )?point\b": "0.75%",
    r"\ba tenth\b": "10%", r"\bone in ten\b": "10%",
    r"\ba fifth\b": "20%", r"\bone in five\b": "20%",
    r"\ba third\b(?!.quarter)": "33%", r"\ba quarter (?=of (?:its|staff|the))": "25% ",
    r"\bby half\b": "50%", r"\bthree (?=thousand)": "3 ",
    r"\ba quarter of a\b": "0.25", r"\ba dozen\b": "12", r"\bone (?=million|billion)": "1 ",
    r"\btwo (?=million|billion)": "2 ", r"\bthree (?=million|billion)": "3 ",
    r"\bfour (?=million|billion)": "4 ", r"\bfive (?=million|billion)": "5 ",
    r"\bsix (?=million|billion)": "6 ", r"\bnine (?=million|billion)": "9 ",
    r"\bten (?=million|billion)": "10 ",
}  # fmt: skip
_WORD = re.compile(r"[a-z][a-z&.]*[a-z](?:'s)?|[a-z]")
_NAME = re.compile(r"(?<![\w$])[A-Z][\w&.]*(?:['’]s)?")
_STOP_WORDS = (
    "a an the of to in on at for by with from as and or but its it is are was be will after over "
    "than that this their his her new more most up into out about says said say amid while which "
    "who has have had not s"
)
_NO_NAMES_EITHER = "wall street monday tuesday wednesday thursday friday q1 q2 q3 q4"
_STOP = frozenset(_STOP_WORDS.split())
_NO_NAMES = _STOP | set(_NO_NAMES_EITHER.split())
_PASSIVE = re.compile(r"\b(?:is|was|are|gets?|been|be)?\s?(\w+(?:ed|cut|hit|bought|taken)) by\b")
_ACTIVE = re.compile(
    r"\b(sues?|suing|files? (?:\w+ )?(?:suit|lawsuit) against|takes|beats?|overtakes?|passes|"
    r"upgrades?|downgrades?|acquires?|buys|(?<!upgrades )(?<!raised )to buy (?!from|at|rating)|"
    r"warns?|"
    r"accuses?|challenges?|threatens to sue)\b"
)


# what a further telling seldom leaves out, and another event often has alone
_MARKED = {
    "complete", "talks", "deny", "abandon", "approve", "block", "sue", "settle", "fine", "probe",
    "rule", "delay", "end", "go", "come", "hold", "layoff", "recall", "strike", "bond", "buyback",
    "dividend", "split", "warn",
}  # fmt: skip

VETOES = ("periods_odd", "stages_odd", "roles_odd")  # however alike the rest is
_REVERSALS = {"block", "deny", "abandon", "delay", "extend"}
_DOUBTS = ("amounts_odd", "amounts_mixed", "names_odd", "deeds_odd", "deeds_apart")
_STAGES = ("abandon", "deny", "complete", "block", "probe", "approve", "talks", "offer")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read out of a headline, for comparison."""

    words: frozenset[str]  # stems, one for all that mean the same
    names: frozenset[str]
    amounts: frozenset[tuple[str, float]]  # kind ("%", "money", what is counted) and value
    periods: frozenset[tuple[str, str]]  # ("quarter", "2"), ("month", "june"), ("year", "2024")
    deeds: frozenset[str]
    roles: tuple[frozenset[str], frozenset[str]] | None  # who does it, to whom
    plain: tuple[str, ...]  # words and numbers in order


@lru_cache(maxsize=20_000)
def read(text: str) -> Reading:
    """Read a headline."""
    text = text[:LONGEST].replace("’", "'")
    lower = text.lower()
    words = _stems(lower)
    deeds = _deeds()
    return Reading(
        words=frozenset([*words, *_stood_for(lower)]) - _STOP,
        names=frozenset(_names(_joined(text))),
        amounts=frozenset(_amounts(lower)),
        periods=frozenset(_periods(lower)),
        deeds=frozenset(deed for word in words for deed in deeds.get(word, ())),
        roles=_roles(lower),
        plain=tuple(re.findall(r"[\w&.%$€]+", lower)),
    )


def features(a: Reading, b: Reading, cosine: float) -> dict[str, float]:
    """Return where two headlines agree and where they are at odds."""
    amounts_met, amounts_odd = _meet(a.amounts, b.amounts)
    names_met = len(_found(a.names, b) | _found(b.names, a))
    names_odd = min(len(a.names - _found(a.names, b)), len(b.names - _found(b.names, a)))
    union = len(a.words | b.words)
    shared = len(a.words & b.words)
    wording = shared / union if union else 0.0
    return {
        "cosine": cosine,
        "wording": wording,
        "contained": shared / min(len(a.words), len(b.words)) if a.words and b.words else 0.0,
        "amounts_met": min(amounts_met, 2),
        "amounts_odd": float(amounts_odd and not amounts_met),
        "amounts_mixed": float(amounts_odd and amounts_met > 0),
        "periods_met": float(bool(a.periods & b.periods)),
        "periods_odd": float(_periods_odd(a.periods, b.periods)),
        "names_met": min(names_met, 3),
        "names_none": float(bool(a.names and b.names) and not names_met),
        "names_odd": min(names_odd, 2),
        "names_swapped": float(_swapped(a, b)),
        "names_odd_alike": min(names_odd, 2) * wording,
        "words_odd_alike": min(len(a.words - b.words), len(b.words - a.words), 3) * wording,
        "reversed": float(bool((a.deeds ^ b.deeds) & _REVERSALS)),
        "names_met_amounts_met": float(names_met > 0 and amounts_met > 0),
        "deeds_met": min(len(a.deeds & b.deeds), 2),
        "deeds_odd": float(_at_odds(a.deeds, b.deeds)),
        "stages_odd": float(_stages_odd(a, b)),
        "deeds_apart": min(len((a.deeds ^ b.deeds) & _MARKED), 3),
        "roles_odd": float(_roles_odd(a.roles, b.roles)),
    }


# --- reading ---------------------------------------------------------------------


def _data(name: str) -> str:
    return files("axiom.data").joinpath(name).read_text()


@cache
def _said() -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads(_data("same_words.json"))
    return found


@cache
def _same() -> tuple[Mapping[str, str], re.Pattern[str], Mapping[str, str]]:
    """Return the word that stands for each stem, and for each phrase."""
    groups: list[str] = _said()["same"]  # type: ignore[assignment]
    single, phrases = {}, {}
    for group in groups:
        first, *others = group.split()
        for other in others:
            if "-" in other:
                phrases[other.replace("-", " ")] = first
            else:
                single[_stem(other)] = _stem(first)
    longest = sorted(phrases, key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(_inflected, longest))})\b", re.IGNORECASE)
    return single, pattern, {_bare(phrase): word for phrase, word in phrases.items()}


@cache
def _stands() -> tuple[re.Pattern[str], Mapping[str, str]]:
    """Return products, people and by-names, and for each the word of whom it stands for."""
    groups: dict[str, str] = _said()["stands_for"]  # type: ignore[assignment]
    found = {
        phrase.replace("-", " "): _stem(word.lower())
        for phrases, word in groups.items()
        for phrase in phrases.split()
    }
    longest = "|".join(re.escape(each) for each in sorted(found, key=len, reverse=True))
    return re.compile(rf"\b({longest})(?:'?s)?(?!\w)"), found


def _stood_for(lower: str) -> Iterator[str]:
    pattern, found = _stands()
    return (found[phrase] for phrase in pattern.findall(lower.replace("-", " ")))


def _inflected(phrase: str) -> str:
    """Return a pattern of a phrase whose first or last word may have an ending."""
    first, *middle, last = (re.escape(word) for word in phrase.split())
    return r"[\s-]".join([rf"{first}(?:s|es|ed|ing)?", *middle, rf"{last}s?"])


def _bare(phrase: str) -> str:
    """Return what a phrase's forms have in common."""
    first, *others = phrase.replace("-", " ").split()
    return " ".join([first[:2], *others[:-1], others[-1].removesuffix("s")])


@cache
def _deeds() -> Mapping[str, tuple[str, ...]]:
    groups: dict[str, str] = _said()["deeds"]  # type: ignore[assignment]
    found: dict[str, tuple[str, ...]] = {}
    for deed, words in groups.items():
        for word in words.split():
            for key in {_stem(word), _same()[0].get(_stem(word), _stem(word))}:
                found[key] = tuple(dict.fromkeys((*found.get(key, ()), deed)))
    return found


@cache
def _odds() -> frozenset[frozenset[str]]:
    pairs: list[str] = _said()["at_odds"]  # type: ignore[assignment]
    return frozenset(frozenset(pair.split()) for pair in pairs)


def _joined(text: str) -> str:
    """Put the word that stands for a phrase in its place; a name stays one."""
    _, pattern, phrases = _same()

    def shorter(found: re.Match[str]) -> str:
        word = phrases[_bare(found[0].lower())]
        return word.capitalize() if found[0][-1].isupper() or found[0][0].isupper() else word

    return pattern.sub(shorter, text)


def _stems(lower: str) -> list[str]:
    single = _same()[0]
    stems = [_stem(word) for word in _WORD.findall(_joined(lower))]
    return [single.get(stem, stem) for stem in stems]


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    """Cut off endings: a rough stem, the same for forms of a word."""
    word = word.removesuffix("'s").strip(".")
    for ending, least in (("ies", 5), ("ing", 6), ("ed", 5), ("es", 5), ("s", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            word = word.removesuffix(ending) + ("y" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def _names(text: str) -> Iterator[str]:
    """Capitalised words; none where capitals say nothing, in titles and shouted lines."""
    words = [word for word in re.findall(r"[A-Za-z][\w'&.-]*", text) if len(word) > 3]
    if words and sum(word[0].isupper() for word in words) / len(words) > 0.75:
        return
    for found in _NAME.finditer(text):
        single, name = _same()[0], _stem(found[0].lower())
        if name not in _NO_NAMES and not (found.start() == 0 and name in _deeds()):
            yield single.get(name, name)


def _amounts(lower: str) -> Iterator[tuple[str, float]]:
    lower = _FROM.sub(" ", lower)
    for spelt, digits in _SPELT.items():
        lower = re.sub(spelt, digits, lower)
    for money, digits, percent, basis, scale, unit in _NUMBER.findall(_YEAR.sub(" ", lower)):
        value = float(digits.replace(",", ""))
        if scale:
            value *= _SCALES[scale if scale == "thousand" else scale[0]]
        if percent or basis:
            yield "%", value / 100 if basis else value
        elif money or unit in _CURRENCIES:
            yield "money", value
        else:
            yield _stems(unit)[0] if unit else "many", value


def _periods(lower: str) -> Iterator[tuple[str, str]]:
    for digit, word in _QUARTER.findall(lower):
        yield "quarter", digit or str(_QUARTERS[word])
    for month in _MONTH.findall(lower):
        yield "month", month
    for year in _YEAR.findall(lower):
        yield "year", year


def _roles(lower: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """Return the words of who does a deed and of whom it is done to."""
    if found := _PASSIVE.search(lower):
        before, after = lower[: found.start()], lower[found.end() :]
        return frozenset(_stems(after)) - _STOP, frozenset(_stems(before)) - _STOP
    if found := _ACTIVE.search(lower):
        before, after = lower[: found.start()], lower[found.end() :]
        return frozenset(_stems(before)) - _STOP, frozenset(_stems(after)) - _STOP
    return None


# --- comparing -------------------------------------------------------------------


def _meet(a: frozenset[tuple[str, float]], b: frozenset[tuple[str, float]]) -> tuple[int, bool]:
    """Count amounts that both state, as rounded as they may be; say whether others differ."""
    met = sum(any(_close(one, other) for other in b) for one in a)
    kinds = {kind for kind, _ in a} & {kind for kind, _ in b}
    odd = any(
        kind == shared and not any(_close((kind, value), other) for other in b)
        for shared in kinds
        for kind, value in a
    )
    return met, odd


def agree(a: Reading, b: Reading) -> bool:
    """Say whether nothing that two headlines state is at odds."""
    found = features(a, b, 0.0)
    return not any(found[name] for name in (*VETOES, *_DOUBTS))


def _close(a: tuple[str, float], b: tuple[str, float]) -> bool:
    same_kind = a[0] == b[0] or "%" not in (a[0], b[0])
    larger = max(abs(a[1]), abs(b[1]))
    return same_kind and abs(a[1] - b[1]) <= (0.03 if larger > 5 else 0.005) * larger


def _periods_odd(a: frozenset[tuple[str, str]], b: frozenset[tuple[str, str]]) -> bool:
    for kind in ("quarter", "month", "year"):
        mine = {value for name, value in a if name == kind}
        others = {value for name, value in b if name == kind}
        if mine and others and not mine & others:
            return True
    return False


def _found(names: frozenset[str], other: Reading) -> frozenset[str]:
    return names & (other.words | other.names)


def _stages_odd(a: Reading, b: Reading) -> bool:
    stages = {_stage(a), _stage(b)}
    return "offer" in a.deeds | b.deeds and "" not in stages and len(stages) == 2


def _stage(read: Reading) -> str:
    """Return how far a deal has come; empty when none is told of."""
    return next((stage for stage in _STAGES if stage in read.deeds), "")


def _at_odds(a: frozenset[str], b: frozenset[str]) -> bool:
    """Say whether what one tells alone is at odds with what the other tells."""
    only_a, only_b = a - b, b - a
    pairs = {(x, y) for x in only_a for y in only_b}
    # "rejects the settlement" tells of a settlement too
    pairs |= {(x, y) for x in only_a & _REVERSALS for y in b}
    pairs |= {(x, y) for x in only_b & _REVERSALS for y in a}
    return any(frozenset(pair) in _odds() for pair in pairs)


def _roles_odd(
    a: tuple[frozenset[str], frozenset[str]] | None,
    b: tuple[frozenset[str], frozenset[str]] | None,
) -> bool:
    if not a or not b:
        return False
    return bool(a[0] & b[1]) and bool(a[1] & b[0]) and not a[0] & b[0]


def _swapped(a: Reading, b: Reading) -> bool:
    """Say whether two headlines are one template that names different things."""
    from difflib import SequenceMatcher

    if not (a.names - _found(a.names, b) and b.names - _found(b.names, a)):
        return False
    return SequenceMatcher(None, a.plain, b.plain, autojunk=False).ratio() >= 0.6

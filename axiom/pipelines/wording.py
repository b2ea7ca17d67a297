"""The words of a headline, and what each may mean: which of them tell the same.

`axiom/data/same_words.json` groups words that headlines use for one thing; a word may be
in several groups ("drops" falls, or is abandoned), and two words tell the same where
they share one. A word of a kind ("regulator") tells the same as each of that kind
("FDA"), but two of a kind are two.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

_WORD = re.compile(r"(?<![\w.])[A-Za-z](?:[\w&+']|\.(?=\w))*")
_LETTERS = re.compile(r"\b(?:[A-Za-z]\.){2,}|\b[SN]\.\s?(?=Korea)")
_LONGEST_PHRASE = 4
START = 5  # letters that forms of one word have in common at least
_STOP_WORDS = (
    "a an the of to in on at for by with from as and or but its it is are was were be been being "
    "will over under than that this their his her our new more most much up into out about around "
    "nearly almost say said says amid while which who has have had s after before following "
    "because due cite citing despite between within per would could may might can source sources "
    "through via vs versus some so report reported reports reportedly exclusive update breaking "
    "co corp inc ltd plc group percent pct mln bln million billion only just also other during "
    "announce announced post posted people person familiar matter one today now soon "
    "agree plan aim intend set itself own all still ahead part "
    "put place take make get give big biggest consecutive running maker firm company giant "
    "startup "
    "head paperwork fintech magnitude off spacecraft chipmaker retailer utility drugmaker "
    "carmaker automaker steelmaker planemaker biotech "
    "operator provider whether when aged board "
    "yoy qoq y bbl barrel tonne ton kt mn b m k t cr lakh oz pence per "
    "basis point bps euro dollar pound yen cent crown won rupee rs eur usd gbp "
    "first second third fourth fifth two three four five six seven eight nine ten thousand crore "
    "january february april june july august september october november december "
    "jan feb mar apr jun jul aug sept oct nov dec "
    "monday tuesday wednesday thursday friday saturday sunday"
)
STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word may mean, and what it is one of."""

    senses: frozenset[str]
    kinds: frozenset[str]


@dataclass(frozen=True)
class Lexicon:
    """What `same_words.json` says, by stem; a phrase is the stems of its words."""

    meanings: Mapping[str, Meaning]
    phrases: Mapping[tuple[str, ...], str]
    deeds: frozenset[str]
    topics: frozenset[str]
    turns: frozenset[str]  # deeds that are seldom left out or added where a story is told again
    firm: frozenset[str]  # those that no telling of the event leaves out
    at_odds: Mapping[str, frozenset[str]]  # both ways
    stands_for: Mapping[tuple[str, ...], str]


@cache
def lexicon() -> Lexicon:
    """Read the words once."""
    said = json.loads(files("axiom.data").joinpath("same_words.json").read_text("utf-8"))
    senses, kinds = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    phrases: dict[tuple[str, ...], str] = {}
    for group in (group for part in ("deeds", "topics", "same") for group in said[part]):
        for word in group.split():
            parts = tuple(map(stem, word.split("-")))
            senses["-".join(parts)].add(group.split()[0])
            if len(parts) > 1:
                phrases[parts] = "-".join(parts)
    for kind, words in said["kinds"].items():
        for word in words.split():
            kinds[stem(word)].add(kind)
    stands_for = {
        tuple(map(stem, phrase.split("-"))): stem(word.lower())
        for word, all_of_them in said["stands_for"].items()
        for phrase in all_of_them.split()
    }
    return Lexicon(
        {
            word: Meaning(frozenset(senses[word] or {word}), frozenset(kinds[word]))
            for word in [*senses, *kinds]
        },
        phrases,
        frozenset(group.split()[0] for group in said["deeds"]),
        frozenset(group.split()[0] for group in said["topics"]),
        frozenset(said["turns"].split()),
        frozenset(said["firm"].split()),
        _both_ways(pair.split() for pair in said["at_odds"]),
        stands_for,
    )


def _both_ways(pairs: Iterable[list[str]]) -> Mapping[str, frozenset[str]]:
    found = defaultdict[str, set[str]](set)
    for one, other in pairs:
        found[one].add(other)
        found[other].add(one)
    return {one: frozenset(others) for one, others in found.items()}


@lru_cache(maxsize=20_000)
def meaning(word: str) -> Meaning:
    """Return what a stem may mean: itself, where the lexicon does not know it."""
    return lexicon().meanings.get(word) or Meaning(frozenset((word,)), frozenset())


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Cut off endings: a rough stem, the same for forms of a word."""
    word = word.removesuffix("'s").removesuffix("'").strip(".")
    for ending, least in (("ies", 5), ("ied", 5), ("ing", 6), ("ed", 5), ("es", 5), ("s", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            word = word.removesuffix(ending) + ("y" if ending in ("ies", "ied") else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a known phrase, as a stem and as it is written."""

    stem: str
    written: str
    start: int


def tokens(text: str) -> list[Token]:
    """Return the words of a text, known phrases as one; "U.S." is "us"."""
    text = _LETTERS.sub(
        lambda found: found[0].replace(".", "") + " " * found[0].endswith(". "), text
    )
    found = [Token(stem(word[0].lower()), word[0], word.start()) for word in _WORD.finditer(text)]
    return list(_phrased(found))


def _phrased(found: list[Token]) -> Iterator[Token]:
    phrases, place = lexicon().phrases, 0
    stems = tuple(each.stem for each in found)
    while place < len(found):
        length = next(
            (n for n in range(_LONGEST_PHRASE, 1, -1) if stems[place : place + n] in phrases), 1
        )
        one = found[place]
        if length == 1:
            yield one
        else:
            yield Token(phrases[stems[place : place + length]], one.written, one.start)
        place += length


def stood_for(found: list[Token]) -> Iterator[str]:
    """Yield for whom products, people and by-names stand."""
    known = lexicon().stands_for
    stems = tuple(each.stem for each in found)
    for n in (1, 2, 3):
        for place in range(len(stems) - n + 1):
            if whom := known.get(stems[place : place + n]):
                yield whom


@lru_cache(maxsize=100_000)
def forms_of_one(one: str, other: str) -> bool:
    """Say whether two stems begin alike for long enough: "acquit" and "acquittal".

    Not where the lexicon knows both: it would know that they tell the same.
    """
    known = lexicon().meanings
    needed = max(START, round(0.6 * max(len(one), len(other))))
    alike = min(len(one), len(other)) >= needed and one[:needed] == other[:needed]
    return alike and not (one in known and other in known)

"""Which part of a headline speaks of which company: "X beats, Y falls" says two things."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from axiom.pipelines.linking import Mention

_BREAK = re.compile(
    r"[;:,—–]|\s-\s|\b(?:while|but|as|whereas|and|though|although|after|when|despite|because)\b"
)
_WORD = re.compile(r"[A-Za-z]{2,}|\d")
_CONTEST = re.compile(
    r"\b(?:beats?|overtakes?|outsells?|defeats?|outpaces?|dethrones?|edges past|pass(?:es)?"
    r"|wins? (?:\w+ ){0,3}(?:from|against|over)|loses? (?:\w+ ){0,3}to"
    r"|(?:takes?|gains?) (?:\w+ ){0,2}(?:share|ground) (?:from|on))\b"
)


@dataclass(frozen=True, slots=True)
class Part:
    """What a headline says of one company; `turned`: of its opponent, so the reverse holds."""

    text: str
    turned: bool = False


def parts(text: str, mentions: Sequence[Mention], tickers: Sequence[str]) -> Mapping[str, Part]:
    """Return the part of each ticker; the whole headline for one that it does not name."""
    found = dict.fromkeys(tickers, Part(text))
    named = [each for each in mentions if each.ticker in found]
    if len({each.ticker for each in named}) < 2:
        return found
    cuts = [0, *_cuts(text, named), len(text)]
    for start, end in pairwise(cuts):
        inside = [each for each in named if start <= each.start < end]
        loser = _opponent(text, inside)
        for each in inside:
            if found[each.ticker].text is text:
                found[each.ticker] = Part(text[start:end].strip(" ,;:-"), each.ticker == loser)
    return found


def _cuts(text: str, mentions: Sequence[Mention]) -> list[int]:
    """Return where what is said of one company ends and of the next begins."""
    cuts = []
    for one, other in pairwise(mentions):
        between = text[one.end : other.start]
        breaks = [found.start() for found in _BREAK.finditer(between)]
        # something must be said of the first: "Apple and Google fall" is one clause
        told = [place for place in breaks if _WORD.search(between[:place].removeprefix("'s"))]
        if one.ticker != other.ticker and told:
            cuts.append(one.end + told[-1])
    return cuts


def _opponent(text: str, mentions: Sequence[Mention]) -> str | None:
    for one, other in pairwise(mentions):
        if one.ticker != other.ticker and _CONTEST.search(text[one.end : other.start]):
            return other.ticker
    return None

"""What each number of an explanation is said to be: of which quantity, now or before.

A number that is stored, but as something else, is as wrong as one that is not. English
says what a number is by words around it; where they leave it open, all that it may be
is allowed, and where they say nothing, it is the coefficient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from axiom.model import Correlation
from axiom.pipelines.changes import Change

_CUES = re.compile(
    r"""(?P<open>\() | (?P<close>\)) | (?P<stop>[.;:!?](?=\s|$))
    | (?P<low>\b(?:lower|low)\ (?:end|bound|limit|edge)\b)
    | (?P<high>\b(?:upper|high|higher)\ (?:end|bound|limit|edge)\b)
    | (?P<interval>\b(?:intervals?|bounds|limits|range[sd]?|between(?=\ [-+]?\.?\d))\b)
    | (?P<q>\bq\b) | (?P<p>\bp\b)
    | (?P<r>\b(?:r|rho|coefficients?|correlations?|correlated)\b)
    | (?P<before>\b(?<!as\ )(?<!than\ )(?:before|beforehand|previous(?:ly)?|former(?:ly)?|earlier
        |prior|had\ been|used\ to\ be)\b)
    | (?P<now>\b(?:now|currently|at\ present|still|became|becomes|(?:gave|gives)\ way\ to)\b)
    | (?P<past>\b(?:was|were|had|stood|did|moved)\b) | (?P<is>\b(?:is|are|has|have|stands?)\b)
    | (?P<from>\bfrom(?=\ [-+]?\.?\d)) | (?P<to>\b(?:to|and)\b|-(?=\s?[-+]?\.?\d))
    | (?P<rise>\b(?:rose|risen|rises?|rising|increase[sd]?|climb(?:s|ed)?|grew|grown|up)\b)
    | (?P<fall>\b(?:fell|fallen|falls?|falling|decrease[sd]?|decline[sd]?|drop(?:s|ped)?|sank
        |slipped|down)\b)
    | (?P<more>\b(?:stronger|strengthened|tightened|tighter|closer|more\ (?:closely|strongly))\b)
    | (?P<less>\b(?:weaker|weakened|loosened|looser|less\ (?:closely|strongly))\b)
    | (?P<number>\.?\d(?:[\d.,]*\d)?(?:\ ?(?:%|per\ ?cent\b|pct\b))?)""",
    re.VERBOSE | re.IGNORECASE,
)
_GONE = re.compile(r"\bno longer (?:move|significant|correlat|hold|go)", re.IGNORECASE)
# of the number in front of it, unless another number follows
_AFTER = re.compile(
    r"\)?,?\s(before|beforehand|previously|formerly|earlier|now|currently)"
    r"(?=[.,;:)]|$|\s\(|\s(?:and|but|to|over|with|against)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Role:
    """Of which quantity a number is said to be, and of when."""

    quantity: str = "r"  # r, low, high, q, p; of qr and pr either
    when: str = ""  # now, before, or open

    def values(self, change: Change) -> tuple[float, ...]:
        """What the number may be."""
        told = {"now": change.now, "before": change.before}
        sides = [c for when, c in told.items() if c and self.when in ("", when)]
        return tuple(x for c in sides for x in _of(c, self.quantity))


def _of(c: Correlation, quantity: str) -> tuple[float, ...]:
    either = quantity in ("qr", "pr")
    return tuple(getattr(c, name) for name in (quantity if either else (quantity,)))


def find_roles(plain: str) -> dict[int, Role]:
    """Return the role of the number that begins at each place of a text."""
    found: dict[int, Role] = {}
    for tokens in _sentences(plain):
        _Reader(plain, found).read(tokens)
    return found


def _sentences(plain: str) -> Iterator[list[re.Match[str]]]:
    sentence: list[re.Match[str]] = []
    for token in _CUES.finditer(plain):
        if token.lastgroup == "stop" and token[0] in ".!?;":
            yield sentence
            sentence = []
        else:
            sentence.append(token)
    yield sentence


class _Reader:
    """Goes through the cues of a sentence and gives each number its role."""

    def __init__(self, plain: str, found: dict[int, Role]) -> None:
        self._plain, self._found = plain, found
        self._quantity, self._when = "r", "now"
        self._said = False  # when it is, and not only by the tense
        self._joined = ""  # "from" or "to", where that is what led here
        self._outside: list[tuple[str, str, bool]] = []
        self._bracket = False  # nothing but numbers since it opened
        self._ends = 0  # of the interval, that were told

    def read(self, tokens: Sequence[re.Match[str]]) -> None:
        for token in tokens:
            kind = str(token.lastgroup)
            if kind == "number":
                self._number(token)
            elif kind in ("from", "to"):
                self._join(kind)
            elif kind in ("open", "close"):
                self._turn(kind)
            elif kind in ("now", "before", "past", "is"):
                self._tell_when(kind)
            elif kind in ("q", "p", "r", "low", "high", "interval"):
                self._quantity, self._ends, self._joined = kind, 0, ""
                self._bracket = False

    def _turn(self, kind: str) -> None:
        """What is said in brackets is forgotten behind them."""
        self._joined = ""
        if kind == "open":
            self._outside.append((self._quantity, self._when, self._said))
            self._bracket = True
        elif self._outside:
            self._quantity, self._when, self._said = self._outside.pop()

    def _tell_when(self, kind: str) -> None:
        if kind in ("now", "before"):
            self._when, self._said, self._joined = kind, True, ""
        elif not self._said:
            self._when = "" if kind == "past" else "now"

    def _join(self, kind: str) -> None:
        if kind == "from" and self._quantity != "interval":
            self._when, self._said, self._bracket = "before", True, False
            self._joined = "from"
        elif kind == "to" and self._joined == "number-from":
            self._when, self._joined = "now", ""
        elif kind == "from":
            self._joined = ""

    def _number(self, token: re.Match[str]) -> None:
        if token[0].replace(",", "").isdigit():
            return  # a count
        if self._bracket and self._is_range(token):
            self._quantity, self._ends = "interval", 0
        self._bracket = False
        after = _AFTER.match(self._plain, token.end())
        when = self._when
        if after:
            when = "now" if after[1].lower() in ("now", "currently") else "before"
        self._found[token.start()] = Role(self._end_of_interval(), when)
        self._joined = "number-from" if self._joined == "from" else ""

    def _is_range(self, token: re.Match[str]) -> bool:
        return bool(re.match(r"\s?(?:to|-)\s?[-+]?\.?\d", self._plain[token.end() :]))

    def _end_of_interval(self) -> str:
        """The first of a range is its low end and the second its high one."""
        if self._quantity != "interval":
            quantity = self._quantity
            if quantity in ("low", "high"):
                self._quantity = "r"
            elif quantity in ("q", "p"):
                self._quantity = f"{quantity}r"  # another one, or the coefficient again
            return quantity
        self._ends += 1
        return "low" if self._ends % 2 else "high"


def find_wrong_words(plain: str, change: Change) -> Iterator[str]:
    """Yield what is said of the direction, the kind and the method, and is not so."""
    if _GONE.search(plain) and change.kind != "lost":
        yield "it says that the pair is lost, and it is not"
    method = change.now.method
    other = {"pearson": r"spearman|ranks?|ranked", "spearman": r"pearson|linear(?:ly)?"}[method]
    if said := re.search(rf"\b(?:{other})\b", plain, re.IGNORECASE):
        yield f"{said[0]} is not the method of this line, which is {method}"
    if change.before:
        for tokens in _sentences(plain):
            yield from _wrong_directions(tokens, change.now, change.before)


def _wrong_directions(
    tokens: Sequence[re.Match[str]], now: Correlation, before: Correlation
) -> Iterator[str]:
    subject = "r"
    up = _directions(now, before)
    for token in tokens:
        kind = str(token.lastgroup)
        if kind in ("q", "p", "r"):
            subject = kind
        elif kind in ("interval", "low", "high"):
            subject = ""  # of its ends nothing is known for sure
        elif kind in ("rise", "fall", "more", "less") and subject:
            quantity = "size" if subject == "r" and kind in ("more", "less") else subject
            if (kind in ("rise", "more")) not in up[quantity]:
                yield f"{token[0]} is not the direction in which it went"


def _directions(now: Correlation, before: Correlation) -> Mapping[str, set[bool]]:
    """Whether each quantity may be said to have risen; strength is of either reading."""
    return {
        "r": {now.r > before.r},
        "size": {abs(now.r) > abs(before.r), now.r > before.r},
        "q": {now.q > before.q},
        "p": {now.p > before.p},
    }

"""Which companies a headline is about: by $TICKER, by name, by alias.

Many names are words too (target, visa, meta, apple, gap), or parts of other names
(Merck KGaA, GE Vernova, Tom Ford). `axiom/data/ambiguous_names.json` says for each
what beside it speaks against the company, and which names need a sign that a
company is meant when they stand first, where every word has a capital.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from axiom.model import Headline

LONGEST = 1000  # letters that are read
_SUFFIX = re.compile(
    r"(,? Inc\.?|,? Corporation| Corp\.?| & Co\.| Company| Platforms| Holdings| plc)$"
)
_SYMBOL = re.compile(
    r"(?<!\w)\$([A-Za-z]{1,5}(?:[.\-][A-Za-z])?)(?![\w])"
    r"|\b(?:NYSE|NASDAQ|Nasdaq|XNYS|XNAS)\s?:\s?([A-Z]{1,5}(?:[.\-][A-Z])?)\b"
    r"|\(([A-Z]{2,5}(?:\.[A-Z])?)\)"
)


class Company(Protocol):
    """A company of the universe."""

    @property
    def ticker(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def aliases(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Mention:
    """Where a company is named."""

    start: int
    end: int
    ticker: str


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """What beside a name speaks against the company."""

    before: re.Pattern[str] | None
    after: re.Pattern[str] | None
    common: bool  # a word of the language: where it stands first it needs a sign


class EntityFinder:
    """Finds the companies that headlines name.

    Names match as whole words and in their own case, or in capitals in a shouted
    line. A bare ticker counts where it cannot be a word.
    """

    def __init__(self, companies: Sequence[Company]) -> None:
        self._tickers = {_symbol(company.ticker): company.ticker for company in companies}
        self._names: dict[str, str] = {}
        for company in companies:
            for name in (company.name, *company.aliases):
                self._names[name] = self._names[_plain(name)] = company.ticker
                if re.fullmatch(r"[A-Z]{3,5}|[A-Z]{2,4}[.\-][A-Z]", name):
                    self._tickers[_symbol(name)] = company.ticker
        self._shouted = {name.upper(): ticker for name, ticker in self._names.items()}
        known = _known()
        bare = {ticker for ticker in self._tickers if len(ticker) > 2} - set(known["word_tickers"])
        self._names |= {ticker: self._tickers[ticker] for ticker in bare}
        self._names |= {each.replace(".", "-"): self._tickers[each] for each in bare}
        self._pattern = _any_of(self._names)
        self._shouted_pattern = _any_of(self._shouted)

    def find(self, headline: Headline) -> list[str]:
        """Return the tickers that a headline is about, in the order of the alphabet."""
        found = {mention.ticker for mention in self.mentions(headline.text)}
        found |= {mention.ticker for mention in self.mentions(headline.summary)}
        hinted = {_symbol(ticker) for ticker in headline.tickers}
        return sorted(found | {self._tickers[each] for each in hinted & set(self._tickers)})

    def mentions(self, text: str) -> list[Mention]:
        """Return where companies are named that the text is about, in order.

        A broker that rates another company is not what a headline is about.
        """
        text = text[:LONGEST]
        found = self._found(text, doubtful=False)
        return [each for each in found if not _rates(text, each, found)]

    def canonical(self, text: str) -> str:
        """Return the text with each company under one name, its ticker, for comparison."""
        out, last = [], 0
        for mention in self._found(text[:LONGEST], doubtful=True):
            if mention.start >= last:
                out += [text[last : mention.start], mention.ticker]
                last = mention.end
        return "".join([*out, text[last:]])

    def _found(self, text: str, *, doubtful: bool) -> list[Mention]:
        found = {*self._symbols(text), *self._named(text, doubtful=doubtful)}
        return sorted(found, key=lambda mention: (mention.start, mention.end))

    def _symbols(self, text: str) -> Iterator[Mention]:
        for match in _SYMBOL.finditer(text):
            symbol = _symbol(next(group for group in match.groups() if group))
            if ticker := self._tickers.get(symbol):
                yield Mention(match.start(), match.end(), ticker)

    def _named(self, text: str, *, doubtful: bool) -> Iterator[Mention]:
        shouted = text.isupper()
        names = self._shouted if shouted else self._names
        pattern = self._shouted_pattern if shouted else self._pattern
        for match in pattern.finditer(text):
            if _means_company(text, match, shouted, doubtful):
                yield Mention(match.start(), match.end(), names[match[0]])


# --- names that mean other things too ------------------------------------------------


@cache
def _known() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(
        files("axiom.data").joinpath("ambiguous_names.json").read_text()
    )
    return found


@cache
def _ambiguity(name: str) -> Ambiguity | None:
    said = _known()["names"].get(name)
    if said is None:
        return None
    before, after = said.get("before"), said.get("after")
    return Ambiguity(
        re.compile(rf"(?:^|[\s\"'(-])(?:{before})[\s-]+$", re.I) if before else None,
        re.compile(rf"^(?:'s)?[\s,:-]*(?:{after})(?!\w)", re.I) if after else None,
        bool(said.get("common")),
    )


@cache
def _signs() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what after, and before, a name says that it is a company's."""
    said = _known()["signs"]
    return (
        re.compile(rf"^(?:'s\s+)?(?:\w+ly\s+)?(?:{'|'.join(said['after'])})(?!\w)", re.I),
        re.compile(rf"(?:{'|'.join(said['before'])})\s+$", re.I),
    )


def _means_company(text: str, match: re.Match[str], shouted: bool, doubtful: bool) -> bool:
    name = match[0] if not shouted else match[0].title()
    said = _ambiguity(name) or _ambiguity(match[0])
    if said is None:
        return True
    before, after = text[: match.start()], text[match.end() :]
    if (said.before and said.before.search(before)) or (said.after and said.after.search(after)):
        return False
    if doubtful or not said.common or not (shouted or _capital_says_nothing(before, text)):
        return True
    follows, precedes = _signs()
    return bool(follows.search(after.lstrip(" ,")) or precedes.search(before))


def _capital_says_nothing(before: str, text: str) -> bool:
    if not before.strip() or before.rstrip()[-1] in ".:?!—–":
        return True
    words = re.findall(r"[A-Za-z]{4,}", text)
    return len(words) > 3 and sum(word[0].isupper() for word in words) / len(words) > 0.8


def _rates(text: str, mention: Mention, all_of_them: Sequence[Mention]) -> bool:
    """Say whether a mention is a broker's that speaks of another company."""
    if all(each.ticker == mention.ticker for each in all_of_them):
        return False
    if text[mention.start : mention.end] not in _known()["brokers"]:
        return False
    before, after = text[: mention.start], text[mention.end :]
    said = _known()["rating"]
    rated = re.search(rf"\b(?:{'|'.join(said['words'])})\b", text, re.I)
    at = re.search(r"\b(?:at|by)\s+$", before) and rated
    speaks = re.match(rf"(?:\s+analysts?)?\s+(?:{'|'.join(said['verbs'])})\b", after, re.I)
    return bool(at or (speaks and rated))


def _plain(name: str) -> str:
    return _SUFFIX.sub("", name.removeprefix("The "))


def _symbol(ticker: str) -> str:
    return ticker.upper().replace("-", ".")


def _any_of(names: Mapping[str, str]) -> re.Pattern[str]:
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    return re.compile(rf"(?<![\w&$-])(?:{'|'.join(longest_first)})(?![\w&])")

"""One thing, one name: companies under all their names, people and products by their owner."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Protocol

from axiom.model import Label, NodeRef, Profile, content_hash


class Company(Protocol):
    """A company of the universe."""

    @property
    def ticker(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def aliases(self) -> tuple[str, ...]: ...  # noqa: D102


def entity(label: Label, name: str, owner: str, names: Mapping[str, str]) -> NodeRef:
    """Name a thing once.

    A company is known by its ticker under all its names. People and products
    belong to the company that was read: two people of one name at two companies
    are two.
    """
    name = " ".join(name.split())
    if label is Label.COMPANY:
        key = names.get(normal(name)) or slug(normal(name) or name)
    elif label in (Label.PERSON, Label.PRODUCT):
        key = f"{owner}/{slug(name)}"
    else:
        key = slug(name)
    return NodeRef(label, key, name)


def company_keys(
    companies: Sequence[Company], read: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Every name of every company of the universe, normalised, to its ticker.

    `read` has the names by which profiles call their companies; the universe's own go first.
    """
    found = {normal(name): ticker for ticker, name in (read or {}).items()}
    found |= {
        normal(name): company.ticker
        for company in companies
        for name in (*company.aliases, company.name, company.ticker)
    }
    return {name: ticker for name, ticker in found.items() if name}


_FORM = (
    r"inc|incorporated|corp|corporation|co|company|companies|cos|ltd|limited|plc|llc|lp|llp|"
    r"group|holdings?|s\.?\s?a|n\.?\s?v|s\.?\s?e|a\.?\s?g|gmbh|s\.?p\.?a|kk|k\.k"
)
_SUFFIX = re.compile(rf"(?:[,\s]+|\s*&\s*|\s+and\s+)(?:{_FORM})\.?$", re.IGNORECASE)
_CLASS = re.compile(
    r"[,\s]+(?:\(?class [a-c]\)?|common stock|ordinary shares|adr)$|\s*\((?:nyse|nasdaq)[^)]*\)$",
    re.IGNORECASE,
)
_EXCHANGE = re.compile(r"^(?:nyse|nasdaq|xnys|xnas)\s*:\s*|^\$", re.IGNORECASE)


def normal(name: str) -> str:
    """A company's name without case, accents, article, exchange, share class and legal form."""
    text = _EXCHANGE.sub("", _plain(name).strip()).lower().strip()
    while (shorter := _SUFFIX.sub("", _CLASS.sub("", text)).rstrip(" ,.")) != text:
        text = shorter
    text = re.sub(r"'s?\b", "", text.removeprefix("the ")).replace(" and ", " & ")
    return re.sub(r"\s*&\s*", "&", re.sub(r"[^\w&]+|_+", " ", text)).strip()


def slug(name: str) -> str:
    """A key made of a name: lower case, words joined by hyphens."""
    return re.sub(r"[\W_]+", "-", _plain(name).lower()).strip("-") or (
        f"unnamed-{content_hash(name)[:8]}"
    )


_DASH = re.compile("[\u2010-\u2015\u2212]")
_QUOTE = re.compile("[\u2018\u2019\u02bc`]")


def _plain(text: str) -> str:
    """Text without accents, and with one kind of hyphen and of apostrophe."""
    text = _QUOTE.sub("'", _DASH.sub("-", text))
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def has_latin(name: str) -> bool:
    """Whether a name has a letter or digit that we could read out."""
    return bool(re.search("[a-z0-9]", _plain(name).lower()))


PART_WORDS = 80


def profile_parts(profile: Profile) -> list[str]:
    """Cut a profile into parts that each say whose they are; each has one vector."""
    parts = []
    for line in profile.text.splitlines():
        words = line.split()
        for start in range(0, len(words), PART_WORDS):
            part = " ".join(words[start : start + PART_WORDS])
            parts.append(part if profile.name in part else f"{profile.name}: {part}")
    return parts

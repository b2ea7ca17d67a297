"""Facts from a profile, by rules: what the lines of the text say outright, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from axiom.model import EdgeType, Profile, content_hash
from axiom.pipelines.findings import Finding

RULES_VERSION = "1"  # change it when the rules would answer otherwise: then companies are read anew
PROMPT_HASH = content_hash("local_company", RULES_VERSION)[:16]

_PERSON = re.compile(r"([A-ZÀ-Þ][^()]*?)\s*\(\s*([^()]*?)\s*\)")
_ROLE = re.compile(
    r"\b(chair|chairman|chairwoman|ceo|co-ceo|president|cfo|coo|cto|founder)\b", re.I
)
_UNITED_STATES = re.compile(r",\s*(U\.S\.A?\.?|US|USA|United States)(?=\s|$|\d)")
# Names of lists that are run together: a product line repeats its maker's name, or is one
# word with an inner capital. What is neither is left out: few and right.
_CAMEL = re.compile(r"\b(?:i[A-Z][a-z]+|[A-Z][a-z]+[A-Z][A-Za-z]+)\b")
_LIST = re.compile(r"\s*[;,]\s*")


def analyse_company(profile: Profile) -> list[Finding]:
    """Return what a profile's lines state of the company."""
    lines = dict(_lines(profile.text))
    return [
        *_leaders(lines.get("Key people", "")),
        *_industries(lines.get("Industries", "")),
        *_country(lines.get("Headquarters", "")),
        *_products(lines.get("Products", ""), profile.name),
        *_owned(lines.get("Subsidiaries", "")),
    ]


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        title, colon, value = line.partition(": ")
        if colon:
            yield title, value


def _leaders(text: str) -> Iterator[Finding]:
    for match in _PERSON.finditer(text):
        if _ROLE.search(match[2]):
            yield Finding(EdgeType.LEADS, match[1], match[0], 0.95)


def _industries(text: str) -> Iterator[Finding]:
    seen = set()
    for name in filter(None, text.split("; ")):
        plain = re.sub(r"\s*&\s*", " and ", name).strip()
        key = plain.lower().rstrip("s")  # merges plurals and cases
        if key not in seen:
            seen.add(key)
            yield Finding(
                EdgeType.IN_INDUSTRY, plain.title() if plain.islower() else plain, name, 0.9
            )


def _country(text: str) -> Iterator[Finding]:
    if match := _UNITED_STATES.search(text):
        yield Finding(EdgeType.HEADQUARTERED_IN, "United States", text[: match.end()], 0.95)


def _products(text: str, company: str) -> Iterator[Finding]:
    if not text or text.startswith("List of"):
        return
    if "," in text:
        names = [part for part in _LIST.split(text) if part[:1].isupper() or len(part.split()) <= 3]
        names = [name for name in names if " and " not in name]
    else:
        brand = company.split()[0].rstrip(",")
        names = [*_branded(text, brand), *(name for name in _CAMEL.findall(text) if name != brand)]
    for name in dict.fromkeys(name.strip() for name in names):
        if name and name in text:
            yield Finding(EdgeType.MAKES, name, name, 0.7)


def _branded(text: str, brand: str) -> Iterator[str]:
    for piece in re.split(rf"\b(?={re.escape(brand)} )", text):
        own = _CAMEL.split(piece.removeprefix(brand))[0].split()
        if piece.startswith(brand) and 1 <= len(own) <= 2:
            yield " ".join([brand, *own])


def _owned(text: str) -> Iterator[Finding]:
    for name in filter(None, _LIST.split(text)):
        if len(name) > 1:
            yield Finding(EdgeType.OWNS, name, name, 0.8)

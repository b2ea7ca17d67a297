"""What the sentiment model counts in a headline: words, letters, and kinds of words.

Words and letters are those of any TF-IDF. Kinds come from a lexicon of this
project (`axiom/data/sentiment_words.json`): "plunges 9%" becomes `fall <pct>`, so
that what was learnt of one falling word holds for all of them. Numbers that are
compared ("to $50 from $40", "0.28 vs 0.43 consensus") say which is larger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

WORDS = Path(__file__).parents[1] / "data" / "sentiment_words.json"
LONGEST = 500  # letters that are read: longer text is no headline, and might be meant to cost time
_LINK = re.compile(r"https?://\S+")
_TOKEN = re.compile(
    r"[+\-–−]?\$?\d[\d.,]*(?:%|[mbk]n?\b)?|\$[a-z][a-z.]*|#?[a-z]+(?:['\-][a-z]+)*|[?!:…]"
)
_FROM_TO = re.compile(
    r"\bto\s[^\d\s]{0,4}(\d[\d.,]*)\S{0,9}\sfrom\s[^\d\s]{0,4}(\d[\d.,]*)"
    r"|\bfrom\s[^\d\s]{0,4}(\d[\d.,]*)\S{0,9}\sto\s[^\d\s]{0,4}(\d[\d.,]*)"
)
_VERSUS = re.compile(r"(\d[\d.,]*)[%kmb]?\s(?:vs\.?|versus)\s\$?(\d[\d.,]*)")
_SIGNS = {
    "rise": 1, "raise": 1, "beat": 1, "good": 1, "good_deed": 1, "<+pct>": 1,
    "fall": -1, "cut": -1, "miss": -1, "bad": -1, "bad_deed": -1, "<-pct>": -1,
}  # fmt: skip
_POLAR = {*_SIGNS, "not"}
_NOUNS = {"burden", "measure", "good", "bad"}  # rising unemployment is not good news
_REACH = 3  # words that a negation, or a verb beside its noun, reaches


def word_terms(text: str) -> list[str]:
    """Words, pairs, triples, and pairs with a word between them."""
    words = tokens(text)
    return [
        *words,
        *(f"{a} {b}" for a, b in pairwise(words)),
        *(f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False)),
        *(f"{a}_{b}" for a, b in zip(words, words[2:], strict=False)),
    ]


def letter_terms(text: str) -> list[str]:
    """Runs of two to five letters within words; all digits look alike."""
    plain = re.sub(r"\d", "0", _LINK.sub("", text[:LONGEST]).lower())
    padded = [f" {word} " for word in plain.split()]
    return [
        word[start : start + size]
        for word in padded
        for size in (2, 3, 4, 5)
        for start in range(max(len(word) - size + 1, 1))
    ]


def kind_terms(text: str) -> list[str]:
    """Kinds of words in their order, what they amount to, and the headline's form."""
    words = tokens(text)
    found = [kinds for word in words if (kinds := _kinds_of(word))]
    first = [kinds[0] for kinds in found]
    polar = [kind for kind in first if kind in _POLAR]
    ends = [f"first:{polar[0]}", f"last:{polar[-1]}"] if polar else []
    return [
        *(kind for kinds in found for kind in kinds),
        *(
            " ".join(first[n : n + size])
            for size in (2, 3, 4)
            for n in range(len(first) - size + 1)
        ),
        "order:" + " ".join(polar[:4]),
        *ends,
        f"sum:{max(-3, min(3, signed_sum(first)))}",
        f"start:{words[0] if words else ''}",
        f"long:{min(len(words) // 3, 8)}",
        *_verbs_beside_nouns(first),
        *_compared(text[:LONGEST].lower()),
        *_form(text[:LONGEST]),
    ]


def signed_sum(kinds: Iterable[str]) -> int:
    """Good kinds less bad ones; a negation turns round what follows it closely."""
    total, turned = 0, 0
    for kind in kinds:
        sign = _SIGNS.get(kind, 0)
        total += -sign if turned > 0 else sign
        turned = _REACH if kind == "not" else turned - 1
    return total


def tokens(text: str) -> list[str]:
    """Words in lower case; numbers, percentages, money and tickers as kinds."""
    plain = _LINK.sub(" ", text[:LONGEST]).lower().replace("’", "'")
    return [_named(token) for token in _TOKEN.findall(plain)]


def _named(token: str) -> str:
    if any(letter.isdigit() for letter in token):
        sign = "+" if token[0] == "+" else "-" if token[0] in "-–−" else ""
        return f"<{sign}{'pct' if token[-1] == '%' else 'usd' if '$' in token else 'num'}>"
    return "<ticker>" if token[0] == "$" else token


@cache
def _lexicon() -> dict[str, tuple[str, ...]]:
    """The kinds of each word, at most two."""
    said = json.loads(WORDS.read_text())
    doubled = set(said["doubled"].split())
    kinds: dict[str, list[str]] = {}
    for kind, lines in said["words"].items():
        for word in " ".join(lines).split():
            kinds.setdefault(word, []).append(f"={word}" if kind == "link" else kind)
    for kind, lines in said["verbs"].items():
        for verb in " ".join(lines).split():
            for form in _forms(verb, said["irregular"].get(verb, ""), verb in doubled):
                kinds.setdefault(form, []).append(kind)
    return {word: tuple(dict.fromkeys(found))[:2] for word, found in kinds.items()}


def _forms(verb: str, irregular: str, doubled: bool) -> set[str]:
    stem = verb + verb[-1] if doubled else verb.removesuffix("e")
    forms = {verb, f"{verb}s", f"{verb}es", f"{stem}ed", f"{stem}ing", *irregular.split()}
    return forms | {f"{verb[:-1]}ies", f"{verb[:-1]}ied"} if verb.endswith("y") else forms


def _kinds_of(word: str) -> tuple[str, ...]:
    if word[0] == "<" or word in "?!:":
        return (word,)
    lexicon = _lexicon()
    if found := lexicon.get(word):
        return found
    parts = (lexicon.get(part) for part in word.split("-")) if "-" in word else iter(())
    return next((kinds for kinds in parts if kinds), ())


def _verbs_beside_nouns(kinds: list[str]) -> Iterator[str]:
    for place, noun in enumerate(kinds):
        if noun in _NOUNS:
            for near in range(max(0, place - _REACH), min(len(kinds), place + _REACH + 1)):
                if near != place and (sign := _SIGNS.get(kinds[near])):
                    yield f"{noun}~{sign}"


def _compared(text: str) -> Iterator[str]:
    if found := _FROM_TO.search(text):
        later, before, was, now = found.groups()
        yield "now:" + _larger(later or now, before or was)
    if found := _VERSUS.search(text):
        larger = _larger(*found.groups())
        yield f"versus:{larger}"
        if any("burden" in _kinds_of(word) for word in tokens(text)):
            yield f"versus:{larger}:burden"


def _larger(now: str, before: str) -> str:
    a, b = _number(now), _number(before)
    return "same" if a == b else "up" if a > b else "down"


def _number(digits: str) -> float:
    head, _, tail = digits.replace(",", "").strip(".").partition(".")
    return float(f"{head or 0}.{tail.replace('.', '') or 0}")


def _form(text: str) -> Iterator[str]:
    if links := text.count("http"):
        yield f"links:{min(links, 2)}"
    for mark in ("…", "...", "#", "$"):
        if mark in text:
            yield f"has:{mark}"
    if text.isupper():
        yield "shouted"
    if found := re.match(r"\$[A-Z]+( -|:) ", text):
        yield f"tagged{found[1]}"
    words = [word for word in _LINK.sub("", text).split() if word.isalpha()]
    if words:
        yield f"capitals:{round(4 * sum(w[0].isupper() for w in words) / len(words))}"

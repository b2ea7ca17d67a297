"""Text from outside, made harmless: cleaned, cut to length, and written as JSON strings.

What is written is plain ASCII on lines of its own, without angle brackets:
no quote, tag, line end or invisible character of the text can end the string
that it is in.
"""

from __future__ import annotations

import json
import re
import unicodedata

from axiom.model import Json

HEADLINE, EARLIER, SUMMARY, PROFILE, NAME = 300, 160, 500, 12_000, 100  # characters
_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.=^-]{0,11}")
# controls, formats (zero width, bidi, tags), surrogates, private use, unassigned
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))


def clean(text: str, limit: int, *, lines: bool = False) -> str:
    """Leave out what cannot be seen; one line, unless `lines` are to be kept."""
    kept = "".join(
        char
        for char in text[: 4 * limit]
        if char in "\n\t" or unicodedata.category(char) not in _UNSEEN
    )
    if not lines:
        kept = " ".join(kept.split())
    return kept[:limit]


def is_ticker(text: str) -> bool:
    """Whether it can be a ticker at all."""
    return _TICKER.fullmatch(text) is not None


def written(value: Json) -> str:
    """JSON on one line."""
    text = json.dumps(value, separators=(",", ":"))  # all beyond ASCII is escaped
    return text.replace("<", "\\u003c").replace(">", "\\u003e")

"""Take secrets out of what is logged: by the name of a field, by value, and by shape.

Values are those that this process was given (`learn`): keys, and the passwords of addresses,
also as URLs and JSON write them. Shapes are those of secrets that it was not given: a password
in any address, a bearer token, an Anthropic key, `password=...`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

GONE = "[redacted]"
SHORTEST = 5  # what is shorter is found in innocent words
_NAMES = re.compile(r"pass(word|wd|phrase)?$|secret|api_?key|authori[sz]ation|cookie|_token$", re.I)
_SHAPES = (
    # user:password@ of an address: up to the last @ before the path
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/?#@'\"]*:)[^\s/?#'\"]+(?=@)", re.I), rf"\1{GONE}"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.I), rf"\1 {GONE}"),
    (re.compile(r"\bsk-[\w-]{8,}"), GONE),
    (
        re.compile(
            r"((?:password|passwd|secret|api[_-]?key|x-api-key|auth_token|access_token)"
            r"['\"]?\s*[=:]\s*['\"]?)(?!\[redacted)[^\s'\",;&}]+",
            re.I,
        ),
        rf"\1{GONE}",
    ),
)  # fmt: skip
_known: re.Pattern[str] | None = None
_values: set[str] = set()


def learn(secrets: Iterable[str]) -> None:
    """Know these values as secrets from now on, in this process."""
    global _known
    for secret in secrets:
        if len(secret) >= SHORTEST:
            written = (secret, quote(secret, safe=""), quote_plus(secret), unquote(secret))
            _values.update((*written, *(json.dumps(each)[1:-1] for each in written)))
    if _values:
        longest_first = sorted(_values, key=len, reverse=True)
        _known = re.compile("|".join(map(re.escape, longest_first)))


def redact(text: str) -> str:
    """Return text without secrets."""
    if _known is not None:
        text = _known.sub(GONE, text)
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def redact_value(value: Any, name: str = "") -> Any:
    """Return a value without secrets; what is not plain data becomes its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if name and _NAMES.search(name):
        return GONE
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): redact_value(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(each) for each in value]
    return redact(str(value) if isinstance(value, BaseException) else repr(value))


def redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Structlog's processor: the last before what writes the line."""
    return {key: redact_value(value, key) for key, value in event.items()}

"""Small helpers that every layer needs, and JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

Json = Any  # what `json.dumps` takes; steps hand on only this
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def utcnow() -> datetime:
    """The wall clock; passed in wherever a result depends on it."""
    return datetime.now(UTC)


def floor_time(moment: datetime, interval: timedelta) -> datetime:
    """Return the start of the slot that holds `moment`; slots count from the epoch."""
    seconds = interval.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def content_hash(*parts: Json) -> str:
    """SHA-256 (hex) of the parts, unambiguous and stable over processes and versions."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def storable(text: str) -> str:
    """Leave out what no store takes and any feed may hold: NUL, and halves of characters."""
    return _UNSTORABLE.sub("", text)


def one_line(text: str, most: int = 500) -> str:
    """Text that others wrote, without line breaks and control characters, cut to a length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def chunked(items: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    """Split into tuples of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def to_json(value: Any) -> Json:
    """A dataclass of this package as JSON values; `from_json` functions live with their users."""
    return json.loads(json.dumps(asdict(value), default=_plain))


def _plain(value: Any) -> Json:
    if isinstance(value, date):  # and so datetime
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")

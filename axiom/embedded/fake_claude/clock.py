"""Time that a test can move on."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Seconds since 1970; never runs back, and jumps ahead when it is told to."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        """The time, in seconds."""
        return self._start + time.monotonic()

    def advance(self, seconds: float) -> None:
        """Jump ahead: caches grow old and buckets fill, as if one had waited."""
        self._start += seconds


def rfc3339(moment: float) -> str:
    """A time as the API writes it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

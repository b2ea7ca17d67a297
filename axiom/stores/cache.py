"""The latest quote of each ticker, in Redis."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from axiom.model import Quote, to_json, utcnow
from axiom.stores.redis import connect, translated

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script

# An older quote never replaces a newer one, however runs are ordered.
_PUT = """
local stored = 0
for i = 1, #ARGV, 3 do
  local known = redis.call('HGET', KEYS[2], ARGV[i])
  if not known or tonumber(known) <= tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    stored = stored + 1
  end
end
return stored
"""
BATCH = 1000


class QuoteCache:
    """A hash `axiom:quotes:<market>`: ticker to the JSON of its latest quote."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _redis(self) -> Redis:
        return connect(self._url)

    @cached_property
    def _put(self) -> Script:
        return self._redis.register_script(_PUT)

    def put(self, quotes: Sequence[Quote], market: str) -> int:
        """Keep the quotes that are not older than what is kept; return how many.

        Raises:
            StoreUnavailable: Redis cannot be reached.
        """
        keys = [f"axiom:quotes:{market}", f"axiom:quotes:{market}:at"]
        cached_at = utcnow().isoformat()
        stored = 0
        for start in range(0, len(quotes), BATCH):
            values: list[Any] = []
            for quote in quotes[start : start + BATCH]:
                kept = json.dumps(to_json(quote) | {"cached_at": cached_at})
                values += [quote.ticker, quote.observed_at.timestamp(), kept]
            with translated():
                stored += int(self._put(keys=keys, args=values))
        return stored

    def latest(self, market: str) -> dict[str, dict[str, Any]]:
        """Return the latest quote of every ticker of a market."""
        with translated():
            found: Any = self._redis.hgetall(f"axiom:quotes:{market}")
        return {ticker.decode(): json.loads(kept) for ticker, kept in found.items()}


class UnkeptQuotes(QuoteCache):
    """A cache for dry runs: counts what would be kept."""

    def put(self, quotes: Sequence[Quote], market: str) -> int:
        """Return how many quotes there are."""
        return len(quotes)

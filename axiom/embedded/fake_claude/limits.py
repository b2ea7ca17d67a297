"""Rate limits: three buckets per model, filled without pause, as the API does it."""

from __future__ import annotations

import math

from axiom.embedded.fake_claude.clock import rfc3339
from axiom.embedded.fake_claude.errors import ApiError
from axiom.embedded.fake_claude.settings import Limits

MINUTE = 60.0
_CLOSE = 1e-6  # whoever waits as long as told is not refused for a rounding error


class Bucket:
    """Fills at `limit` per minute up to its capacity; may be in debt."""

    def __init__(self, limit: int, burst: float, now: float) -> None:
        self.limit = limit
        self._capacity = limit * burst
        self._rate = limit / MINUTE
        self._level, self._at = self._capacity, now

    def level(self, now: float) -> float:
        """What is left."""
        filled = self._level + (now - self._at) * self._rate
        self._level, self._at = min(self._capacity, filled), now
        return self._level

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much is there; 0 when it is. What never fits waits a minute."""
        if amount > self._capacity:
            return MINUTE
        return max(0.0, (amount - self.level(now) - _CLOSE) / self._rate)

    def take(self, amount: float, now: float) -> None:
        """Take, even what is not there."""
        self._level = self.level(now) - amount

    def full_at(self, now: float) -> float:
        """When it will be full again."""
        return now + (self._capacity - self.level(now)) / self._rate


class ModelLimits:
    """The limits of one model.

    Input counts when a request comes, without what is read from the cache. Output
    counts when it is produced, whatever `max_tokens` says: the bucket may go into
    debt by answers in flight, and refuses until the debt is paid.
    """

    def __init__(self, model: str, limits: Limits, rounded_to: int, now: float) -> None:
        self._model = model
        self._rounded_to = rounded_to
        wanted = {
            "requests": limits.requests,
            "input-tokens": limits.input_tokens,
            "output-tokens": limits.output_tokens,
        }
        self._buckets = {
            name: Bucket(limit, limits.burst, now) for name, limit in wanted.items() if limit
        }

    def admit(self, input_tokens: int, now: float) -> None:
        """Count a request in, or refuse it and count nothing."""
        needs = {"requests": 1, "input-tokens": input_tokens, "output-tokens": 1}
        waits = {name: bucket.wait(needs[name], now) for name, bucket in self._buckets.items()}
        worst = max(waits, key=waits.__getitem__, default=None)
        if worst and waits[worst] > 0:
            raise self._refusal(worst, waits[worst])
        for name in self._buckets.keys() - {"output-tokens"}:
            self._buckets[name].take(needs[name], now)

    def produced(self, output_tokens: int, now: float) -> None:
        """Count what was produced."""
        if bucket := self._buckets.get("output-tokens"):
            bucket.take(output_tokens, now)

    def headers(self, now: float) -> dict[str, str]:
        """What every answer says about the limits."""
        said = {}
        for name, bucket in self._buckets.items():
            rounded = 1 if name == "requests" else self._rounded_to
            left = max(0.0, bucket.level(now))
            remaining = int(left) if rounded == 1 else round(left / rounded) * rounded
            said[f"anthropic-ratelimit-{name}-limit"] = str(bucket.limit)
            said[f"anthropic-ratelimit-{name}-remaining"] = str(remaining)
            said[f"anthropic-ratelimit-{name}-reset"] = rfc3339(math.ceil(bucket.full_at(now)))
        return said

    def _refusal(self, name: str, wait_s: float) -> ApiError:
        limit = self._buckets[name].limit
        return ApiError(
            "rate_limit_error",
            "This request would exceed your organization's rate limit of "
            f"{limit:,} {name.replace('-', ' ')} per minute (model: {self._model}).",
            headers={"retry-after": str(max(1, math.ceil(wait_s)))},
        )

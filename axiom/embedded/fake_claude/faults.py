"""Which requests go wrong, and how: by a script first, then by chance."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from axiom.embedded.fake_claude.errors import ApiError
from axiom.embedded.fake_claude.settings import Behaviour, Endpoint, Fault, Step, draw

BROKEN = frozenset(("closed", "lost", "cut_off"))


@dataclass
class Turn:
    """What is to happen to one request."""

    fault: Fault | None = None
    text: str | None = None
    delay_s: float = 0.0


class Faults:
    """Deals out faults; the same seed and order of requests give the same."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.apply(behaviour, named=Behaviour.model_fields.keys())

    def apply(self, behaviour: Behaviour, *, named: Iterable[str]) -> None:
        """Take new settings; the script and the seed start again only when they were named."""
        self._behaviour = behaviour
        if "script" in named:
            self.script = [step.model_copy() for step in behaviour.script]
        if "seed" in named:
            self._rng = random.Random(behaviour.seed)
            self._delays = random.Random(f"delays {behaviour.seed}")

    def turn(self, endpoint: Endpoint, model: str | None) -> Turn:
        """What happens to the next request."""
        step = self._scripted(endpoint, model)
        turn = Turn(step.fault, step.text) if step else Turn(self._by_chance(endpoint))
        if endpoint == "messages":
            turn.delay_s = draw(self._behaviour.latency_s, self._delays)
        if turn.fault == "slow":
            turn.delay_s += draw(self._behaviour.slow_s, self._delays)
        return turn

    def _scripted(self, endpoint: Endpoint, model: str | None) -> Step | None:
        for step in self.script:
            if step.on == endpoint and step.model in (None, model):
                step.next -= 1
                if not step.next:
                    self.script.remove(step)
                return step
        return None

    def _by_chance(self, endpoint: Endpoint) -> Fault | None:
        chances: Mapping[Fault, float] = {}
        if endpoint == "messages":
            chances = self._behaviour.rates
        elif endpoint == "batch_item":
            chances = self._behaviour.batch_rates
        if not chances:
            return None
        left = self._rng.random()
        for fault, share in chances.items():
            left -= share
            if left < 0:
                return fault
        return None


def refusal_of(fault: Fault | None, retry_after_s: float) -> ApiError | None:
    """The error that a fault is, if it is one."""
    match fault:
        case "rate_limit":
            wait = f"{retry_after_s:g}"
            return ApiError(
                "rate_limit_error", "This request would exceed your organization's rate limit.",
                headers={"retry-after": wait},
            )  # fmt: skip
        case "overloaded":
            return ApiError("overloaded_error", "Overloaded")
        case "api_error":
            return ApiError("api_error", "Internal server error")
        case "unavailable":
            return ApiError("api_error", "Service unavailable", status=503)
        case "timeout":
            return ApiError("timeout_error", "Request timed out")
    return None


def spoiled(text: str, fault: Fault | None) -> str:
    """The text of an answer that is of no use."""
    if fault == "off_schema":
        return json.dumps({"off_schema": True, "by": "fake_claude"})
    if fault == "malformed":
        beginning = text[: len(text) * 2 // 3]
        return f"{beginning}}}" if _is_json(beginning) else beginning
    return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True

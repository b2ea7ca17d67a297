"""What a question becomes: cached or not, limited, answered, paid."""

from __future__ import annotations

import json
import uuid
from typing import Any

from axiom.embedded.fake_claude import tokens
from axiom.embedded.fake_claude.answers import load
from axiom.embedded.fake_claude.books import Books, Row
from axiom.embedded.fake_claude.cache import Plan, PromptCache
from axiom.embedded.fake_claude.clock import Clock
from axiom.embedded.fake_claude.faults import Faults, Turn, spoiled
from axiom.embedded.fake_claude.limits import ModelLimits
from axiom.embedded.fake_claude.prices import Prices, Usage
from axiom.embedded.fake_claude.settings import Actions, Behaviour, Config, changed


class Imitation:
    """Everything but HTTP."""

    def __init__(self, config: Config, books: Books) -> None:
        self.config = config
        self.books = books
        self.behaviour = Behaviour.model_validate(
            config.model_dump(include=set(Behaviour.model_fields))
        )
        self.clock = Clock()
        self.faults = Faults(self.behaviour)
        self._cache = PromptCache()
        self._prices = Prices(config.prices)
        self._answer = load(config.answer)
        self._limits: dict[str, ModelLimits] = {}

    @property
    def models(self) -> frozenset[str]:
        """The models that are known: those with a price."""
        return self._prices.models

    def limits(self, model: str) -> ModelLimits:
        """The state of one model's limits."""
        if model not in self._limits:
            self._limits[model] = ModelLimits(
                model,
                self.behaviour.limits_of(model),
                self.behaviour.remaining_rounded_to,
                self.clock.now(),
            )
        return self._limits[model]

    def change(self, settings: dict[str, Any], actions: Actions) -> None:
        """Take new settings. Buckets start full again when their limits were named."""
        self.behaviour = changed(self.behaviour, settings)
        self.faults.apply(self.behaviour, named=settings)
        if settings.keys() & {"limits", "model_limits", "remaining_rounded_to"}:
            self._limits.clear()
        self.clock.advance(actions.advance_s)
        if actions.forget_cache:
            self._cache.forget()
        if actions.forget_books:
            self.books.forget()

    def count(self, request: dict[str, Any]) -> int:
        """The tokens of a prompt."""
        size = self.behaviour.bytes_per_token
        found = sum(block.tokens for block in tokens.blocks(request, size))
        return found + tokens.format_tokens(request, size)

    def plan(self, request: dict[str, Any]) -> Plan:
        """What of a prompt the cache knows.

        The schema is a part of what must agree, and is always paid in full: where the
        API puts it is not documented, and a saving is not to be imagined.
        """
        size, model = self.behaviour.bytes_per_token, request["model"]
        root = json.dumps([model, tokens.format_of(request)], sort_keys=True)
        plan = self._cache.plan(
            root,
            tokens.blocks(request, size),
            self.behaviour.cache_min_of(model),
            self.clock.now(),
        )
        plan.plain += tokens.format_tokens(request, size)
        return plan

    def produce(
        self, request: dict[str, Any], row: Row, plan: Plan, turn: Turn, *, batch: bool = False
    ) -> dict[str, Any]:
        """Answer, and book it: from here on it is paid."""
        answer = self._worded(request, turn)
        usage = Usage(
            input_tokens=plan.plain,
            output_tokens=answer["output_tokens"],
            thinking_tokens=answer["thinking_tokens"],
            cache_write_5m=plan.written["5m"],
            cache_write_1h=plan.written["1h"],
            cache_read=plan.read,
        )
        self._cache.commit(plan, self.clock.now())
        row.answered, row.usage, row.stop_reason = True, usage, answer["stop_reason"]
        geo = request.get("inference_geo") or self.behaviour.geo
        row.nano_dollars = self._prices.nano_dollars(request["model"], usage, batch=batch, geo=geo)
        if not batch:
            self.limits(request["model"]).produced(usage.output_tokens, self.clock.now())
        return {
            "id": f"msg_fake_{uuid.uuid4().hex[:24]}",
            "type": "message",
            "role": "assistant",
            "model": request["model"],
            "content": answer["content"],
            "stop_reason": answer["stop_reason"],
            "stop_sequence": answer["stop_sequence"],
            "stop_details": answer["stop_details"],
            "container": None,
            "usage": usage.as_api("batch" if batch else "standard", geo),
        }

    def _worded(self, request: dict[str, Any], turn: Turn) -> dict[str, Any]:
        if turn.fault == "refusal":
            return _REFUSAL
        text = spoiled(self._text(request, turn), turn.fault)
        text, stop_sequence = _stopped(text, request.get("stop_sequences") or [])
        most, size = request["max_tokens"], self.behaviour.bytes_per_token
        thinking = min(most, self._thinking(request))
        whole = tokens.count(text, size)
        reason = "stop_sequence" if stop_sequence else "end_turn"
        if thinking + whole > most:
            text, whole = tokens.cut(text, most - thinking, size), most - thinking
            reason, stop_sequence = "max_tokens", None
        return {
            "content": [{"type": "text", "text": text, "citations": None}],
            "stop_reason": reason,
            "stop_sequence": stop_sequence,
            "stop_details": None,
            "output_tokens": max(1, thinking + whole),
            "thinking_tokens": thinking,
        }

    def _text(self, request: dict[str, Any], turn: Turn) -> str:
        return self._answer(request) if turn.text is None else turn.text

    def _thinking(self, request: dict[str, Any]) -> int:
        kind = (request.get("thinking") or {}).get("type")
        return self.behaviour.thinking_tokens if kind in ("adaptive", "enabled") else 0


_REFUSAL: dict[str, Any] = {
    "content": [],
    "stop_reason": "refusal",
    "stop_sequence": None,
    "stop_details": {"type": "refusal", "category": None, "explanation": "A staged refusal."},
    "output_tokens": 1,
    "thinking_tokens": 0,
}


def _stopped(text: str, sequences: list[str]) -> tuple[str, str | None]:
    found = [(text.index(s), s) for s in sequences if s in text]
    if not found:
        return text, None
    at, sequence = min(found)
    return text[:at], sequence

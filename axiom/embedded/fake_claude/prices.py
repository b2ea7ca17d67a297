"""Dollars, from the dated price file; exact, in billionths."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

NANO = 10**9


@dataclass
class Usage:
    """The tokens of one answer by kind."""

    input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0  # a part of the output
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0

    def as_api(self, tier: str, geo: str) -> dict[str, Any]:
        """As the API reports it."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"thinking_tokens": self.thinking_tokens},
            "cache_creation_input_tokens": self.cache_write_5m + self.cache_write_1h,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write_5m,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            },
            "cache_read_input_tokens": self.cache_read,
            "service_tier": tier,
            "inference_geo": geo,
        }


class Prices:
    """A price file."""

    def __init__(self, path: str | None = None) -> None:
        packaged = files("axiom.data") / "claude_prices.json"
        text = Path(path).read_text() if path else packaged.read_text()
        self._table: dict[str, Any] = json.loads(text, parse_float=Decimal)

    @property
    def models(self) -> frozenset[str]:
        """The models that have a price."""
        return frozenset(self._table["models"])

    def nano_dollars(
        self, model: str, usage: Usage, *, batch: bool = False, geo: str = "global"
    ) -> int:
        """What an answer costs, in billionths of a dollar."""
        table, price = self._table, self._table["models"][model]
        as_input = (
            usage.input_tokens
            + usage.cache_write_5m * Decimal(table["cache_write_5m"])
            + usage.cache_write_1h * Decimal(table["cache_write_1h"])
            + usage.cache_read * Decimal(price["cache_read"])
        )
        dollars = as_input * Decimal(price["input"]) + usage.output_tokens * Decimal(
            price["output"]
        )
        share = Decimal(table["geo"][geo]) * (Decimal(table["batch"]) if batch else 1)
        return round(dollars * share * NANO / Decimal(table["per_tokens"]))

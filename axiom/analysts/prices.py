"""What Claude costs: dollars to the billionth, from the dated price file."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from axiom.errors import ConfigError
from axiom.paid import Usage

NANO = Decimal("1e-9")  # dollars are kept to it


@cache
def _table() -> dict[str, Any]:
    text = files("axiom.data").joinpath("claude_prices.json").read_text()
    found: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return found


def as_of() -> str:
    """Return the day of which the prices are."""
    return str(_table()["as_of"])


def compute_usd(
    model: str, usage: Usage, *, batch: bool = False, geo: str | None = None
) -> Decimal:
    """Return what an answer cost.

    `geo` is where it was made, as the answer says: a workspace's default may be the US, which
    cost more. A place that has no price counts as the dearest.

    Raises:
        ConfigError: the model has no price, so it cannot be paid for within a budget.
    """
    table = _table()
    try:
        price = table["models"][model]
    except KeyError:
        known = ", ".join(table["models"])
        raise ConfigError(
            "AXIOM_CLAUDE_SMALL or AXIOM_CLAUDE_LARGE", f"{model} has no price; use one of {known}"
        ) from None
    as_input = (
        usage.input_tokens
        + usage.cache_write_5m * table["cache_write_5m"]
        + usage.cache_write_1h * table["cache_write_1h"]
        + usage.cache_read * price["cache_read"]
    )
    usd = as_input * price["input"] + usage.output_tokens * price["output"]
    places = table["geo"]
    usd *= 1 if geo is None else places.get(geo, max(places.values()))
    return Decimal(usd * (table["batch"] if batch else 1) / table["per_tokens"]).quantize(NANO)


def compute_worst_usd(model: str, size: int, max_tokens: int, *, batch: bool = False) -> Decimal:
    """Return the most that a question of `size` bytes can cost.

    A token is at least a byte long, the dearest input is what is written to the cache, and
    where it will be made is not known.
    """
    usage = Usage(cache_write_1h=size, output_tokens=max_tokens)
    return compute_usd(model, usage, batch=batch, geo="unknown")

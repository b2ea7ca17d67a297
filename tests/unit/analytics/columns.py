"""Columns as they come: random, and every kind of bad."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
KINDS = (
    "random", "ties", "constant", "one point", "all missing", "infinite", "holes", "outlier",
    "huge", "tiny", "far from zero", "same as the first", "minus the first",
)  # fmt: skip


def column(kind: str, random: np.random.Generator, length: int, first: Array | None) -> Array:
    """Return a column of that kind."""
    x = random.normal(size=length)
    made: dict[str, Any] = {
        "random": lambda: x,
        "ties": lambda: x.round(0),
        "constant": lambda: np.full(length, 0.1),
        "one point": lambda: np.where(np.arange(length) == length // 2, x, np.nan),
        "all missing": lambda: np.full(length, np.nan),
        "infinite": lambda: np.where(random.random(length) < 0.2, random.choice([-1, 1]) / 0.0, x),
        "holes": lambda: np.where(random.random(length) < 0.4, np.nan, x),
        "outlier": lambda: np.where(np.arange(length) == 3, 1e9, x),
        "huge": lambda: x * 1e300,
        "tiny": lambda: x * 1e-300,
        "far from zero": lambda: x + 1e5,
        "same as the first": lambda: x if first is None else first.copy(),
        "minus the first": lambda: x if first is None else -first,
    }
    with np.errstate(divide="ignore"):
        found: Array = made[kind]()
    return found


@st.composite
def tables(draw: st.DrawFn, least: int = 5, most: int = 40) -> Array:
    """Draw (T, N) of two to seven columns, with or without holes in all of them."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    length = draw(st.integers(least, most))
    columns: list[Array] = []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=7)):
        columns.append(column(kind, random, length, columns[0] if columns else None))
    x = np.column_stack(columns)
    if draw(st.booleans()):
        x[random.random(x.shape) < 0.15] = np.nan
    return x

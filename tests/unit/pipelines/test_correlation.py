"""The steps of the correlation pipeline over universes that were made up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from axiom.analytics import tables, tiles
from axiom.analytics.returns import list_sessions
from axiom.errors import AxiomError
from axiom.flow import Context
from axiom.model import Correlation, Instrument
from axiom.pipelines import correlation as pipeline
from axiom.pipelines.changes import compare
from axiom.stores.artifacts import MemoryArtifacts

NOW = datetime(2020, 6, 1, 20, tzinfo=UTC)
PAIR = Correlation("A", "B", 60, "pearson", 60, 0.5, 0.3, 0.7, 0.001, 0.01)


@dataclass
class World:
    """The services of the pipeline: prices that were drawn, and nothing before this run."""

    size: int = 12
    days: int = 130
    tile: int = 1024
    windows: tuple[int, ...] = (60,)
    missing: float = 0.0
    left_out: frozenset[int] = frozenset()  # sessions without any price
    earlier: list[Correlation] = field(default_factory=list)
    market: Any = field(
        default_factory=lambda: SimpleNamespace(name="replay", visible_at=lambda at: at)
    )

    def __post_init__(self) -> None:
        random = np.random.default_rng(7)
        steps = random.standard_t(4, (self.days, self.size)) + random.normal(size=(self.days, 1))
        prices = np.exp(steps.cumsum(axis=0) / 100)
        prices[random.random(prices.shape) < self.missing] = np.nan
        names = [f"T{n:04}" for n in reversed(range(self.size))]
        sessions = list_sessions(date(2019, 6, 3), date(2020, 5, 29))[-self.days :]
        kept = [n for n in range(self.days) if n not in self.left_out]
        self.sessions = [sessions[n] for n in kept]
        self.closes = {name: prices[kept, n] for n, name in enumerate(names)}
        self.universe = SimpleNamespace(instruments=[Instrument(name, name) for name in names])
        self.prices = self
        self.correlations = SimpleNamespace(before=lambda *asked: self.earlier)

    def load_closes(
        self, tickers: Sequence[str], market: str, until: datetime, days: int
    ) -> tuple[list[date], dict[str, list[float | None]]]:
        last = {t: self.closes[t][-days - 1 :].tolist() for t in tickers}
        found = {t: [None if math.isnan(p) else p for p in row] for t, row in last.items()}
        return self.sessions[-days - 1 :], found


def run(world: World, fail: Sequence[str] = ()) -> tuple[Context[Any], dict[str, Any]]:
    """Run the steps up to `find_changes`; return the context after it, and what it said."""
    inputs: dict[str, Any] = {}
    ctx: Context[Any] = Context("run", "correlation", NOW, world, MemoryArtifacts(), inputs=inputs)
    inputs["select_windows"] = pipeline.select_windows(ctx)
    inputs["load_returns"] = pipeline.load_returns(ctx)
    inputs["correlate"] = {
        item: pipeline.correlate(replace(ctx, item=item))
        for item in inputs["select_windows"]
        if item not in fail
    }
    inputs["find_changes"] = pipeline.find_changes(ctx)
    return ctx, inputs["find_changes"]


def numbers(found: Sequence[Correlation]) -> np.ndarray[Any, Any]:
    return np.array([[math.nan if x is None else x for x in astuple(c)[4:]] for c in found], float)


def test_tiles_joined_are_the_whole_to_twelve_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SMALL", 1000)
    monkeypatch.setattr(tiles, "TILE", 64)
    whole, told = run(World(300, missing=0.03))
    tiled, in_tiles = run(World(300, missing=0.03, tile=97))
    items = tiled.inputs["select_windows"]
    assert len(whole.inputs["select_windows"]) == 2
    assert len(items) == 2 * 10
    assert items[:2] == ["60-pearson-0-0", "60-pearson-0-1"]
    for group in ("60-pearson", "60-spearman"):
        counts = [{**each["groups"][group], "table": 0} for each in (told, in_tiles)]
        assert counts[0] == counts[1]
        assert counts[0]["pairs"] == 300 * 299 // 2
    one, many = pipeline._correlations(whole), pipeline._correlations(tiled)
    assert [(c.a, c.b, c.method) for c in one] == [(c.a, c.b, c.method) for c in many]
    np.testing.assert_allclose(numbers(one), numbers(many), rtol=1e-12, atol=1e-12)


def test_a_large_universe_hands_on_what_something_speaks_for_and_the_same_edges() -> None:
    few, small = run(World(40)), 40
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "SMALL", small - 1)
        some = run(World(40, tile=16))
    edges = [
        {(c.a, c.b, c.method): c.q for c in pipeline._correlations(ctx) if c.q < 0.05}
        for ctx, _ in (few, some)
    ]
    assert edges[0].keys() == edges[1].keys()
    assert edges[0] == pytest.approx(edges[1], rel=1e-12)
    told = some[1]["groups"]["60-pearson"]
    assert told["pairs"] == 40 * 39 // 2
    assert 0 < told["left_out"] < told["pairs"]
    assert told["significant"] == few[1]["groups"]["60-pearson"]["significant"]


def test_of_too_many_pairs_the_surest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    every = {(c.a, c.b): c.p for c in pipeline._correlations(run(World())[0])}
    monkeypatch.setattr(pipeline, "STORED", 10)
    ctx, told = run(World())
    kept = [c for c in pipeline._correlations(ctx) if c.method == "pearson"]
    assert [(c.a, c.b) for c in kept] == sorted((c.a, c.b) for c in kept)
    assert len(kept) == 10
    assert told["groups"]["60-pearson"]["left_out"] == 12 * 11 // 2 - 10
    assert every


def test_tickers_are_paired_in_order_whatever_that_of_the_universe() -> None:
    found = pipeline._correlations(run(World())[0])
    assert len(found) == 2 * 12 * 11 // 2
    assert all(c.a < c.b for c in found)


def test_q_values_need_all_pairs_so_a_failed_tile_leaves_its_group_out() -> None:
    ctx, told = run(World(tile=5), fail=["60-pearson-0-2"])
    assert list(told["groups"]) == ["60-spearman"]
    assert {c.method for c in pipeline._correlations(ctx)} == {"spearman"}


def test_no_return_spans_a_session_without_prices() -> None:
    ctx, _ = run(World(days=100, left_out=frozenset({90})))
    loaded = ctx.inputs["load_returns"]
    returns = ctx.artifacts.get_arrays(loaded["returns"])["returns"]
    assert loaded["days"] == 99
    assert np.isnan(returns).all(axis=1).nonzero()[0].tolist() == [89, 90]
    assert {c.n for c in pipeline._correlations(ctx)} == {58}


def test_the_days_shown_are_those_of_the_longest_window() -> None:
    world = World(days=130)
    loaded = run(world)[0].inputs["load_returns"]
    assert loaded["last"] == world.sessions[-1].isoformat()
    assert loaded["first"] == world.sessions[-61].isoformat()


def test_a_break_is_told_where_there_is_a_window_before() -> None:
    with_past = pipeline._correlations(run(World(days=130))[0])
    without = pipeline._correlations(run(World(days=100))[0])
    assert all(0 <= c.break_q <= 1 for c in with_past if c.break_q is not None)
    assert any(c.break_q is not None for c in with_past)
    assert all(c.break_q is None and not c.broke for c in without)


def test_a_window_that_is_too_long_is_left_out() -> None:
    _, told = run(World(days=100, windows=(60, 120)))
    assert set(told["groups"]) == {"60-pearson", "60-spearman"}


def test_too_few_days_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(AxiomError, match="60 days of replay prices are too few"):
        run(World(days=60))


def test_only_significant_pairs_and_those_that_were_are_changes() -> None:
    weak = replace(PAIR, q=0.2)
    moved = replace(PAIR, r=0.9)
    assert [c.kind for c in compare([PAIR], [])] == ["new"]
    assert [c.kind for c in compare([PAIR], [weak])] == ["new"]
    assert [c.kind for c in compare([weak], [PAIR])] == ["lost"]
    assert [c.kind for c in compare([moved], [PAIR])] == ["moved"]
    assert compare([weak], []) == compare([PAIR], [PAIR]) == []
    assert compare([PAIR], [], whole=False) == []

"""The small matrix's order and tree, compared with SciPy's; a chart's lines and gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from axiom.analytics.bars import NOT_OBSERVED, Bar, Gap
from axiom.analytics.structure import compute_clusters, compute_spanning_tree
from axiom.console.intelligence.chart import chart
from axiom.console.intelligence.clusters import put_in_order, spanning_tree
from axiom.stores.bars import Series

AT, DAY = datetime(2014, 1, 6, 21, tzinfo=UTC), timedelta(days=1)


def matrix(seed: int, size: int) -> tuple[list[str], np.ndarray, dict[tuple[str, str], float]]:
    random = np.random.default_rng(seed)
    common = random.normal(size=(100, 3))
    values = common @ random.normal(size=(3, size)) + random.normal(size=(100, size))
    r, names = np.corrcoef(values.T), [f"N{n:02}" for n in range(size)]
    return names, r, {(a, b): float(r[i, j]) for i, a in enumerate(names)
                      for j, b in enumerate(names)}  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_the_clusters_are_those_of_scipy_each_side_by_side(seed: int) -> None:
    names, r, by_pair = matrix(seed, 25)
    ordered = put_in_order(names, by_pair)
    theirs = compute_clusters(r)
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        assert (ordered.clusters[a] == ordered.clusters[b]) == (theirs[i] == theirs[j])
    along = [ordered.clusters[name] for name in ordered.names]
    assert along == sorted(along)
    assert sorted(ordered.names) == names


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_is_that_of_scipy(seed: int) -> None:
    names, r, by_pair = matrix(seed, 25)
    theirs = {frozenset((names[a], names[b])) for a, b in compute_spanning_tree(r)}
    assert {frozenset(edge) for edge in spanning_tree(names, by_pair)} == theirs


@pytest.mark.parametrize("names", [[], ["A"], ["A", "B"]])
def test_few_names_are_in_order_too(names: list[str]) -> None:
    assert put_in_order(names, {}).names == names
    assert len(spanning_tree(names, {})) == max(len(names) - 1, 0)


def bar(day: int, close: float) -> Bar:
    end = AT + day * DAY
    return Bar(date(2014, 1, 6) + day * DAY, end - DAY, end, close, close, close, close, None,
               "USD", 1, 0, date(2014, 1, 6))  # fmt: skip


def test_a_line_never_crosses_a_gap_in_which_something_is_missing() -> None:
    bars = [bar(0, 1.0), bar(1, 2.0), bar(3, 3.0)]
    gap = Gap(bars[1].end_at, bars[2].start_at, 1, NOT_OBSERVED)
    series = Series("A", "replay", "day", "America/New_York", AT, AT, bars, [gap], True, "x", [],
                    cut=False)  # fmt: skip
    drawn = chart(series, [], ZoneInfo("America/New_York"))
    assert len(drawn.lines) == 2
    [span] = drawn.gaps
    assert drawn.candles[1].x < span.x < span.x + span.w < drawn.candles[2].x

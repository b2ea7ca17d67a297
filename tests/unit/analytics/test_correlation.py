"""Correlations against pandas and scipy, on random and on degenerate input."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from axiom.analytics import tiles
from axiom.analytics.correlation import compute_pearson
from axiom.analytics.pairs import FIELDS, compute_pairs, pair_places
from axiom.analytics.ranks import compute_spearman
from tests.unit.analytics.columns import Array, tables

Compute = Callable[..., tuple[Array, Array]]
METHODS: dict[str, tuple[Compute, Callable[..., Any]]] = {
    "pearson": (compute_pearson, stats.pearsonr),
    "spearman": (compute_spearman, stats.spearmanr),
}
each_method = pytest.mark.parametrize("method", METHODS)


def by_scipy(x: Array, method: str, min_n: int) -> tuple[Array, Array]:
    """The same, pair by pair."""
    size = x.shape[1]
    r, n = np.full((size, size), np.nan), np.zeros((size, size), dtype=int)
    for i in range(size):
        for j in range(size):
            both = np.isfinite(x[:, i]) & np.isfinite(x[:, j])
            a, b = x[both, i], x[both, j]
            n[i, j] = len(a)
            if len(a) >= min_n and np.ptp(a) > 0 and np.ptp(b) > 0:
                # squares of the units 1e300 and 1e-300 are no numbers
                a, b = a / np.abs(a).max(), b / np.abs(b).max()
                r[i, j] = METHODS[method][1](a, b).statistic
    return r, n


@each_method
@settings(max_examples=60, deadline=None)
@given(x=tables())
def test_it_agrees_with_scipy_whatever_the_columns(method: str, x: Array) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, common = by_scipy(x, method, 3)
    r, n = METHODS[method][0](x, 3)
    np.testing.assert_array_equal(n, common)
    np.testing.assert_allclose(r, expected, atol=1e-10)


@each_method
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.03, 0.1, 0.5]))
def test_it_agrees_with_pandas(method: Any, seed: int, missing: float) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(60, 6)).round(1)  # rounded, so that ranks tie
    values[random.random(values.shape) < missing] = np.nan
    r, n = METHODS[method][0](values)
    expected = pd.DataFrame(values).corr(method=method, min_periods=20).to_numpy()
    np.testing.assert_allclose(r, expected, atol=1e-10)
    seen = np.isfinite(values).astype(int)
    np.testing.assert_array_equal(n, seen.T @ seen)


@each_method
def test_tiles_and_threads_change_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).normal(size=(50, 70))
    values[np.random.default_rng(6).random(values.shape) < 0.1] = np.nan
    at_once = METHODS[method][0](values)
    monkeypatch.setattr(tiles, "TILE", 16)
    np.testing.assert_allclose(METHODS[method][0](values), at_once, rtol=1e-13)


@each_method
def test_what_cannot_be_correlated_is_nan(method: str) -> None:
    values = np.random.default_rng(1).normal(size=(40, 5))
    values[:, 1], values[:, 2], values[5, 3] = 7.0, np.nan, np.inf
    r, n = METHODS[method][0](values)
    assert np.isnan(r[1]).all()
    assert np.isnan(r[2]).all()
    assert n[0, 3] == 39
    assert (r[0, 0], r[3, 3]) == (1.0, 1.0)


@each_method
def test_a_column_that_varies_only_where_the_other_is_missing_has_no_correlation(
    method: str,
) -> None:
    values = np.random.default_rng(2).normal(size=(40, 2))
    values[1:, 1] = 3.0
    values[0, 0] = np.nan
    assert np.isnan(METHODS[method][0](values)[0][0, 1])


def test_variance_that_is_nearly_all_in_a_missing_row_costs_no_digits() -> None:
    values = np.random.default_rng(3).normal(size=(60, 3))
    values[7, 0], values[7, 1] = 1e8, np.nan
    r, _ = compute_pearson(values)
    assert r[0, 1] == pytest.approx(
        stats.pearsonr(np.delete(values[:, 0], 7), np.delete(values[:, 1], 7)).statistic, abs=1e-12
    )


@each_method
@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (5, 0), (30, 1)])
def test_nearly_nothing_is_no_error(method: str, shape: tuple[int, int]) -> None:
    r, n = METHODS[method][0](np.ones(shape))
    assert r.shape == n.shape == (shape[1], shape[1])
    assert np.isnan(r).all()
    assert compute_pairs(np.ones(shape), method)["r"].shape == (shape[1] * (shape[1] - 1) // 2,)


@each_method
@settings(max_examples=30, deadline=None)
@given(x=tables(least=25, most=60))
def test_all_that_is_said_of_a_pair_is_sound_whatever_the_columns(method: str, x: Array) -> None:
    found = compute_pairs(x, method)
    places = pair_places(slice(0, x.shape[1]), slice(0, x.shape[1]))
    r, n = METHODS[method][0](x)
    np.testing.assert_allclose(found["r"], r[places], atol=1e-12)
    known = np.isfinite(found["r"])
    np.testing.assert_array_equal(found["n"][known], n[places][known])
    for field in FIELDS:
        np.testing.assert_array_equal(np.isfinite(found[field]), known, field)
    assert (found["n_eff"][known] <= found["n"][known] + 1e-9).all()
    assert ((found["low"] <= found["r"]) & (found["r"] <= found["high"]))[known].all()
    assert ((found["p"] >= 0) & (found["p"] <= 1))[known].all()


@pytest.mark.parametrize("rows", [slice(4, 12), slice(8, 12), slice(8, 30)])
def test_a_tile_is_that_part_of_the_whole(rows: slice) -> None:
    x = np.random.default_rng(9).normal(size=(60, 30))
    whole = compute_pairs(x)
    i, j = pair_places(slice(0, 30), slice(0, 30))
    part = compute_pairs(x, rows=rows, columns=slice(8, 25))
    here = (i >= rows.start) & (i < rows.stop) & (j >= 8) & (j < 25)
    for field in FIELDS:
        np.testing.assert_allclose(part[field], whole[field][here], rtol=1e-13)

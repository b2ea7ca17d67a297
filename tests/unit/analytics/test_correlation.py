"""Correlations against pandas and scipy, on random and on degenerate input."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from axiom.analytics.correlation import METHODS
from axiom.analytics.returns import compute_log_returns
from axiom.analytics.significance import compute_interval, compute_p_value, compute_q_value


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.1, 0.5]))
@pytest.mark.parametrize("method", METHODS)
def test_it_agrees_with_pandas(method: Any, seed: int, missing: float) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(60, 6)).round(1)  # rounded, so that ranks tie
    values[random.random(values.shape) < missing] = np.nan
    r, n = METHODS[method](values)
    expected = pd.DataFrame(values).corr(method=method, min_periods=20).to_numpy()
    np.testing.assert_allclose(r, expected, atol=1e-10)
    seen = np.isfinite(values).astype(int)
    np.testing.assert_array_equal(n, seen.T @ seen)


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_correlated_is_nan(method: str) -> None:
    values = np.random.default_rng(1).normal(size=(40, 5))
    values[:, 1], values[:, 2], values[5, 3] = 7.0, np.nan, np.inf
    r, n = METHODS[method](values)
    assert np.isnan(r[1]).all()
    assert np.isnan(r[2]).all()
    assert n[0, 3] == 39


def test_p_values_agree_with_scipy() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=(2, 50))
    expected = stats.pearsonr(a, b)
    assert compute_p_value(expected.statistic, 50) == pytest.approx(expected.pvalue, abs=1e-12)
    low, high = compute_interval(expected.statistic, 50)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval()), abs=1e-10)


def test_q_values_agree_with_scipy_and_leave_nan_out() -> None:
    p = np.random.default_rng(4).random(30)
    np.testing.assert_allclose(compute_q_value(p), stats.false_discovery_control(p))
    holed = np.insert(p, 3, np.nan)
    np.testing.assert_allclose(np.delete(compute_q_value(holed), 3), compute_q_value(p))


def test_a_price_that_is_no_price_has_no_return() -> None:
    found = compute_log_returns([[1.0], [np.e], [0.0], [np.inf], [2.0], [2.0]])
    np.testing.assert_allclose(found[:, 0], [1, np.nan, np.nan, np.nan, 0])

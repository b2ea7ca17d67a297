"""Returns by day on the calendar, and by minute where prices do not come together."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from axiom.analytics.returns import (
    align,
    compute_hayashi_yoshida,
    compute_log_returns,
    compute_previous_tick,
    list_sessions,
)
from tests.unit.analytics.columns import Array


def test_a_price_that_is_no_price_has_no_return() -> None:
    found = compute_log_returns([[1.0], [np.e], [0.0], [np.inf], [2.0], [2.0]])
    np.testing.assert_allclose(found[:, 0], [1, np.nan, np.nan, np.nan, 0])


def test_sessions_leave_out_weekends_and_holidays() -> None:
    found = list_sessions(date(2020, 12, 23), date(2020, 12, 29))
    assert [day.day for day in found] == [23, 24, 28, 29]


def test_a_session_without_prices_is_a_gap_and_a_holiday_with_prices_is_left_out() -> None:
    sessions = list_sessions(date(2020, 12, 23), date(2020, 12, 29))
    days = [date(2020, 12, 23), date(2020, 12, 25), date(2020, 12, 28), date(2020, 12, 29)]
    found = align(days, [[1.0], [9.0], [2.0], [4.0]], sessions)
    np.testing.assert_array_equal(found[:, 0], [1, np.nan, 2, 4])
    assert np.isfinite(compute_log_returns(found)).sum() == 1
    assert np.isnan(align([], np.empty((0, 1)), sessions)).all()


def asynchronous(rho: float, share: float, length: int = 20_000) -> Array:
    random = np.random.default_rng(0)
    steps = random.normal(size=(length, 2))
    steps[:, 1] = rho * steps[:, 0] + np.sqrt(1 - rho**2) * steps[:, 1]
    prices = np.exp(steps.cumsum(axis=0) / 1000)
    prices[random.random(prices.shape) > share] = np.nan
    return prices


def test_hayashi_and_yoshida_are_not_misled_by_prices_that_do_not_come_together() -> None:
    prices = asynchronous(0.8, share=0.4)
    assert compute_hayashi_yoshida(prices)[0, 1] == pytest.approx(0.8, abs=0.03)


def test_previous_tick_returns_are_biased_by_as_much_as_it_says() -> None:
    found = compute_previous_tick(asynchronous(0.8, share=0.4))
    r = np.corrcoef(found[np.isfinite(found).all(axis=1)].T)[0, 1]
    assert r == pytest.approx(0.8 * 0.4 / 1.6, abs=0.03)


def test_it_is_the_sum_over_overlapping_intervals() -> None:
    random = np.random.default_rng(1)
    prices = np.exp(random.normal(size=(60, 3)).cumsum(axis=0) / 100)
    prices[random.random(prices.shape) < 0.6] = np.nan

    def returns(column: Array) -> list[tuple[int, int, float]]:
        (at,) = np.nonzero(np.isfinite(column))
        return [(s, t, float(np.log(column[t] / column[s]))) for s, t in pairwise(at)]

    def overlap(a: Array, b: Array) -> float:
        return sum(x * y for s, t, x in returns(a) for u, v, y in returns(b) if s < v and u < t)

    covariance = np.array([[overlap(a, b) for b in prices.T] for a in prices.T])
    scale = np.sqrt(np.diagonal(covariance))
    expected = covariance / np.outer(scale, scale)
    np.testing.assert_allclose(compute_hayashi_yoshida(prices), expected, atol=1e-10)


def test_with_all_prices_it_is_the_correlation_about_zero() -> None:
    prices = asynchronous(0.5, share=1.0, length=500)
    steps = compute_log_returns(prices)
    expected = (steps.T @ steps)[0, 1] / np.sqrt((steps**2).sum(axis=0).prod())
    assert compute_hayashi_yoshida(prices)[0, 1] == pytest.approx(expected, abs=1e-12)


def test_a_column_with_one_price_or_none_has_no_correlation() -> None:
    prices = np.ones((5, 4))
    prices[:, 0], prices[1:, 1] = np.nan, np.nan
    prices[:, 3] = [1, 2, 1, 2, 1]
    found = compute_hayashi_yoshida(prices)
    assert np.isnan(found[:3]).all()
    assert found[3, 3] == pytest.approx(1)

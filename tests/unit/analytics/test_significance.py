"""How sure a correlation is, against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.tsa.stattools import acf

from axiom.analytics.correlation import prepare
from axiom.analytics.innovations import compute_innovations, compute_winsorised
from axiom.analytics.pairs import compute_pairs
from axiom.analytics.significance import (
    compute_autocorrelation,
    compute_break,
    compute_inflation,
    compute_interval,
    compute_p_value,
    compute_q_value,
    compute_q_value_dependent,
)
from tests.unit.analytics.columns import Array, tables


@settings(max_examples=300, deadline=None)
@given(r=st.floats(-1, 1), n=st.floats(2.01, 1e5))
def test_p_values_are_students_for_any_r_and_n(r: float, n: float) -> None:
    with np.errstate(divide="ignore"):
        t = abs(r) * np.sqrt((n - 2) / (1 - np.float64(r) ** 2))
    expected = 2 * stats.t.sf(t, n - 2)
    assert float(compute_p_value(r, n)) == pytest.approx(expected, abs=1e-10, rel=1e-5)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 400), rho=st.floats(-0.95, 0.95))
def test_interval_and_p_value_are_those_of_scipys_pearsonr(seed: int, n: int, rho: float) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    expected = stats.pearsonr(a, rho * a + b)
    assert float(compute_p_value(expected.statistic, n)) == pytest.approx(
        expected.pvalue, abs=1e-10
    )
    low, high = compute_interval(expected.statistic, n)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval()), abs=1e-10)


def test_too_few_days_have_neither_interval_nor_p_value() -> None:
    assert np.isnan(compute_interval(0.5, 3)).all()
    assert np.isnan(compute_p_value(0.5, 2))
    assert np.isnan(compute_p_value(np.nan, 50))


P_VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.01, 0.01]), max_size=60)


@settings(max_examples=200, deadline=None)
@given(p=P_VALUES)
def test_q_values_agree_with_statsmodels_and_scipy(p: list[float]) -> None:
    for ours, theirs, scipys in (
        (compute_q_value, "fdr_bh", "bh"), (compute_q_value_dependent, "fdr_by", "by"),
    ):  # fmt: skip
        expected = multipletests(p, method=theirs)[1] if p else []
        np.testing.assert_allclose(ours(p), expected, atol=1e-12)
        np.testing.assert_allclose(
            ours(p), stats.false_discovery_control(p, method=scipys), atol=1e-12
        )


KINDS = {
    "of chance": lambda random, size: random.random(size),
    "some found": lambda random, size: random.random(size) ** random.choice([1, 1, 1, 30], size),
    "held at the cut": lambda random, size: np.maximum(random.random(size), 0.05),
    "whole steps": lambda random, size: random.integers(0, 33, size) / 32,
    "over all magnitudes": lambda random, size: 10.0 ** (-330 * random.random(size)),
    "one beside many": lambda random, size: np.append(np.full(size - 1, 1 / 3), random.random()),
    "all one": lambda random, size: np.ones(size),
    "all zero": lambda random, size: np.zeros(size),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 5000), more=st.sampled_from([0, 1, 900]))
def test_q_values_of_many_are_those_of_all_in_order(
    kind: str, seed: int, size: int, more: int
) -> None:
    """Most of them are never sorted; nothing may show of it, to the last digit."""
    p = KINDS[kind](np.random.default_rng(seed), size)
    ranked = np.sort(p) * float(size + more) / np.arange(1.0, size + 1)
    expected = np.empty(size)
    expected[np.argsort(p)] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1)
    np.testing.assert_array_equal(compute_q_value(p, size + more), expected)
    if not more:
        scipys = stats.false_discovery_control(p)
        np.testing.assert_allclose(expected, scipys, rtol=1e-12, atol=1e-300)


@settings(max_examples=50, deadline=None)
@given(p=P_VALUES)
def test_a_pair_without_p_value_does_not_count(p: list[float]) -> None:
    holed = np.insert(p, len(p) // 2, np.nan)
    found = compute_q_value(holed)
    np.testing.assert_array_equal(np.delete(found, len(p) // 2), compute_q_value(p))
    assert np.isnan(found[len(p) // 2])


@settings(max_examples=100, deadline=None)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_least_p_values_and_their_number_suffice_for_q_below_the_cut(p: list[float]) -> None:
    every, few = np.array(p), np.array([x for x in p if x < 0.2])
    exact, found = compute_q_value(every)[every < 0.2], compute_q_value(few, total=len(p))
    assert (found >= exact - 1e-15).all()
    below = exact < 0.2
    np.testing.assert_allclose(found[below], exact[below], rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(x=tables(least=12))
def test_autocorrelations_agree_with_statsmodels(x: Array) -> None:
    columns = prepare(x)
    found = compute_autocorrelation(columns.z, 5)
    for n in range(x.shape[1]):
        if not columns.flat[n]:
            series = columns.values[:, n] / np.nanmax(np.abs(columns.values[:, n]))
            expected = acf(series, nlags=5, missing="conservative", fft=False)[1:]
            np.testing.assert_allclose(found[n], expected, atol=1e-10)
        else:
            assert (found[n] == 0).all()


def test_inflation_is_that_of_two_autoregressions() -> None:
    powers = 0.6 ** np.arange(1, 41)[None, :]
    found = compute_inflation(powers, powers, 10**9)
    assert found[0, 0] == pytest.approx((1 + 0.36) / (1 - 0.36), rel=1e-6)
    assert compute_inflation(powers, -powers, 500)[0, 0] == 1.0


def test_winsorising_agrees_with_scipys_deviation_and_keeps_what_is_missing() -> None:
    x = np.random.default_rng(1).standard_t(2, (300, 4))
    x[5, 0], x[6, 1] = np.nan, np.inf
    found = compute_winsorised(x)
    spread = stats.median_abs_deviation(np.where(np.isfinite(x), x, np.nan), axis=0,
                                        scale="normal", nan_policy="omit")  # fmt: skip
    assert np.isnan([found[5, 0], found[6, 1]]).all()
    middle = np.nanmedian(np.where(np.isfinite(x), x, np.nan), axis=0)
    np.testing.assert_allclose(np.nanmax(np.abs(found - middle), axis=0), 3 * spread, rtol=1e-3)


def test_a_column_that_mostly_stands_still_keeps_its_moves() -> None:
    x = np.zeros((100, 1))
    x[::10] = 1.0
    assert compute_winsorised(x).std() > 0


def test_innovations_have_no_memory_left() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(3000, 1))
    for day in range(1, 3000):
        x[day] += 0.6 * x[day - 1]
    z = prepare(compute_innovations(x)).z
    assert abs(compute_autocorrelation(z, 1)[0, 0]) < 0.05


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Both series remember, and have fat tails: n alone would cover 85%."""
    covered, random = [], np.random.default_rng(4)
    for _ in range(40):
        x = random.standard_t(6, (550, 40))
        for day in range(1, 550):
            x[day] += 0.5 * x[day - 1]
        x = x[50:]
        x[:, 1::2] = 0.3 * x[:, ::2] + np.sqrt(1 - 0.09) * x[:, 1::2]
        for k in range(0, 40, 2):
            one = compute_pairs(x[:, k : k + 2])
            covered.append(one["low"][0] <= 0.3 <= one["high"][0])
    assert 0.92 < np.mean(covered) < 0.99


def test_a_break_is_found_where_there_is_one_and_seldom_where_there_is_none() -> None:
    random = np.random.default_rng(5)
    z = random.normal(size=(2, 400, 250))
    r = np.array([[np.corrcoef(a, b)[0, 1] for a, b in zip(x[:200], x[200:], strict=True)]
                  for x in z])  # fmt: skip
    p = compute_break((r[0], np.full(200, 250.0)), (r[1], np.full(200, 250.0)))
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert float(compute_break((0.7, 250), (0.2, 250))) < 1e-8
    assert np.isnan(compute_break((0.7, 3), (0.2, 250)))

"""All that is said of a pair, against the same formulas written out for one pair, in double."""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats
from statsmodels.tsa.stattools import acf

from axiom.analytics.pairs import FIELDS, compute_pairs
from axiom.analytics.significance import lags_of
from tests.unit.analytics.columns import Array, tables

ROUNDING = 1e-14  # of the sums; what is left of them beside 1 - r^2, or its square, loses digits


def innovations(x: Array) -> Array:
    x = x / np.nanmax(np.abs(x))
    middle = np.nanmedian(x)
    off = np.abs(x - middle)
    spread = 1.4826 * np.nanmedian(off) or 1.2533 * np.nanmean(off)
    x = np.clip(x, middle - 3 * spread, middle + 3 * spread)
    x = x - np.nanmean(x)
    before = np.concatenate([[0.0], np.nan_to_num(x[:-1])])
    return unit(x - before @ np.nan_to_num(x) / np.nansum(x * x) * before)


def unit(x: Array) -> Array:
    """Of mean zero and mean square one."""
    x = x / np.nanmax(np.abs(x))
    x = x - np.nanmean(x)
    return np.asarray(x / np.sqrt(np.nanmean(x * x)))


def inflation(a: Array, b: Array) -> float:
    lags = lags_of(len(a))
    own = [acf(each, nlags=lags, missing="conservative", fft=False)[1:] for each in (a, b)]
    weights = 1 - np.arange(1, lags + 1) / len(a)
    return float(max(1 + 2 * (weights * own[0] * own[1]).sum(), 1))


def judge(x: Array, y: Array, method: str) -> dict[str, float]:
    """`compute_pairs` of one pair."""
    there = np.isfinite(x) & np.isfinite(y)
    n = int(there.sum())
    of = stats.spearmanr if method == "spearman" else stats.pearsonr
    r = of(x[there] / np.abs(x[there]).max(), y[there] / np.abs(y[there]).max()).statistic
    x, y = (np.where(np.isfinite(each), each, np.nan) for each in (x, y))
    if method == "spearman":
        x, y = (stats.rankdata(each, nan_policy="omit") for each in (x, y))
    size = max(np.nanmax(np.abs(each)) / np.nanstd(each) for each in (x, y))
    a, b = innovations(x), innovations(y)
    c = np.nansum(a * b) / n
    m22, odd = np.nansum(a**2 * b**2) / n, np.nansum(a**3 * b + a * b**3) / n
    fourth = np.nanmean(a**4), np.nanmean(b**4)
    wild = (m22 - c * odd + c**2 * (sum(fourth) + 2 * m22) / 4) / (1 - c**2) ** 2
    n_eff = max(n / max(wild, 1) / inflation(unit(x), unit(y)), 4)
    z, spread = np.arctanh(min(max(r, -1 + 1e-16), 1 - 1e-16)), 1 / np.sqrt(n_eff - 3)
    spread *= np.sqrt(1 + r**2 / 2) if method == "spearman" else 1
    low, high = np.tanh(z + stats.norm.ppf([0.025, 0.975]) * spread)
    wild = (m22 - c**2 * min(fourth)) / (1 - c**2)
    n_test = max(n / max(wild, 1) / inflation(a, b), 4)
    p = 2 * stats.t.sf(abs(c) * np.sqrt((n_test - 2) / (1 - c**2)), n_test - 2)
    p = max(p, 0.05) if low <= 0 <= high else p
    found = (r, n, n_eff, low, high, p, c, sum(fourth), size)
    return dict(zip((*FIELDS, "c", "m4", "size"), found, strict=True))


def allowed(expected: dict[str, float]) -> dict[str, float]:
    """How far each field may be off: 1e-10, or what rounding is made where two are almost one.

    The inflation by wild days is a difference of sums of the size of the fourth moments over
    (1 - c^2)^2, of the test over 1 - c^2, with c the correlation of the innovations; and n_eff
    is anything from 4 to n where c is one. Columns that are large beside their deviation, 100,000
    and a little, are given with fewer digits of it. An end of the interval is off by what r is,
    times its derivative by r, up to 140 where n_eff is 4.
    """
    rest = max(1 - expected["c"] ** 2, 1e-16)
    rounding = max(ROUNDING, 1e-15 * expected["size"])
    worse = min(rounding * (1 + expected["m4"]) / rest**2, 1.0)
    off = dict.fromkeys(FIELDS, 1e-10)
    off["n_eff"] += (1e-10 + worse) * expected["n"]
    r, t = expected["r"], np.tanh(1.96 * np.sqrt(1.5) / np.sqrt(expected["n_eff"] - 3))
    for end, sign in (("low", 1), ("high", -1)):
        off[end] *= max(1.0, (1 - t**2) / (1 - sign * r * t) ** 2)
        off[end] += worse * (1 - r**2) * 140
    off["p"] += min(rounding * (1 + expected["m4"]) / rest, 1.0)
    return off


def compare(x: Array, method: str) -> int:
    """How many pairs agree; raises where one does not."""
    found, compared = compute_pairs(x, method), 0
    for place, (i, j) in enumerate(combinations(range(x.shape[1]), 2)):
        if np.isfinite(found["r"][place]):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                expected = judge(x[:, i], x[:, j], method)
            if np.isfinite([expected["n_eff"], expected["p"]]).all():  # c of one is 0 / 0
                compared += 1
                for field, off in allowed(expected).items():
                    assert found[field][place] == pytest.approx(expected[field], abs=off, rel=0), (
                        i,
                        j,
                        field,
                        expected,
                    )
    return compared


each_method = pytest.mark.parametrize("method", ["pearson", "spearman"])


@each_method
@settings(max_examples=40, deadline=None)
@given(x=tables(least=25, most=60))
def test_any_columns_agree_with_the_formulas(method: str, x: Array) -> None:
    compare(x, method)


@each_method
@pytest.mark.parametrize("missing", [0.0, 0.03, 0.3])
def test_returns_agree_with_the_formulas(method: str, missing: float) -> None:
    """With a memory, fat tails, wild times in common and a relation between some."""
    random: Any = np.random.default_rng(11)
    x = random.standard_t(3, (250, 14)) * np.exp(0.5 * random.normal(size=(250, 1)))
    for day in range(1, len(x)):
        x[day] += 0.4 * x[day - 1]
    x[:, 1::2] += 0.8 * x[:, ::2]
    x[random.random(x.shape) < missing] = np.nan
    assert compare(x, method) == 14 * 13 / 2


@each_method
@pytest.mark.parametrize("noise", [1e-1, 1e-2, 1e-3, 1e-5])
def test_columns_that_are_almost_one_agree_within_rounding(method: str, noise: float) -> None:
    random: Any = np.random.default_rng(12)
    x = random.standard_t(4, (250, 1)) + noise * random.standard_t(4, (250, 8))
    assert compare(x, method) == 8 * 7 / 2

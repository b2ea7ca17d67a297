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

CLOSE = (
    0.99  # above, 1 - r^2 has few digits, of the columns or their innovations; so what it divides
)


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
    close = max(abs(c), abs(r)) > CLOSE
    return dict(zip((*FIELDS, "close"), (r, n, n_eff, low, high, p, close), strict=True))


def compare(x: Array, method: str) -> int:
    """How many pairs agree; raises where one does not."""
    found, compared = compute_pairs(x, method), 0
    for place, (i, j) in enumerate(combinations(range(x.shape[1]), 2)):
        if np.isfinite(found["r"][place]):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                expected = judge(x[:, i], x[:, j], method)
            if not expected["close"] and np.isfinite(expected["p"]):
                compared += 1
                for field in FIELDS:
                    assert found[field][place] == pytest.approx(
                        expected[field], abs=1e-10, rel=1e-10 if field == "n_eff" else 0
                    ), (i, j, field)
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

"""How sure a correlation is: effective sample size, interval, p, q, and whether it broke."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from axiom.analytics.tiles import on_all_processors

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

Z_95 = 1.959963984540054
LAGS = 20  # of autocorrelation; fewer in short windows
_BELOW_ONE = 1 - 2.0**-53
_IN_BUCKET = 5  # p-values, their number in bits: as fine as pays
_LONG = 1 << 17  # of what is sorted: threads take longer to begin
LEAST_N = 4.0  # an effective sample size is never below


def compute_autocorrelation(z: ArrayLike, lags: int) -> Array:
    """Return the autocorrelations 1..lags of columns, (N, lags).

    `z` is (T, N), centred, 0 where missing: sum z[t] z[t+k] / sum z[t]^2, which is
    `statsmodels.tsa.stattools.acf(missing="conservative")`. 0 for a column of zeros.
    Source: Box and Jenkins, Time Series Analysis, 1970, sec. 2.1.
    """
    import numpy as np

    by_column = np.ascontiguousarray(np.asarray(z, dtype=float).T)
    sums = np.empty((len(by_column), min(lags, max(by_column.shape[1] - 1, 0))))
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.vecdot(by_column, by_column)
        for lag in range(1, sums.shape[1] + 1):
            np.vecdot(by_column[:, :-lag], by_column[:, lag:], out=sums[:, lag - 1])
    there = total[:, None] > 0
    ratio: Array = np.divide(sums, total[:, None], out=np.zeros_like(sums), where=there)
    return ratio


def lags_of(length: int) -> int:
    """How many autocorrelations count in a window of that length."""
    return min(LAGS, length // 5)


def compute_inflation(left: ArrayLike, right: ArrayLike, length: int) -> Array:
    """Return how much autocorrelation inflates the variance of r, (N left, N right), at least 1.

    `left` and `right` are autocorrelations, (N, lags), of series of `length`:
    1 + 2 sum_k (1 - k/T) a_k b_k. Sources: Bartlett, J. R. Stat. Soc. 98, 1935; Pyper and
    Peterman, Can. J. Fish. Aquat. Sci. 55, 1998, eq. 1. n / inflation is the effective
    sample size; it is never above n.
    """
    import numpy as np

    a, b = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
    weights = 2 * (1 - np.arange(1, a.shape[1] + 1) / length)
    found: Array = (a * weights) @ b.T
    np.maximum(found, 0.0, out=found)
    found += 1.0
    return found


def compute_interval(
    r: ArrayLike, n: ArrayLike, method: str = "pearson", out: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """Return the 95% interval of correlations, of the shape of `r`; `n` may be effective.

    Fisher's z with variance 1/(n-3) (R. A. Fisher, Metron 1, 1921); for Spearman
    (1 + rho^2/2)/(n-3) (Bonett and Wright, Psychometrika 65, 2000). NaN for n <= 3.
    `out` is written to and returned.
    """
    import numpy as np

    r, n = np.asarray(r, dtype=float), np.asarray(n, dtype=float)
    low, high = out or (None, None)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = np.asarray(n - 3)
        if not half.min(initial=1.0) > 0:
            half = np.asarray(np.where(half > 0, half, np.nan))
        half = np.divide(Z_95, np.sqrt(half, out=half), out=half)
        if method == "spearman":
            half = np.asarray(half * np.sqrt(1 + r * r / 2))
        # tanh(artanh r ± half), by the addition theorem; below one, where r may be one
        t = np.minimum(np.tanh(half, out=half), _BELOW_ONE, out=half)
        both = np.asarray(r * t)
        low, high = np.asarray(np.subtract(r, t, out=low)), np.asarray(np.add(r, t, out=high))
        high /= 1 + both
        low /= np.subtract(1, both, out=both)
    # whatever was rounded
    return np.minimum(low, r, out=low), np.maximum(high, r, out=high)


def compute_p_value(r: ArrayLike, n: ArrayLike) -> Array:
    """Return the two-sided p-value of no correlation: t = r √((n-2)/(1-r²)), n-2 degrees.

    `n` may be effective, and need not be whole. Source: "Student", Biometrika 6, 1908;
    the tail by Hill's expansion (CACM 13, 1970, algorithm 395; within 1e-11 here), which
    is ten times as fast as `scipy.special.stdtr`, and by that where it does not hold.
    NaN for n <= 2.
    """
    import numpy as np

    r, n = np.broadcast_arrays(np.asarray(r, dtype=float), np.asarray(n, dtype=float))
    return compute_p_of_squared(np.asarray(r * r), np.asarray(n - 2))


def compute_p_of_squared(squared: Array, df: Array) -> Array:
    """Return the p-value of `compute_p_value` by r^2 and the degrees of freedom."""
    import numpy as np
    from scipy.special import ndtr, stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        least = df.min(initial=30.0)
        if not least > 0:
            df = np.where(df > 0, df, np.nan)
        deviate = _hill(squared, df)
        found: Array = ndtr(deviate, out=deviate)
        found += found
        if not (least >= 30 and squared.max(initial=0.0) <= 0.8):
            rough = (df < 30) | (squared > 0.8)
            some, few = squared[rough], df[rough]
            found[rough] = 2 * stdtr(few, -np.sqrt(some * few / (1 - some)))
    return found


def _hill(squared: Array, df: Array) -> Array:
    """The normal deviate of the same tail as Student's t, below zero."""
    import numpy as np

    a = np.asarray(df - 0.5)
    series = np.negative(squared, out=np.empty(squared.shape))
    y = np.asarray(np.log1p(series))
    y *= a
    np.negative(y, out=y)
    a *= a
    a *= -48.0
    np.multiply(y, -0.4, out=series)
    for term in (3.3, 24.0, 85.5):
        series -= term
        if term < 85:
            series *= y
    scale = 0.8 * y
    scale *= y
    scale -= a
    scale += 100.0
    series /= scale
    series += y
    series += 3.0
    series /= a
    series -= 1.0
    series *= np.sqrt(y, out=y)
    return series


def compute_q_value(p: ArrayLike, total: int | None = None) -> Array:
    """Return Benjamini-Hochberg adjusted p-values of a vector; NaN stays NaN and does not count.

    `total` tests were made, where `p` has only the least of them: then q is exact below the
    least p-value that was left out, and above it an upper bound. Source: Benjamini and
    Hochberg, J. R. Stat. Soc. B 57, 1995. (scipy has the same in scipy.stats, whose import
    costs seconds in every worker child.)
    """
    return _adjusted(p, total, dependent=False)


def compute_q_value_dependent(p: ArrayLike, total: int | None = None) -> Array:
    """Return Benjamini-Yekutieli adjusted p-values: they hold whatever the dependence.

    As `compute_q_value`, times 1 + 1/2 + … + 1/m. Source: Benjamini and Yekutieli, Ann.
    Stat. 29, 2001.
    """
    return _adjusted(p, total, dependent=True)


def _adjusted(p: ArrayLike, total: int | None, *, dependent: bool) -> Array:
    import numpy as np

    p = np.asarray(p, dtype=float)
    known = np.isfinite(p)
    if not known.all():
        q = np.full(p.shape, np.nan)
        q[known] = _adjusted(p[known], total, dependent=dependent)
        return q
    tests = max(len(p), total or 0)
    times = tests * ((1 / np.arange(1.0, tests + 1)).sum() if dependent else 1.0)
    return _least_above(p, float(times))


def _least_above(p: Array, times: float) -> Array:
    """Return min over t >= p of `times` t / F(t), at most 1; F(t) is how many of `p` are <= t.

    Where most p are of chance, few t are such a minimum, and only what may be is sorted. In
    a bucket from a to b, t / F(t) is at least a / F(b), and at its last p at most b / F(b):
    where the former is above the latter of a later bucket, it has no minimum, and all of its
    p have that of the next bucket that has one.
    """
    import numpy as np

    size = 1 << max(len(p).bit_length() - _IN_BUCKET, 0)
    bucket = np.empty(len(p), dtype=np.intp)
    parts = _stretches(len(p))

    def count(part: slice) -> Array:
        # exact: the size is a power of two
        np.multiply(p[part], size, out=bucket[part], casting="unsafe")
        return np.bincount(bucket[part], minlength=size + 1)

    counts = sum(on_all_processors(count, parts))
    upto, edges = np.cumsum(counts), np.arange(size + 2.0) / size
    there = np.maximum(upto, 1)
    sought = edges[:-1] / there <= np.minimum.accumulate((edges[1:] / there)[::-1])[::-1]
    passed = np.cumsum(np.where(sought, 0, counts))
    if 2 * passed[-1] <= len(p):  # little can be left out
        order, ranked = _ordered(p)
        return _put(bucket.view(float), order, _minima(ranked, 0, times))

    def choose(part: slice) -> Array:
        found: Array = part.start + np.flatnonzero(sought.take(bucket[part], mode="clip"))
        return found

    chosen = np.concatenate(on_all_processors(choose, parts))
    order, ranked = _ordered(p[chosen])
    chosen = chosen[order]
    ranked = _minima(ranked, passed[bucket[chosen]], times)
    least = ranked.take(upto - passed, mode="clip")
    found = bucket.view(float)  # a bucket is not looked at again where its q is written

    def fill(part: slice) -> None:
        found[part] = least.take(bucket[part], mode="clip")

    on_all_processors(fill, parts)
    return _put(found, chosen, ranked)


def _put(into: Array, places: Array, values: Array) -> Array:
    """Write values at some places of a vector; return it."""

    def fill(part: slice) -> None:
        into[places[part]] = values[part]

    on_all_processors(fill, _stretches(len(places)))
    return into


def _minima(ranked: Array, before: Any, times: float) -> Array:
    """Minima, in place, from p-values in order; `before` each are so many that are not here."""
    import numpy as np

    ranked *= times
    ranked /= before + np.arange(1.0, len(ranked) + 1)
    ranked = np.minimum.accumulate(ranked[::-1])[::-1]
    return np.minimum(ranked, 1.0, out=ranked)


def _ordered(p: Array) -> tuple[Array, Array]:
    """Return the order of a vector of p-values, and them in it.

    NumPy sorts whole numbers four times as fast as it finds an order. The bits of numbers
    above zero are whole numbers in the same order, and the last of them make room for the
    place; what only those would tell apart is put right afterwards.
    """
    import numpy as np

    places = (1 << len(p).bit_length()) - 1
    key, ranked, parts = np.empty(len(p), dtype=np.int64), np.empty(len(p)), _stretches(len(p))

    def begin(part: slice) -> None:
        np.add(p[part], 0.0, out=key[part].view(float))  # no -0.0
        key[part] &= ~places
        key[part] |= np.arange(part.start, part.stop)

    def end(part: slice) -> None:
        key[part].sort()
        # all are there: without the mode, each is looked at first
        p.take(key[part] & places, out=ranked[part], mode="clip")

    on_all_processors(begin, parts)
    if len(parts) > 1:
        key.partition([part.start for part in parts[1:]])
    on_all_processors(end, parts)
    order = key & places
    if (ranked[1:] < ranked[:-1]).any():
        key &= ~places
        alike = np.zeros(len(key) + 1, dtype=bool)
        np.equal(key[1:], key[:-1], out=alike[1:-1])
        at = np.nonzero(alike[1:] | alike[:-1])[0]
        order[at] = order[at[np.lexsort((ranked[at], key[at]))]]
        ranked[at] = p[order[at]]
    return order, ranked


def _stretches(length: int) -> list[slice]:
    """Return a long vector in stretches, one for each processor."""
    count = (os.cpu_count() or 1) if length > _LONG else 1
    ends = [length * part // count for part in range(count + 1)]
    return [slice(*each) for each in pairwise(ends)]


def compute_break(
    now: tuple[ArrayLike, ArrayLike], before: tuple[ArrayLike, ArrayLike], method: str = "pearson"
) -> Array:
    """Return the two-sided p-value that a pair is what it was in a window before this one.

    Each side is (r, effective n) of windows that share no day: the difference of
    Fisher's z over √(v + v'), v as in `compute_interval`. Source: Fisher, 1921;
    Cohen and Cohen, Applied Multiple Regression, 1983, p. 54.
    """
    import numpy as np
    from scipy.special import ndtr

    difference: Any = 0.0
    variance: Any = 0.0
    for sign, (r, n) in ((1, now), (-1, before)):
        r, n = np.asarray(r, dtype=float), np.asarray(n, dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = difference + sign * np.arctanh(r)
            spread = 1 + r**2 / 2 if method == "spearman" else 1.0
            variance = variance + spread / np.where(n > 3, n - 3, np.nan)
    with np.errstate(invalid="ignore"):
        found: Array = 2 * ndtr(-np.abs(difference) / np.sqrt(variance))
    return found

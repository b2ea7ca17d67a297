"""What a day brings that the day before did not say, with its extremes held back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

WIDTH = 3.0  # robust standard deviations


def compute_winsorised(values: ArrayLike, width: float = WIDTH) -> Array:
    """Return columns with what lies beyond `width` robust deviations moved to there.

    (T, N) in and out, NaN where missing. The deviation is 1.4826 times the median absolute
    one; where that is zero (more than half of the values are the same), 1.2533 times the
    mean one. Source: Wilcox, Introduction to Robust Estimation, 3rd ed., 2012, sec. 9.3.
    """
    import bottleneck
    import numpy as np

    x = np.asarray(values, dtype=float)
    x = np.where(np.isfinite(x), x, np.nan)
    with np.errstate(invalid="ignore"):
        middle, off = _medians(x)
        spread = 1.4826 * off
        if not (spread > 0).all():
            mean = bottleneck.nanmean(np.abs(x - middle), axis=0)
            spread = np.where(spread > 0, spread, 1.2533 * mean)
    kept: Array = np.clip(x, middle - width * spread, middle + width * spread)
    return kept


def compute_innovations(values: ArrayLike) -> Array:
    """Return what is left of winsorised columns after an autoregression on the day before.

    (T, N) in and out, NaN where missing, in units of the winsorised column's deviation. A
    missing day before counts as the mean, so no further day is lost. Two series whose own
    past moves them look correlated more often than chance allows; their innovations do not.
    Source: Haugh, J. Am. Stat. Assoc. 71, 1976; Box and Jenkins, Time Series Analysis, 1970,
    ch. 11 ("prewhitening").
    """
    import numpy as np

    from axiom.analytics.correlation import standardise
    from axiom.analytics.significance import compute_autocorrelation

    x = compute_winsorised(values)
    filled = np.empty(x.shape)
    absent, *_ = standardise(x, filled)
    found = np.where(absent, np.nan, filled)
    if len(x) > 1:
        found[1:] -= compute_autocorrelation(filled, 1)[:, 0] * filled[:-1]
    return found


def _medians(x: Array) -> tuple[Array, Array]:
    """Medians of columns and of what they are off them, without what is missing."""
    import numpy as np

    if not len(x):
        none = np.full(x.shape[1], np.nan)
        return none, none
    ordered = np.sort(np.ascontiguousarray(x.T), axis=1)  # NaN comes last
    last = np.maximum(np.isfinite(ordered).sum(axis=1) - 1, 0)
    row, less, more = np.arange(len(ordered)), last // 2, (last + 1) // 2
    middle: Array = (ordered[row, less] + ordered[row, more]) / 2
    off: Array = (_off(ordered, last, middle, less) + _off(ordered, last, middle, more)) / 2
    return middle, off


def _off(ordered: Array, last: Array, middle: Array, rank: Array) -> Array:
    """How far the value is off the middle that so many are nearer to, by row.

    The nearest stand side by side in a sorted row, so that no second sort is needed: their
    window is where its end comes to be as far off as its beginning, found by halving.
    """
    import numpy as np

    row = np.arange(len(ordered))
    low, high = np.zeros_like(last), np.maximum(last - rank, 0)
    while (low < high).any():
        at = (low + high) // 2
        far = ordered[row, at + rank] - middle >= middle - ordered[row, at]
        low, high = np.where(far | (low == high), low, at + 1), np.where(far, at, high)
    found: Array = np.minimum(
        *(
            np.maximum(ordered[row, at + rank] - middle, middle - ordered[row, at])
            for at in (low, np.maximum(low - 1, 0))
        )
    )
    return found

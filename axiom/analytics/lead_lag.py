"""Who moves first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axiom.analytics.innovations import compute_innovations
from axiom.analytics.significance import compute_p_value

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

LONGEST = 5


def compute_lead_lag(values: ArrayLike, min_n: int = 20) -> dict[str, Array]:
    """Return each pair's strongest correlation at a lag of 1 to 5 rows, as (N, N) matrices.

    `values` is (T, N). lag  rows by which i leads j (negative: j leads i), 0 where there is
    none; r  the correlation of i's innovations with j's that many rows later; p  that none
    of the ten lags has any, Bonferroni over the ten. A q-value over the pairs comes on top.
    `lag` is antisymmetric, `r` and `p` are symmetric. Innovations, since in series with a
    memory a relation at one lag shows at others (Haugh, J. Am. Stat. Assoc. 71, 1976).
    """
    import numpy as np

    x = np.asarray(values, dtype=float)
    size = x.shape[1]
    z = compute_innovations(np.where(np.isfinite(x), x, np.nan))
    there = np.isfinite(z)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.nan_to_num(z / np.sqrt(np.nansum(z * z, axis=0) / there.sum(axis=0)))
    best = {"lag": np.zeros((size, size), dtype=int), "r": np.zeros((size, size))}
    p = np.full((size, size), np.nan)
    for lag in range(1, min(LONGEST, len(x) - 1) + 1):
        leads, p_leads = _at(z, there, lag, min_n)
        for found, sign, r in ((p_leads, 1, leads), (p_leads.T, -1, leads.T)):
            better = (found < p) | (np.isnan(p) & np.isfinite(found))
            p[better], best["r"][better], best["lag"][better] = found[better], r[better], sign * lag
    np.fill_diagonal(best["lag"], 0)
    p = np.minimum(2 * LONGEST * p, 1.0)
    return {**best, "p": p}


def _at(z: Array, there: Array, lag: int, min_n: int) -> tuple[Array, Array]:
    """Correlation and p-value of every column with every other one `lag` rows later."""
    import numpy as np

    n = there[:-lag].T.astype(float) @ there[lag:].astype(float)
    n[n < min_n] = np.nan
    r = np.clip(z[:-lag].T @ z[lag:] / n, -1.0, 1.0)
    return r, compute_p_value(r, n)

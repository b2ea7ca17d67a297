"""Correlation matrices over columns with missing values, pairwise complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

MIN_N = 20  # pairs with fewer common observations have no correlation


def compute_pearson(values: ArrayLike, min_n: int = MIN_N) -> tuple[Array, Array]:
    """Return Pearson's r and the number of common observations of every pair of columns.

    `values` is (T, N); both results are (N, N). What is not finite is missing.
    r is NaN for pairs with fewer than `min_n` common observations, and where a
    column is constant over them. Formula: the sums of products over common rows,
    as matrix products of the masked, centred columns.
    """
    import numpy as np

    x = np.asarray(values, dtype=float)
    seen = np.isfinite(x)
    mask = seen.astype(float)
    n = mask.T @ mask
    with np.errstate(invalid="ignore", divide="ignore"):
        filled = np.where(seen, x, 0.0)
        centre = filled.sum(axis=0) / mask.sum(axis=0)
        centred = np.where(seen, x - np.nan_to_num(centre), 0.0)
        scale = np.sqrt((centred**2).sum(axis=0) / mask.sum(axis=0))
        z = np.where(seen, centred / np.where(scale > 0, scale, np.nan), 0.0)
        z = np.nan_to_num(z)
        products, sums, squares = z.T @ z, z.T @ mask, (z**2).T @ mask
        covariance = products - sums * sums.T / n
        variance = squares - sums**2 / n
        # what rounding leaves of a constant column is no variance
        variance[variance < 1e-12 * n] = np.nan
        r = covariance / np.sqrt(variance * variance.T)
    r = np.clip(r, -1.0, 1.0)
    r[n < max(min_n, 2)] = np.nan
    return r, n.astype(int)


def compute_spearman(values: ArrayLike, min_n: int = MIN_N) -> tuple[Array, Array]:
    """Return Spearman's rho and the number of common observations of every pair of columns.

    As `compute_pearson`, of average ranks (ties share their mean rank). With
    missing values each pair is ranked over its own common rows.
    """
    import bottleneck
    import numpy as np

    x = np.where(np.isfinite(values := np.asarray(values, dtype=float)), values, np.nan)
    if not np.isnan(x).any():
        return compute_pearson(bottleneck.rankdata(x, axis=0), min_n)
    size = x.shape[1]
    rho, n = np.full((size, size), np.nan), np.zeros((size, size), dtype=int)
    for column in range(size):
        both = np.isfinite(x[:, [column]]) & np.isfinite(x)
        mine = bottleneck.nanrankdata(np.where(both, x[:, [column]], np.nan), axis=0)
        theirs = bottleneck.nanrankdata(np.where(both, x, np.nan), axis=0)
        n[column] = both.sum(axis=0)
        rho[column] = _columnwise(mine, theirs, n[column])
    rho[n < max(min_n, 2)] = np.nan
    return rho, n


def _columnwise(a: Array, b: Array, n: Array) -> Array:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        a = np.nan_to_num(a - np.nansum(a, axis=0) / n)
        b = np.nan_to_num(b - np.nansum(b, axis=0) / n)
        scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
        found: Array = np.clip((a * b).sum(axis=0) / np.where(scale > 0, scale, np.nan), -1.0, 1.0)
    return found


METHODS = {"pearson": compute_pearson, "spearman": compute_spearman}

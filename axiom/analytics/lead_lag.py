"""Who moves first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axiom.analytics.correlation import MIN_N
from axiom.analytics.innovations import compute_innovations
from axiom.analytics.significance import compute_p_value

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

LONGEST = 5


def compute_lead_lag(
    values: ArrayLike,
    rows: slice = slice(None),
    columns: slice = slice(None),
    min_n: int = MIN_N,
) -> dict[str, Array]:
    """Return each pair's strongest correlation at a lag of 1 to 5 rows, as matrices.

    `values` is (T, N), the results are those rows and columns of (N, N). lag  rows by which
    i leads j (negative: j leads i), 0 where there is none; r  the correlation of the earlier
    one's innovations with the later one's; p  that none of the ten lags has any, Bonferroni
    over the ten. A q-value over the pairs comes on top. Innovations, since in series with a
    memory a relation at one lag shows at others (Haugh, J. Am. Stat. Assoc. 71, 1976).
    """
    import numpy as np

    x = np.asarray(values, dtype=float)
    left, right = _scaled(x[:, rows]), _scaled(x[:, columns])
    shape = left[0].shape[1], right[0].shape[1]
    lag, r = np.zeros(shape, dtype=int), np.full(shape, np.nan)
    p = np.full(shape, np.inf)
    for by in range(1, min(LONGEST, len(x) - 1) + 1):
        for sign, found, n in ((1, *_at(left, right, by)), (-1, *_at(right, left, by))):
            found, n = (found, n) if sign > 0 else (found.T, n.T)
            here = np.where(n < min_n, np.nan, compute_p_value(found, n))
            better = here < p
            p[better], r[better], lag[better] = here[better], found[better], sign * by
    return {"lag": lag, "r": r, "p": np.where(np.isinf(p), np.nan, np.minimum(2 * LONGEST * p, 1))}


def _scaled(values: Array) -> tuple[Array, Array]:
    """Innovations of mean square one, 0 where missing; and where they are, as 0 and 1."""
    import numpy as np

    z = compute_innovations(values)
    there = np.isfinite(z).astype(float)
    z = np.nan_to_num(z)
    size = np.sqrt(np.einsum("ti,ti->i", z, z) / np.maximum(there.sum(axis=0), 1))
    # a column that does not vary has no correlation at any lag
    return z / np.where(size > 0, size, np.nan), there


def _at(first: tuple[Array, Array], later: tuple[Array, Array], by: int) -> tuple[Array, Array]:
    """Correlation of every column with every one of `later`, `by` rows later; and n."""
    import numpy as np

    n = first[1][:-by].T @ later[1][by:]
    with np.errstate(invalid="ignore", divide="ignore"):
        r = first[0][:-by].T @ later[0][by:] / n
    return np.clip(r, -1.0, 1.0), n

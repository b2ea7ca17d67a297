"""How sure a correlation is: interval, p-value, and q-value over all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

Z_95 = 1.959963984540054


def compute_interval(r: ArrayLike, n: ArrayLike, method: str = "pearson") -> tuple[Array, Array]:
    """Return the 95% interval of correlations, of the shape of `r`.

    Fisher's z with variance 1/(n-3) (R. A. Fisher, 1921); for Spearman
    (1 + rho²/2)/(n-3) (Bonett and Wright, Psychometrika 65, 2000). NaN for n < 4.
    """
    import numpy as np

    r, n = np.asarray(r, dtype=float), np.asarray(n, dtype=float)
    spread = 1 + r**2 / 2 if method == "spearman" else np.ones_like(r)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = Z_95 * np.sqrt(spread / np.where(n > 3, n - 3, np.nan))
        z = np.arctanh(r)
        return np.tanh(z - half), np.tanh(z + half)


def compute_p_value(r: ArrayLike, n: ArrayLike) -> Array:
    """Return the two-sided p-value of no correlation: t = r √((n-2)/(1-r²)), n-2 degrees.

    Source: "Student", Biometrika 6, 1908. NaN for n < 3.
    """
    import numpy as np
    from scipy.special import stdtr

    r, n = np.asarray(r, dtype=float), np.asarray(n, dtype=float)
    df = np.where(n > 2, n - 2, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.abs(r) * np.sqrt(df / (1 - r**2))
        found: Array = 2 * stdtr(df, -t)
    return found


def compute_q_value(p: ArrayLike) -> Array:
    """Return Benjamini-Hochberg adjusted p-values of a vector; NaN stays NaN and does not count.

    Source: Benjamini and Hochberg, J. R. Stat. Soc. B 57, 1995. (scipy has the same
    in scipy.stats, whose import costs seconds in every worker child.)
    """
    import numpy as np

    p = np.asarray(p, dtype=float)
    q = np.full(p.shape, np.nan)
    (place,) = np.nonzero(np.isfinite(p))
    order = place[np.argsort(p[place], kind="stable")]
    ranked = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return q

"""Returns from prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def compute_log_returns(prices: ArrayLike) -> NDArray[float]:  # type: ignore[type-var]
    """Return ln(p[t] / p[t-1]).

    `prices` is (T, N), one column per instrument; the result is (T-1, N). It is
    NaN wherever one of the two prices is missing, not finite, or not positive.
    """
    import numpy as np

    values = np.asarray(prices, dtype=float)
    usable = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    logs = np.log(usable)
    found: NDArray[float] = logs[1:] - logs[:-1]  # type: ignore[type-var]
    return found

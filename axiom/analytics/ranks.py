"""Spearman's correlation over columns with missing values: ranks of the rows in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axiom.analytics.correlation import MIN_N, correlate, prepare_parts
from axiom.analytics.tiles import Scratch, on_all_processors, upper_tiles

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]


def rank_columns(values: ArrayLike) -> Array:
    """Return the ranks of each column, (T, N); ties share their mean; NaN where missing."""
    import bottleneck
    import numpy as np

    x = np.asarray(values, dtype=float)
    ranked: Array = bottleneck.nanrankdata(np.where(np.isfinite(x), x, np.nan), axis=0)
    return ranked


def compute_spearman(values: ArrayLike, min_n: int = MIN_N) -> tuple[Array, Array]:
    """Return Spearman's rho and the number of common observations of every pair of columns.

    As `compute_pearson`, of average ranks (ties share their mean rank). With missing
    values each pair is ranked over its own common rows. Source: C. Spearman, Am. J.
    Psychol. 15, 1904.
    """
    import numpy as np

    x, scratch = np.asarray(values, dtype=float), Scratch()
    ranked = rank_columns(x)
    parts = prepare_parts(ranked)
    size = x.shape[1]
    rho, n = np.empty((size, size)), np.empty((size, size), dtype=np.int32)

    def fill(tile: tuple[slice, slice]) -> None:
        i, j = tile
        first, n[i, j] = correlate(parts[i.start], parts[j.start], min_n, scratch)
        rho[i, j] = correlate_ranks(ranked[:, i], ranked[:, j], first)
        rho[j, i], n[j, i] = rho[i, j].T, n[i, j].T

    on_all_processors(fill, upper_tiles(slice(0, size), slice(0, size)))
    own = np.diagonal(rho)
    np.fill_diagonal(rho, np.where(np.isnan(own), np.nan, 1.0))
    return rho, n


def correlate_ranks(left: Array, right: Array, first: Array) -> Array:
    """Return rho of every column of `left` with every one of `right`, (N left, N right).

    `left` and `right` are ranks over each column's own rows, NaN where missing; `first` is
    their correlation. That is rho where both have the same rows, and NaN where there is
    none. In the other pairs each rank loses as many as stood before it and are not in common.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    rho = first.copy()
    here, there = np.isfinite(left), np.isfinite(right)
    gaps = csr_matrix((~here).T.astype(float))
    for column in range(right.shape[1]):
        rows, known = there[:, column], np.isfinite(first[:, column])
        again = known & (here != rows[:, None]).any(axis=0)
        if again.any():
            both = here[:, again] & rows[:, None]
            theirs = left[:, again] - _before(left[:, again], np.nonzero(~rows)[0])
            own = right[:, column]
            mine = own[:, None] - (gaps[again] @ _ahead(own)).T
            rho[again, column] = _rho(theirs, mine, both)
    return rho


def _before(ranked: Array, gone: Array) -> Array:
    """How many of the rows `gone` stand before each value of a column; half of its equals."""
    import numpy as np

    doubled = np.nan_to_num(2 * ranked, nan=-1.0).astype(np.int32)
    halves = np.zeros(ranked.shape)
    for at in range(0, len(gone), 127):  # two for each row: a byte holds 255
        bytes_ = np.zeros(ranked.shape, dtype=np.uint8)
        for row in doubled[gone[at : at + 127]]:
            there = row >= 0
            bytes_ += ((row < doubled) & there).view(np.uint8)
            bytes_ += ((row <= doubled) & there).view(np.uint8)
        halves += bytes_
    return halves / 2


def _ahead(ranked: Array) -> Array:
    """One where the row's value stands before the column's, a half where it is its equal."""
    found: Array = (ranked[:, None] < ranked) + 0.5 * (ranked[:, None] == ranked)
    return found


def _rho(theirs: Array, mine: Array, both: Array) -> Array:
    """Pearson's r of ranks, column by column, over the rows of `both`."""
    import numpy as np

    middle = (both.sum(axis=0) + 1) / 2
    a, b = np.where(both, theirs - middle, 0.0), np.where(both, mine - middle, 0.0)
    lengths = np.einsum("tk,tk->k", a, a) * np.einsum("tk,tk->k", b, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.einsum("tk,tk->k", a, b) / np.sqrt(np.where(lengths > 0, lengths, np.nan))
    clipped: Array = np.clip(rho, -1.0, 1.0)
    return clipped

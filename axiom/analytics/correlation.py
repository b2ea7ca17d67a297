"""Pearson's correlation over columns with missing values, pairwise complete.

Missing values are few, so they are corrected for instead of masked. With z the
columns, centred, of mean square one and 0 where missing, and M one where a value
is missing, the sums over the rows that two columns have in common are

    sum z_i z_j                 = (z' z)_ij            the zeros take care of it
    sum z_i   where j is there  = sum z_i   - (M' z)_ji
    sum z_i^2 where j is there  = sum z_i^2 - (M' z^2)_ji
    n                           = T - m_i - m_j + (M' M)_ij

and M is sparse: beside one dense product there is little to do. Where these
differences would lose digits (nearly all variance in rows that the other lacks),
the pair is computed again from its own rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axiom.analytics.tiles import Scratch, cuts, on_all_processors, strips, upper_tiles

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

MIN_N = 20  # pairs with fewer common observations have no correlation
_ODD = 1e-4  # of the variance is left in the common rows: the differences above lose digits
_FLAT = 1e-13  # deviations this small beside the values are rounding (as in scipy.stats.pearsonr)
_AT_ONCE = 2048  # pairs that are computed again together


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Columns made ready for `correlate`; all arrays are (T, N) or (N,)."""

    values: Array  # NaN where missing
    both: Array  # (T, 2N): z, and then its squares, so that one sparse product does for both
    absent: Array  # one where missing; single precision counts exactly
    missing: Any  # sparse (N, T), one where missing
    counts: Array  # of what is there
    sums: Array  # of squares
    flat: Array  # bool: the column has no variance

    @property
    def z(self) -> Array:
        """The columns, centred, of mean square one and 0 where missing."""
        return self.both[:, : len(self.counts)]

    @property
    def squares(self) -> Array:
        """Their squares."""
        return self.both[:, len(self.counts) :]


def prepare(values: ArrayLike) -> Columns:
    """Make columns ready; `values` is (T, N), what is not finite is missing."""
    import numpy as np
    from scipy.sparse import csr_matrix

    x = np.asarray(values, dtype=float)
    both = np.empty((len(x), 2 * x.shape[1]))
    z, squares = np.hsplit(both, 2)
    absent, counts, flat = standardise(x, z)
    if absent.any() and np.isinf(x).any():
        x = np.where(absent, np.nan, x)
    np.multiply(z, z, out=squares)
    rows, ends = np.flatnonzero(absent.T) % max(len(x), 1), np.cumsum(len(x) - counts)
    begins = np.append(0, ends).astype(np.int32)
    missing = csr_matrix((np.ones(len(rows)), rows.astype(np.int32), begins), absent.T.shape)
    return Columns(x, both, absent.astype(np.float32), missing, counts, squares.sum(axis=0), flat)


def standardise(x: Array, z: Array) -> tuple[Array, Array, Array]:
    """Fill `z` with columns, centred, of mean square one and 0 where missing or flat.

    Return what is missing (T, N), how many are there, and which columns do not vary (N,).
    """
    import numpy as np

    absent = ~np.isfinite(x)
    z[:] = np.where(absent, 0.0, x)
    counts = len(x) - np.count_nonzero(absent, axis=0).astype(float)
    largest = np.maximum(z.max(axis=0, initial=0.0), -z.min(axis=0, initial=0.0))
    # first to the size of one: neither sums nor squares overflow, whatever the unit
    z /= np.where(largest > 0, largest, 1.0)
    z -= z.sum(axis=0) / np.maximum(counts, 1)
    z[absent] = 0.0
    spread = np.sqrt(np.einsum("ti,ti->i", z, z) / np.maximum(counts, 1))
    flat = spread <= _FLAT
    z /= np.where(flat, np.inf, spread)
    return absent, counts, flat


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What two sides have in common, of which `fill` makes correlations, some rows at a time."""

    left: Columns
    right: Columns
    products: Array  # z' z
    lacking: Array  # by how many rows that neither has; and what the other's gaps take from sums
    mine: Array  # of z and its squares of the left, (N right, 2 N left)
    theirs: Array  # and of the right, (N left, 2 N right)

    def fill(self, rows: slice, columns: slice, r: Array, n: Array, min_n: int = MIN_N) -> None:
        """Fill in r and n of some pairs; `r` may be that part of the products."""
        import numpy as np

        left, right = self.left, self.right
        np.add.outer(left.counts[rows], right.counts[columns] - float(len(left.z)), out=n)
        n += self.lacking[rows, columns]
        with np.errstate(invalid="ignore", divide="ignore"):
            one, other = self._variances(rows, columns, r, n)
            both = one * other
            # neither is above T; the least is no number where a pair has nothing in common
            sound = both.min(initial=np.inf) >= _ODD * len(left.z) ** 2
            weak = np.False_ if sound else (one < _ODD * n) | (other < _ODD * n)
            r /= np.sqrt(both, out=both)
        no = left.flat[rows, None] | right.flat[columns]
        if n.min(initial=min_n) < max(min_n, 2):
            no = no | (n < max(min_n, 2))
        if np.any(weak):
            _again(r, np.nonzero(weak & ~no), left.values[:, rows], right.values[:, columns])
        np.clip(r, -1.0, 1.0, out=r)
        if no.any():
            r[no] = np.nan

    def _variances(self, rows: slice, columns: slice, r: Array, n: Array) -> tuple[Array, Array]:
        """Fill in the products less that of the means; return both variances, times n."""
        import numpy as np

        mine, my_squares = (each[columns, rows].T for each in np.hsplit(self.mine, 2))
        theirs, their_squares = (each[rows, columns] for each in np.hsplit(self.theirs, 2))
        mine, share = np.ascontiguousarray(mine), 1 / n
        mean = mine * share
        np.subtract(self.products[rows, columns], mean * theirs, out=r)
        one = _less(self.left.sums[rows, None], my_squares, mine, mean)
        mean = np.multiply(theirs, share, out=share)
        return one, _less(self.right.sums[columns], their_squares, theirs, mean)


def _less(total: Array, squares: Array, sums: Array, mean: Array) -> Array:
    """Return `total` less `squares` less `sums` times their mean, in the place of the mean."""
    import numpy as np

    mean *= sums
    mean += squares
    return np.subtract(total, mean, out=mean)


def multiply(left: Columns, right: Columns, products: Array) -> Sums:
    """Return the sums of two sides; the products are written to that place."""
    import numpy as np

    np.matmul(left.z.T, right.z, out=products)
    lacking = left.missing.astype(np.float32) @ right.absent
    mine = right.missing @ left.both
    theirs = mine if left is right else left.missing @ right.both
    return Sums(left, right, products, lacking, mine, theirs)


def correlate(
    left: Columns, right: Columns, min_n: int = MIN_N, scratch: Scratch | None = None
) -> tuple[Array, Array]:
    """Return r and n, (N left, N right), of every column of `left` with every one of `right`.

    r is NaN for pairs with fewer than `min_n` common rows, and where one of the two
    does not vary over them. With a `scratch`, the results hold until its next use.
    """
    r, n = (scratch or Scratch()).blocks(2, (len(left.counts), len(right.counts)))
    sums = multiply(left, right, r)
    for rows in strips(r.shape):
        sums.fill(rows, slice(None), r[rows], n[rows], min_n)
    return r, n


def _again(r: Array, places: tuple[Array, ...], left: Array, right: Array) -> None:
    """Compute some pairs from their own rows: centred first, then summed."""
    import numpy as np

    rows, columns = places
    for at in range(0, len(rows), _AT_ONCE):
        i, j = rows[at : at + _AT_ONCE], columns[at : at + _AT_ONCE]
        a, b = left[:, i], right[:, j]
        both = np.isfinite(a) & np.isfinite(b)
        a, b = _unit(a, both), _unit(b, both)
        r[i, j] = np.einsum("tk,tk->k", a, b)


def _unit(x: Array, both: Array) -> Array:
    """Columns over the rows of `both`, centred and of length one; NaN where flat."""
    import numpy as np

    x = np.where(both, x, 0.0)
    largest = np.abs(x).max(axis=0, initial=0.0)
    x /= np.where(largest > 0, largest, 1.0)
    n = both.sum(axis=0)
    x = np.where(both, x - x.sum(axis=0) / n, 0.0)
    length = np.sqrt(np.einsum("tk,tk->k", x, x))
    scaled: Array = x / np.where(length > _FLAT * np.sqrt(n), length, np.nan)
    return scaled


def compute_pearson(values: ArrayLike, min_n: int = MIN_N) -> tuple[Array, Array]:
    """Return Pearson's r and the number of common observations of every pair of columns.

    `values` is (T, N); both results are (N, N), `n` of integers. What is not finite is
    missing. r is NaN for pairs with fewer than `min_n` common observations, and where a
    column is constant over them. Source: K. Pearson, Proc. R. Soc. 58, 1895.
    """
    import numpy as np

    x, scratch = np.asarray(values, dtype=float), Scratch()
    size = x.shape[1]
    r, n = np.empty((size, size)), np.empty((size, size), dtype=np.int32)
    parts = prepare_parts(x)

    def fill(tile: tuple[slice, slice]) -> None:
        i, j = tile
        r[i, j], n[i, j] = found = correlate(parts[i.start], parts[j.start], min_n, scratch)
        r[j, i], n[j, i] = found[0].T, found[1].T

    on_all_processors(fill, upper_tiles(slice(0, size), slice(0, size)))
    own = np.diagonal(r)
    np.fill_diagonal(r, np.where(np.isnan(own), np.nan, 1.0))
    return r, n


def prepare_parts(values: Array) -> dict[int, Columns]:
    """Make the columns of each tile ready; by the place of their first."""
    parts = cuts(slice(0, values.shape[1]))
    made = on_all_processors(lambda part: prepare(values[:, part]), parts)
    return {part.start: each for part, each in zip(parts, made, strict=True)}

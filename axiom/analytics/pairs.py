"""Everything that is said of a pair, for all pairs of a universe or for one tile of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axiom.analytics import ranks
from axiom.analytics.correlation import MIN_N, Columns, correlate, multiply, prepare, standardise
from axiom.analytics.innovations import compute_innovations
from axiom.analytics.significance import (
    LEAST_N,
    compute_autocorrelation,
    compute_inflation,
    compute_interval,
    compute_p_of_squared,
    lags_of,
)
from axiom.analytics.tiles import Scratch, cuts, on_all_processors, strips, upper_tiles

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

METHODS = ("pearson", "spearman")
P_OF_INTERVAL = 0.05  # of one at 95% that just holds zero
FIELDS = ("r", "n", "n_eff", "low", "high", "p")


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of each column by itself."""

    memory: Array  # autocorrelations, (N, lags)
    rest: Array  # autocorrelations of the innovations
    fourth: Array  # the means of their fourth powers
    length: int  # in days

    def part(self, these: slice) -> Known:
        """What is known of some of the columns."""
        return Known(self.memory[these], self.rest[these], self.fourth[these], self.length)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The columns of one side of a tile, and what products are made of."""

    columns: Columns
    known: Known
    tested: Array  # innovations of mean square one, (T, N)
    squares: Array  # of the innovations
    cubes: Array  # all are zero where missing


def prepare_side(values: Array, method: str) -> Side:
    """Make columns ready for `compute_pairs`; `values` is (T, N)."""
    import numpy as np

    x = ranks.rank_columns(values) if method == "spearman" else values
    columns, lags = prepare(x), lags_of(len(x))
    tested, squares, cubes = np.empty((3, *x.shape))
    _, counts, _ = standardise(compute_innovations(x), tested)
    np.multiply(tested, tested, out=squares)
    np.multiply(squares, tested, out=cubes)
    fourth = np.einsum("ti,ti->i", squares, squares) / np.maximum(counts, 1)
    memory = compute_autocorrelation(columns.z, lags)
    known = Known(memory, compute_autocorrelation(tested, lags), fourth, len(x))
    return Side(columns, known, tested, squares, cubes)


def compute_pairs(
    values: ArrayLike,
    method: str = "pearson",
    rows: slice | None = None,
    columns: slice | None = None,
    min_n: int = MIN_N,
) -> dict[str, Array]:
    """Return `FIELDS` of every pair (i, j), i < j, i in `rows` and j in `columns`, row by row.

    `values` is (T, N); each field is a vector, in the order of `pair_places`. All are NaN
    where r is.

    r, n    the correlation of the pair's common rows, and how many they are
    n_eff   n less what autocorrelation (`compute_inflation`) and days that are wild for
            both (`_tail`) take away; `low`, `high` are Fisher's interval with it
    p       of no correlation, tested on the innovations, whose extremes are held back:
            with Student's t, and their own effective sample size; at least 0.05 where the
            interval holds zero. The naive p-value finds what is not there;
            benchmarks/false_edges.py shows how often.
    """
    import numpy as np

    x = np.asarray(values, dtype=float)
    rows, columns = _whole(rows, x.shape[1]), _whole(columns, x.shape[1])
    base = _places(rows, columns)
    found = np.empty((len(FIELDS), base[-1]))
    parts, scratches = _sides(x, method, rows, columns), (Scratch(), Scratch())

    def fill(tile: tuple[slice, slice]) -> None:
        i, j = tile
        sides = parts[i.start, i.stop], parts[j.start, j.stop]
        for start, block in _tile(*sides, method, min_n, scratches):
            begins = j.stop - block.shape[2]
            for place in range(block.shape[1]):
                row = i.start + start + place
                first = max(j.start, row + 1)
                at = base[row - rows.start] + first - max(columns.start, row + 1)
                to = slice(at, at + max(j.stop - first, 0))
                found[:, to] = block[:, place, first - begins :]

    on_all_processors(fill, upper_tiles(rows, columns))
    return dict(zip(FIELDS, found, strict=True))


def pair_places(rows: slice, columns: slice) -> tuple[Array, Array]:
    """Return the columns i and j of every pair of a tile, in the order of `compute_pairs`."""
    import numpy as np

    i, j = np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)
    above = np.nonzero(i[:, None] < j)
    return i[above[0]], j[above[1]]


def _whole(part: slice | None, size: int) -> slice:
    return slice(*(part or slice(size)).indices(size)[:2])


def _places(rows: slice, columns: slice) -> Array:
    """Where the pairs of each row begin; at the end, how many there are."""
    import numpy as np

    widths = columns.stop - np.maximum(columns.start, np.arange(rows.start, rows.stop) + 1)
    return np.concatenate([[0], np.cumsum(np.maximum(widths, 0))])


def _sides(x: Array, method: str, rows: slice, columns: slice) -> Mapping[tuple[int, int], Side]:
    pieces = {(cut.start, cut.stop): cut for part in (rows, columns) for cut in cuts(part)}
    made = on_all_processors(lambda cut: prepare_side(x[:, cut], method), list(pieces.values()))
    return dict(zip(pieces, made, strict=True))


def _tile(
    left: Side, right: Side, method: str, min_n: int, scratches: tuple[Scratch, Scratch]
) -> Iterator[tuple[int, Array]]:
    """Give all `FIELDS` of a tile, (fields, rows, N right), from a row on, until all are given.

    Of a tile on the diagonal the columns before the strip's first row are left out.
    """
    import numpy as np

    products = scratches[0].blocks(5, (len(left.known.memory), len(right.known.memory)))
    _multiply(left, right, *products[:4])
    sums = multiply(left.columns, right.columns, products[4])
    rho = _ranked(left, right, min_n) if method == "spearman" else None
    for rows in strips(products.shape[1:]):
        there = slice(rows.start if left is right else 0, None)
        some, others = left.known.part(rows), right.known.part(there)
        tested = products[:3, rows, there]
        block = scratches[1].blocks(len(FIELDS), tested.shape[1:])
        sums.fill(rows, there, block[0], block[1], min_n)
        if rho is not None:
            block[0] = rho[rows, there]
        _judge(some, others, tested, block, method)
        none = np.isnan(block[0])
        if none.any():
            block[:, none] = np.nan
        yield rows.start, block


def _ranked(left: Side, right: Side, min_n: int) -> Array:
    """Return Spearman's correlations of a tile."""
    r, _ = correlate(left.columns, right.columns, min_n)
    return ranks.correlate_ranks(left.columns.values, right.columns.values, r)


def _multiply(left: Side, right: Side, tested: Array, odd: Array, wild: Array, more: Array) -> None:
    """Fill in sums of z_i z_j, z_i^3 z_j + z_i z_j^3 and z_i^2 z_j^2, of the innovations."""
    import numpy as np

    np.matmul(left.tested.T, right.tested, out=tested)
    np.matmul(left.squares.T, right.squares, out=wild)
    np.matmul(left.cubes.T, right.tested, out=odd)
    odd += odd.T if left is right else np.matmul(left.tested.T, right.cubes, out=more)


def _judge(left: Known, right: Known, products: Array, block: Array, method: str) -> None:
    """Fill the other `FIELDS` of a strip of a tile, whose r and n are there."""
    import numpy as np

    r, n, n_eff, low, high, p = block
    c, odd, wild = products
    with np.errstate(invalid="ignore", divide="ignore"):
        products *= np.divide(1, n, out=p)
        squared = np.multiply(c, c, out=low)
        if not squared.max(initial=0.0) <= 1.0:
            np.clip(c, -1.0, 1.0, out=c)
            np.multiply(c, c, out=squared)
        odd *= c
        rest = np.subtract(1, squared, out=c)
        by = _tail(left, right, odd, squared, rest, wild)
        by *= compute_inflation(left.memory, right.memory, left.length)
        np.multiply(n, rest, out=n_eff)
        n_test = np.divide(n_eff, _tail_without(left, right, squared, rest, wild), out=wild)
        n_eff *= rest
        n_eff /= by
        n_test /= compute_inflation(left.rest, right.rest, left.length)
    np.fmax(n_eff, LEAST_N, out=n_eff)
    np.fmax(n_test, LEAST_N, out=n_test)
    n_test -= 2
    found = compute_p_of_squared(squared, n_test)
    compute_interval(r, n_eff, method, (low, high))
    # what the innovations have in common is no correlation of r: without this, r = 0.01 of two
    # columns with a wild day each would be an edge
    np.fmax(found, P_OF_INTERVAL * (low * high <= 0), out=p)


def _tail_without(left: Known, right: Known, squared: Array, rest: Array, wild: Array) -> Array:
    """How much days that are wild for both inflate the variance of r where there is no relation.

    `wild` is the mean of z_i^2 z_j^2, and written over. What of it a linear relation explains,
    at least r^2 times the lesser fourth moment, is taken off: (wild - r^2 m4) / (1 - r^2), at
    least 1. Returned times `rest`, 1 - r^2. Source: White, Econometrica 48, 1980.
    """
    import numpy as np

    explained: Array = np.minimum.outer(left.fourth, right.fourth)
    explained *= squared
    wild -= explained
    np.fmax(wild, rest, out=wild)
    return wild


def _tail(left: Known, right: Known, odd: Array, squared: Array, rest: Array, wild: Array) -> Array:
    """How much such days inflate the variance of r, at least 1; `odd` is r (m31 + m13).

    With m_ab the mean of z_i^a z_j^b, the variance of r that holds whatever the distribution,
    m22 - r (m31 + m13) + r^2 (m40 + m04 + 2 m22) / 4, over that of the normal, (1 - r^2)^2.
    Returned times the latter. Source: Steiger and Hakstian, Br. J. Math. Stat. Psychol. 35,
    1982.
    """
    import numpy as np

    found: Array = wild / 2
    found += left.fourth[:, None] / 4
    found += right.fourth / 4
    found *= squared
    found += wild
    found -= odd
    np.fmax(found, np.multiply(rest, rest, out=odd), out=found)
    return found

"""Everything that is said of a pair, for all pairs of a universe or for one tile of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axiom.analytics import ranks
from axiom.analytics.correlation import MIN_N, Columns, correlate, prepare, standardise
from axiom.analytics.innovations import compute_innovations
from axiom.analytics.significance import (
    LEAST_N,
    compute_autocorrelation,
    compute_inflation,
    compute_interval,
    compute_p_of_squared,
    lags_of,
)
from axiom.analytics.tiles import Scratch, cuts, on_all_processors, strips

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
    powers: Array  # (3T, N): innovations of mean square one, their cubes, and they once more
    squares: Array  # of the innovations, (T, N); all are zero where missing

    @property
    def tested(self) -> Array:
        """The innovations, (T, N)."""
        return self.powers[: len(self.squares)]

    @property
    def turned(self) -> Array:
        """The innovations, and below them their cubes, (2T, N)."""
        return self.powers[: 2 * len(self.squares)]

    @property
    def cubes(self) -> Array:
        """Their cubes, and below them the innovations, (2T, N)."""
        return self.powers[len(self.squares) :]


def prepare_side(values: Array, method: str) -> Side:
    """Make columns ready for `compute_pairs`; `values` is (T, N)."""
    import numpy as np

    x = ranks.rank_columns(values) if method == "spearman" else values
    columns, lags = prepare(x), lags_of(len(x))
    powers = np.empty((3, *x.shape))
    tested, cubes, again = powers
    _, counts, _ = standardise(compute_innovations(x), tested)
    squares = tested * tested
    np.multiply(squares, tested, out=cubes)
    np.copyto(again, tested)
    fourth = np.einsum("ti,ti->i", squares, squares) / np.maximum(counts, 1)
    memory = compute_autocorrelation(columns.z, lags)
    known = Known(memory, compute_autocorrelation(tested, lags), fourth, len(x))
    return Side(columns, known, powers.reshape(3 * len(x), x.shape[1]), squares)


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
    parts, scratches = _sides(x, method, rows, columns), (Scratch(), Scratch(), Scratch())

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

    on_all_processors(fill, _tiles(rows, columns))
    return dict(zip(FIELDS, found, strict=True))


def pair_places(rows: slice, columns: slice) -> tuple[Array, Array]:
    """Return the columns i and j of every pair of a tile, in the order of `compute_pairs`."""
    import numpy as np

    i, j = np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)
    above = np.nonzero(i[:, None] < j)
    return i[above[0]], j[above[1]]


def _whole(part: slice | None, size: int) -> slice:
    return slice(*(part or slice(size)).indices(size)[:2])


def _tiles(rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    return [(i, j) for i in cuts(rows) for j in cuts(columns) if i.start < j.stop - 1]


def _places(rows: slice, columns: slice) -> Array:
    """Where the pairs of each row begin; at the end, how many there are."""
    import numpy as np

    widths = columns.stop - np.maximum(columns.start, np.arange(rows.start, rows.stop) + 1)
    return np.concatenate([[0], np.cumsum(np.maximum(widths, 0))])


def _sides(x: Array, method: str, rows: slice, columns: slice) -> Mapping[tuple[int, int], Side]:
    pieces = {(cut.start, cut.stop): cut for part in (rows, columns) for cut in cuts(part)}
    found: dict[tuple[int, int], Side] = {}

    def fill(cut: slice) -> None:
        found[cut.start, cut.stop] = prepare_side(x[:, cut], method)

    on_all_processors(fill, list(pieces.values()))
    return found


def _tile(
    left: Side, right: Side, method: str, min_n: int, scratches: tuple[Scratch, Scratch, Scratch]
) -> Iterator[tuple[int, Array]]:
    """Give all `FIELDS` of a tile, (fields, rows, N right), from a row on, until all are given.

    Of a tile on the diagonal the columns before the strip's first row are left out.
    """
    import numpy as np

    r, n = correlate(left.columns, right.columns, min_n, scratches[0])
    if method == "spearman":
        r = ranks.correlate_ranks(left.columns.values, right.columns.values, r)
    products = scratches[1].blocks(3, r.shape)
    _multiply(left, right, *products)
    for rows in strips(len(r)):
        there = slice(rows.start if left is right else 0, None)
        block = scratches[2].blocks(len(FIELDS), r[rows, there].shape)
        block[0], block[1] = r[rows, there], n[rows, there]
        some, others = left.known.part(rows), right.known.part(there)
        _judge(some, others, products[:, rows, there], block, method)
        none = np.isnan(block[0])
        if none.any():
            block[:, none] = np.nan
        yield rows.start, block


def _multiply(left: Side, right: Side, tested: Array, odd: Array, wild: Array) -> None:
    """Fill in sums of z_i z_j, z_i^3 z_j + z_i z_j^3 and z_i^2 z_j^2, of the innovations."""
    import numpy as np

    np.matmul(left.tested.T, right.tested, out=tested)
    np.matmul(left.squares.T, right.squares, out=wild)
    if left is not right:
        np.matmul(left.cubes.T, right.turned, out=odd)
    else:
        np.matmul(left.cubes[: len(left.squares)].T, left.tested, out=odd)
        odd += odd.T


def _judge(left: Known, right: Known, products: Array, block: Array, method: str) -> None:
    """Fill the other `FIELDS` of a strip of a tile, whose r and n are there."""
    import numpy as np

    r, n, n_eff, low, high, p = block
    tested, odd, wild = products
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 1 / n
        tested *= share
        squared = tested * tested
        if not squared.max(initial=0.0) <= 1.0:
            np.clip(tested, -1.0, 1.0, out=tested)
            np.multiply(tested, tested, out=squared)
        rest = np.subtract(1, squared, out=p)
        wild *= share
        odd *= share
        odd *= tested
        by = _tail(left, right, odd, squared, rest, wild)
        by *= compute_inflation(left.memory, right.memory, left.length)
        np.multiply(n, rest, out=n_eff)
        n_test = np.divide(n_eff, _tail_without(left, right, squared, rest, wild), out=wild)
        n_eff *= rest
        n_eff /= by
        n_test /= compute_inflation(left.rest, right.rest, left.length)
    np.fmax(n_eff, LEAST_N, out=n_eff)
    np.fmax(n_test, LEAST_N, out=n_test)
    low[:], high[:] = compute_interval(r, n_eff, method)
    # what the innovations have in common is no correlation of r: without this, r = 0.01 of two
    # columns with a wild day each would be an edge
    holds_zero = (low <= 0) & (high >= 0)
    n_test -= 2
    np.fmax(compute_p_of_squared(squared, n_test), P_OF_INTERVAL * holds_zero, out=p)


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

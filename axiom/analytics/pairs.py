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
    compute_p_value,
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


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The columns of one side of a tile, and what products are made of."""

    columns: Columns
    known: Known
    tested: Array  # their innovations, of mean zero and mean square one, zero where missing
    squares: Array  # of the innovations; powers are in single precision, plenty for a factor
    cubes: Array  # (2T, N): their third powers, and below them the innovations
    turned: Array  # (2T, N): the innovations, and below them their third powers

    def rows(self, part: slice) -> Known:
        """What is known of some of the columns."""
        return Known(self.known.memory[part], self.known.rest[part], self.known.fourth[part])


def prepare_side(values: Array, method: str) -> Side:
    """Make columns ready for `compute_pairs`; `values` is (T, N)."""
    import numpy as np

    x = ranks.rank_columns(values) if method == "spearman" else values
    columns, tested = prepare(x), np.empty(x.shape)
    _, counts, _ = standardise(compute_innovations(x), tested)
    length, lags = len(x), lags_of(len(x))
    cubes, turned = np.empty((2, 2 * length, x.shape[1]), dtype=np.float32)
    cubes[length:] = turned[:length] = single = tested.astype(np.float32)
    double = tested * tested
    squares = double.astype(np.float32)
    np.multiply(squares, single, out=cubes[:length])
    turned[length:] = cubes[:length]
    fourth = np.einsum("ti,ti->i", double, double) / np.maximum(counts, 1)
    memory = compute_autocorrelation(columns.z, lags)
    known = Known(memory, compute_autocorrelation(tested, lags), fourth)
    return Side(columns, known, tested, squares, cubes, turned)


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
    parts, scratch, more = _sides(x, method, rows, columns), Scratch(), Scratch()

    def fill(tile: tuple[slice, slice]) -> None:
        i, j = tile
        for start, block in _tile(parts[i.start], parts[j.start], method, min_n, scratch, more):
            for place in range(block.shape[1]):
                row = i.start + start + place
                first = max(j.start, row + 1)
                at = base[row - rows.start] + first - max(columns.start, row + 1)
                to = slice(at, at + max(j.stop - first, 0))
                found[:, to] = block[:, place, first - j.start :]

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


def _sides(x: Array, method: str, rows: slice, columns: slice) -> Mapping[int, Side]:
    pieces = {cut.start: cut for part in (rows, columns) for cut in cuts(part)}
    found: dict[int, Side] = {}

    def fill(cut: slice) -> None:
        found[cut.start] = prepare_side(x[:, cut], method)

    on_all_processors(fill, list(pieces.values()))
    return found


def _tile(
    left: Side, right: Side, method: str, min_n: int, scratch: Scratch, more: Scratch
) -> Iterator[tuple[int, Array]]:
    """Give all `FIELDS` of a tile, (fields, rows, N right), from a row on, until all are given."""
    import numpy as np

    r, n = correlate(left.columns, right.columns, min_n, scratch)
    if method == "spearman":
        r = ranks.correlate_ranks(left.columns.values, right.columns.values, r)
    tested = left.tested.T @ right.tested
    wild, odd = left.squares.T @ right.squares, left.cubes.T @ right.turned
    for rows in strips(len(r)):
        some = left.rows(rows)
        products = tested[rows], wild[rows], odd[rows]
        found = r[rows], n[rows], *_judged(some, right, r[rows], n[rows], products, method)
        block = more.blocks(len(FIELDS), found[0].shape)
        for field, values in zip(block, found, strict=True):
            np.copyto(field, values)
        none = np.isnan(found[0])
        if none.any():
            block[:, none] = np.nan
        yield rows.start, block


def _judged(
    left: Known, right: Side, r: Array, n: Array, products: tuple[Array, ...], method: str
) -> tuple[Array, Array, Array, Array]:
    """Return `n_eff`, `low`, `high` and `p` of some rows of a tile; the products are used up."""
    import numpy as np

    tested, wild, odd = products
    length, known = len(right.tested), right.known
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 1 / n
        tested *= share
        np.clip(tested, -1.0, 1.0, out=tested)
        squared = tested * tested
        rest = 1 - squared
        wild = wild * share
        odd = share * odd
        odd *= tested
        by = _tail(left, known, odd, squared, rest, wild)
        by *= compute_inflation(left.memory, known.memory, length)
        n_eff = n * rest
        n_test = n_eff / _tail_without(left, known, squared, rest, wild)
        n_eff *= rest
        n_eff /= by
        n_test /= compute_inflation(left.rest, known.rest, length)
    np.fmax(n_eff, LEAST_N, out=n_eff)
    np.fmax(n_test, LEAST_N, out=n_test)
    p = compute_p_value(tested, n_test)
    # where it varies, but its innovations do not
    if np.isnan(p).any():
        p[np.isnan(p)] = 1.0
    low, high = compute_interval(r, n_eff, method)
    # what the innovations have in common is no correlation of r: without this, r = 0.01 of two
    # columns with a wild day each would be an edge
    holds_zero = (low <= 0) & (high >= 0)
    np.fmax(p, P_OF_INTERVAL * holds_zero, out=p)
    return n_eff, low, high, p


def _tail_without(left: Known, right: Known, squared: Array, rest: Array, wild: Array) -> Array:
    """How much days that are wild for both inflate the variance of r where there is no relation.

    `wild` is the mean of z_i^2 z_j^2, and written over. What of it a linear relation explains,
    at least r^2 times the lesser fourth moment, is taken off: (wild - r^2 m4) / (1 - r^2), at
    least 1. Returned times `rest`, 1 - r^2. Source: White, Econometrica 48, 1980.
    """
    import numpy as np

    wild -= squared * np.minimum.outer(left.fourth, right.fourth)
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
    found += np.add.outer(left.fourth / 4, right.fourth / 4)
    found *= squared
    found += wild
    found -= odd
    np.fmax(found, rest * rest, out=found)
    return found

"""Tables of pairs: one tile of a universe, and the tiles joined, with what needs all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from axiom.analytics.pairs import FIELDS, compute_pairs, pair_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Table = Mapping[str, Array]

SMALL = 200  # a larger universe hands on only pairs that something speaks for
CANDIDATE = 0.05  # q is never below p, so a pair above this has no q below it


def compute_table(
    returns: Array, window: int, method: str, rows: slice, columns: slice
) -> dict[str, Array]:
    """Return a table of the pairs of a tile that have a correlation.

    `returns` is (T, N), of which the last `window` rows count, and the `window` before
    them for the break, where they are there. Each column of the table is a vector: `i`, `j`
    the places of the pair, the `FIELDS` of `compute_pairs`, `break_p` (`compute_break`), and
    for Pearson `lag`, `lag_r`, `lag_p` (`compute_lead_lag`). `pairs` has the number of pairs
    that were tested: of a universe above `SMALL`, those are left out for which neither p,
    break_p nor lag_p is below `CANDIDATE`.
    """
    import numpy as np

    from axiom.analytics.lead_lag import compute_lead_lag
    from axiom.analytics.significance import compute_break

    now, before = returns[-window:], returns[-2 * window : -window]
    places = pair_places(rows, columns)
    table = {"i": places[0], "j": places[1], **compute_pairs(now, method, rows, columns)}
    table["break_p"] = np.full(len(places[0]), np.nan)
    if len(before) == window:
        old = compute_pairs(before, method, rows, columns)
        sides = (table["r"], table["n_eff"]), (old["r"], old["n_eff"])
        table["break_p"] = compute_break(*sides, method)
    if method == "pearson":
        led = compute_lead_lag(now, rows, columns)
        at = places[0] - rows.start, places[1] - columns.start
        table |= {"lag": led["lag"][at], "lag_r": led["r"][at], "lag_p": led["p"][at]}
    known = np.isfinite(table["r"])
    tested = np.count_nonzero(known)
    if returns.shape[1] > SMALL:
        least = np.fmin(table["p"], np.fmin(table["break_p"], table.get("lag_p", np.nan)))
        known &= least < CANDIDATE
    kept = {name: column[known] for name, column in table.items()}
    return kept | {"n": kept["n"].astype(np.int32), "pairs": np.array([tested])}


def join_tables(
    tables: Sequence[Table], returns: Array, window: int, method: str
) -> dict[str, Array]:
    """Return the tables of all tiles as one, ordered by pair, with what needs all pairs.

    `q`, `q_by`, `break_q`, `lag_q` are over all pairs that were tested (an upper bound where
    q is not below `CANDIDATE` and pairs were left out); `shrunk` is r by Ledoit and Wolf;
    `cleaned`, of a universe up to `SMALL`, by Marchenko and Pastur, NaN above.
    """
    import numpy as np

    from axiom.analytics import shrinkage
    from axiom.analytics.ranks import rank_columns
    from axiom.analytics.significance import compute_q_value, compute_q_value_dependent

    total = int(sum(table["pairs"][0] for table in tables))
    names = [name for name in tables[0] if name != "pairs"]
    joined = {name: np.concatenate([table[name] for table in tables]) for name in names}
    order = np.lexsort((joined["j"], joined["i"]))
    joined = {name: column[order] for name, column in joined.items()}
    joined["q"] = compute_q_value(joined["p"], total)
    joined["q_by"] = compute_q_value_dependent(joined["p"], total)
    joined["break_q"] = compute_q_value(joined["break_p"], total)
    if "lag_p" in joined:
        joined["lag_q"] = compute_q_value(joined["lag_p"], total)
    now = returns[-window:]
    left = 1 - shrinkage.compute_shrinkage(rank_columns(now) if method == "spearman" else now)
    joined["shrunk"] = joined["r"] * left
    joined["cleaned"] = np.full(len(order), np.nan)
    size = returns.shape[1]
    if size <= SMALL:
        at = joined["i"], joined["j"]
        r = np.full((size, size), np.nan)
        r[at] = r[at[::-1]] = joined["r"]
        joined["cleaned"] = shrinkage.compute_cleaned(r, window)[at]
    return joined | {"pairs": np.array([total])}


__all__ = ["FIELDS", "compute_table", "join_tables"]

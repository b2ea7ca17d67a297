"""Which returns move together, hourly: per window and method, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any, Protocol

from axiom.errors import AxiomError
from axiom.flow import Context, Each, Flow, Parallel
from axiom.model import Correlation, Instrument, Json, Said, to_json
from axiom.params import Param
from axiom.pipelines.changes import SIGNIFICANT, Change, Explanation, change_from, compare

METHODS = ("pearson", "spearman")
EXPLAINED = 10  # changes that an analyst is asked about
STORED = 50_000  # pairs of a window and method; a larger universe keeps its surest


class Market(Protocol):
    """Which world, and what of it can be known at a logical time."""

    @property
    def name(self) -> str: ...  # noqa: D102
    def visible_at(self, logical_at: datetime) -> datetime: ...  # noqa: D102


class PriceStore(Protocol):
    """Where closes come from."""

    def load_closes(  # noqa: D102
        self, tickers: Sequence[str], market: str, until: datetime, days: int
    ) -> tuple[list[date], dict[str, list[float | None]]]: ...


class CorrelationStore(Protocol):
    """Where results are kept."""

    def replace(  # noqa: D102
        self,
        market: str,
        logical_at: datetime,
        shown_until: datetime,
        correlations: Sequence[Correlation],
        explanations: Sequence[Explanation],
        run_id: str,
    ) -> int: ...
    def before(  # noqa: D102
        self, market: str, window: int, method: str, before: datetime
    ) -> list[Correlation]: ...


class CorrelationGraph(Protocol):
    """Where significant pairs have their edges."""

    def link_correlations(  # noqa: D102
        self,
        correlations: Sequence[Correlation],
        market: str,
        valid_from: datetime,
        run_id: str,
        recorded_at: datetime,
    ) -> int: ...


class Analyst(Protocol):
    """Says what changed."""

    def explain(self, changes: Sequence[Change]) -> Said[Explanation]: ...  # noqa: D102


class ReportWriter(Protocol):
    """Draws the report; returns the paths of what it wrote."""

    def write(  # noqa: D102
        self,
        market: str,
        logical_at: datetime,
        shown: tuple[str, str],
        correlations: Sequence[Correlation],
        changes: Sequence[Change],
        explanations: Sequence[Explanation],
    ) -> list[str]: ...


class Universe(Protocol):
    """What is watched."""

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...  # noqa: D102


class Services(Protocol):
    """What the steps of this pipeline need."""

    @property
    def market(self) -> Market: ...  # noqa: D102
    @property
    def prices(self) -> PriceStore: ...  # noqa: D102
    @property
    def correlations(self) -> CorrelationStore: ...  # noqa: D102
    @property
    def graph(self) -> CorrelationGraph: ...  # noqa: D102
    @property
    def analyst(self) -> Analyst: ...  # noqa: D102
    @property
    def reports(self) -> ReportWriter: ...  # noqa: D102
    @property
    def universe(self) -> Universe: ...  # noqa: D102
    @property
    def windows(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def tile(self) -> int: ...  # noqa: D102


def select_windows(ctx: Context[Services]) -> Json:
    """Choose what to compute: each window with each method, by tiles if the universe is large."""
    size, tile = len(ctx.services.universe.instruments), ctx.services.tile
    groups = [f"{window}-{method}" for window in _windows(ctx) for method in METHODS]
    if size <= tile:
        return groups
    tiles = range((size + tile - 1) // tile)
    return [f"{group}-{a}-{b}" for group in groups for a in tiles for b in tiles if a <= b]


def _windows(ctx: Context[Services]) -> Sequence[int]:
    return ctx.params.get("windows") or ctx.services.windows


def load_returns(ctx: Context[Services]) -> Json:
    """Load the closes that the longest window needs, and make log returns of them.

    Twice as many days as the window has, for the comparison with the window before it. Days
    are the exchange's sessions: one without prices is a gap, and no return spans it.

    Raises:
        AxiomError: there are not enough prices for even the shortest window.
    """
    import numpy as np

    from axiom.analytics.returns import align, compute_log_returns, list_sessions

    services, windows = ctx.services, _windows(ctx)
    tickers = sorted(each.ticker for each in services.universe.instruments)
    until = services.market.visible_at(ctx.logical_at)
    days, closes = services.prices.load_closes(
        tickers, services.market.name, until, 2 * max(windows)
    )
    if len(days) <= min(windows):
        raise AxiomError(
            f"{len(days)} days of {services.market.name} prices are too few for the shortest "
            f"window of {min(windows)}; ingestion fills them"
        )
    prices = np.array([closes[ticker] for ticker in tickers], dtype=float).T
    sessions = list_sessions(days[0], days[-1])
    returns = compute_log_returns(align(days, prices, sessions))
    kept = {"tickers": np.array(tickers), "returns": returns}
    longest = min(max(windows), len(returns))
    return {
        "returns": ctx.artifacts.put_arrays(ctx.run_id, "returns", kept),
        "days": len(returns),
        "first": sessions[-longest - 1].isoformat(),
        "last": sessions[-1].isoformat(),
        "too_long": [window for window in windows if window > len(returns)],
    }


def correlate(ctx: Context[Services]) -> Json:
    """Correlate the pairs of one tile over one window by one method."""
    from axiom.analytics.tables import compute_table

    loaded = ctx.inputs["load_returns"]
    window, method, tile = _parsed(ctx.item)
    if window in loaded["too_long"]:
        return {"pairs": 0, "table": None}
    kept = ctx.artifacts.get_arrays(loaded["returns"])
    rows, columns = _sides(tile, ctx.services.tile, kept["returns"].shape[1])
    table = compute_table(kept["returns"], window, method, rows, columns)
    ref = ctx.artifacts.put_arrays(ctx.run_id, f"table-{ctx.item}", table)
    return {"pairs": int(table["pairs"][0]), "table": ref}


def find_changes(ctx: Context[Services]) -> Json:
    """Join the tiles, and compare each window and method with its last result.

    q-values need all pairs: a window and method of which a tile failed is left out.
    """
    services, changes, found = ctx.services, list[Change](), dict[str, Json]()
    for group, tiles in _whole_groups(ctx).items():
        window, method, _ = _parsed(group)
        now, told = _joined(ctx, group, tiles)
        found[group] = told
        earlier = services.correlations.before(services.market.name, window, method, ctx.logical_at)
        if earlier:  # at first everything would be new
            # of a universe too large to be stored whole, what is not there may have been
            changes += compare(now, earlier, whole=not told["left_out"])
    changes.sort(key=lambda change: (-change.size, change.now.a, change.now.b))
    rows = [to_json(change) for change in changes[:EXPLAINED]]
    return {
        "changes": ctx.artifacts.put(ctx.run_id, "changes", rows),
        "found": len(changes),
        "groups": found,
    }


def explain(ctx: Context[Services]) -> Json:
    """Ask the analyst what to say of the largest changes."""
    said = ctx.services.analyst.explain(_changes(ctx))
    rows = [to_json(each) for each in said.results]
    return {
        "explanations": ctx.artifacts.put(ctx.run_id, "explanations", rows),
        "said": len(rows),
        "dropped": dict(said.dropped),
    }


def store_correlations(ctx: Context[Services]) -> Json:
    """Store the pairs in Postgres: all of a small universe, the surest of a large one."""
    services = ctx.services
    rows = services.correlations.replace(
        services.market.name,
        ctx.logical_at,
        services.market.visible_at(ctx.logical_at),
        _correlations(ctx),
        _explanations(ctx),
        ctx.run_id,
    )
    return {"rows": rows}


def link_correlations(ctx: Context[Services]) -> Json:
    """Link the significant pairs in the graph."""
    market = ctx.services.market
    edges = ctx.services.graph.link_correlations(
        _correlations(ctx),
        market.name,
        market.visible_at(ctx.logical_at),
        ctx.run_id,
        ctx.logical_at,
    )
    return {"edges": edges}


def render_report(ctx: Context[Services]) -> Json:
    """Draw the heat map and the tables, as HTML and PNG."""
    loaded = ctx.inputs["load_returns"]
    files = ctx.services.reports.write(
        ctx.services.market.name,
        ctx.logical_at,
        (loaded["first"], loaded["last"]),
        _correlations(ctx),
        _changes(ctx),
        _explanations(ctx),
    )
    return {"files": files}


FLOW = Flow(
    "correlation",
    select_windows,
    load_returns,
    Each("select_windows", correlate),
    find_changes,
    explain,
    Parallel(store_correlations, link_correlations),
    render_report,
    params=[
        Param(
            "windows",
            list[int],
            "returns to a window; none: AXIOM_CORRELATION_WINDOWS",
            [],
            least=20,
            most=2500,
        )
    ],
)


def _parsed(item: str) -> tuple[int, str, tuple[int, int]]:
    window, method, *tile = item.split("-")
    return int(window), method, (int(tile[0]), int(tile[1])) if tile else (0, 0)


def _sides(tile: tuple[int, int], side: int, size: int) -> tuple[slice, slice]:
    a, b = (slice(n * side, min((n + 1) * side, size)) for n in tile)
    return a, b


def _whole_groups(ctx: Context[Any]) -> dict[str, list[str]]:
    """The tables of each window and method, where all of its tiles are there."""
    groups: dict[str, list[str | None]] = {}
    for item in ctx.inputs["select_windows"]:
        group = "-".join(item.split("-")[:2])
        groups.setdefault(group, []).append(ctx.inputs["correlate"].get(item, {}).get("table"))
    return {
        group: [table for table in tables if table]
        for group, tables in groups.items()
        if all(tables)
    }


def _joined(
    ctx: Context[Any], group: str, tiles: Sequence[str]
) -> tuple[list[Correlation], dict[str, Any]]:
    """The pairs of a window and method, and where their table is; of many, the surest."""
    import numpy as np

    from axiom.analytics.tables import join_tables

    window, method, _ = _parsed(group)
    kept = ctx.artifacts.get_arrays(ctx.inputs["load_returns"]["returns"])
    tables = [ctx.artifacts.get_arrays(each) for each in tiles]
    table = join_tables(tables, kept["returns"], window, method)
    pairs = int(table.pop("pairs")[0])
    # by p, and where it has no more digits, by r
    surest = np.sort(np.lexsort((-np.abs(table["r"]), table["p"]))[:STORED])
    significant = int(np.count_nonzero(table["q"] < SIGNIFICANT))
    table = {name: column[surest] for name, column in table.items()}
    table |= {"a": kept["tickers"][table.pop("i")], "b": kept["tickers"][table.pop("j")]}
    told = {
        "pairs": pairs,
        "significant": significant,
        "left_out": pairs - len(surest),
        "table": ctx.artifacts.put_arrays(ctx.run_id, f"pairs-{group}", table),
    }
    return _rows(table, window, method), told


def _correlations(ctx: Context[Any]) -> list[Correlation]:
    return [
        each
        for group, told in sorted(ctx.inputs["find_changes"]["groups"].items())
        for each in _rows(ctx.artifacts.get_arrays(told["table"]), *_parsed(group)[:2])
    ]


def _rows(table: Mapping[str, Any], window: int, method: str) -> list[Correlation]:
    names = [each.name for each in fields(Correlation) if each.name in table]
    columns = [table[name].tolist() for name in names]
    return [
        Correlation(window=window, method=method, **dict(zip(names, map(_known, row), strict=True)))
        for row in zip(*columns, strict=True)
    ]


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _changes(ctx: Context[Any]) -> list[Change]:
    return [change_from(row) for row in ctx.artifacts.get(ctx.inputs["find_changes"]["changes"])]


def _explanations(ctx: Context[Any]) -> list[Explanation]:
    rows = ctx.artifacts.get(ctx.inputs["explain"]["explanations"])
    return [Explanation(**row) for row in rows]

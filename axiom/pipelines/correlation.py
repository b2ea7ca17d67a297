"""Which returns move together, hourly: per window and method, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from axiom.errors import AxiomError
from axiom.flow import Context, Each, Flow, Parallel
from axiom.model import Correlation, Instrument, Json, Said, to_json

METHODS = ("pearson", "spearman")
SIGNIFICANT = 0.05
EXPLAINED = 10  # changes that an analyst is asked about


@dataclass(frozen=True, slots=True)
class Change:
    """A pair that is not what it was: `new`, `lost` or `moved` out of its old interval."""

    kind: str
    now: Correlation
    before: Correlation | None

    @property
    def size(self) -> float:
        """How far it moved, on Fisher's scale."""
        return abs(_z(self.now.r) - (_z(self.before.r) if self.before else 0.0))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an analyst says of a change."""

    a: str
    b: str
    window: int
    method: str
    kind: str
    text: str
    analyst: str
    prompt_hash: str


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


def select_windows(ctx: Context[Services]) -> Json:
    """Choose what to compute: each window with each method."""
    return [f"{window}-{method}" for window in ctx.services.windows for method in METHODS]


def load_returns(ctx: Context[Services]) -> Json:
    """Load the closes that the longest window needs, and make log returns of them.

    Raises:
        AxiomError: there are not enough prices for even the shortest window.
    """
    from axiom.analytics.returns import compute_log_returns

    services = ctx.services
    tickers = [each.ticker for each in services.universe.instruments]
    until = services.market.visible_at(ctx.logical_at)
    days, closes = services.prices.load_closes(
        tickers, services.market.name, until, max(services.windows)
    )
    if len(days) <= min(services.windows):
        raise AxiomError(
            f"{len(days)} days of {services.market.name} prices are too few for the shortest "
            f"window of {min(services.windows)}; ingestion fills them"
        )
    columns = [[math.nan if p is None else p for p in closes[ticker]] for ticker in tickers]
    returns = compute_log_returns(list(zip(*columns, strict=True)))
    rows = [[None if math.isnan(x) else x for x in row] for row in returns.tolist()]
    return {
        "returns": ctx.artifacts.put(ctx.run_id, "returns", {"tickers": tickers, "rows": rows}),
        "days": len(rows),
        "first": days[0].isoformat(),
        "last": days[-1].isoformat(),
        "too_long": [window for window in services.windows if window > len(rows)],
    }


def correlate(ctx: Context[Services]) -> Json:
    """Correlate every pair over one window by one method; q-values are over these pairs."""
    loaded = ctx.inputs["load_returns"]
    window, method = _parsed(ctx.item)
    if window in loaded["too_long"]:
        return {"pairs": 0, "significant": 0, "rows": None}
    kept = ctx.artifacts.get(loaded["returns"])
    found = compute_pairs(kept["tickers"], kept["rows"][-window:], window, method)
    name = f"correlations-{window}-{method}"
    return {
        "rows": ctx.artifacts.put(ctx.run_id, name, [to_json(each) for each in found]),
        "pairs": len(found),
        "significant": sum(each.q < SIGNIFICANT for each in found),
    }


def find_changes(ctx: Context[Services]) -> Json:
    """Compare each window and method with its last result; keep the largest changes."""
    services, changes = ctx.services, []
    for item in ctx.inputs["correlate"]:
        window, method = _parsed(item)
        earlier = services.correlations.before(services.market.name, window, method, ctx.logical_at)
        if earlier:  # at first everything would be new
            now = [
                each
                for each in _correlations(ctx)
                if (each.window, each.method) == (window, method)
            ]
            changes += compare(now, earlier)
    changes.sort(key=lambda change: (-change.size, change.now.a, change.now.b))
    rows = [to_json(change) for change in changes[:EXPLAINED]]
    return {"changes": ctx.artifacts.put(ctx.run_id, "changes", rows), "found": len(changes)}


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
    """Store every pair in Postgres."""
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
)


def compute_pairs(
    tickers: Sequence[str], rows: Sequence[Sequence[float | None]], window: int, method: str
) -> list[Correlation]:
    """Return the correlation of every pair that has one.

    `rows` is (days, tickers), None where missing. Pairs are ordered, a < b.
    """
    import numpy as np

    from axiom.analytics import correlation, significance

    values = np.array(rows, dtype=float)
    order = sorted(range(len(tickers)), key=lambda n: tickers[n])
    r, n = correlation.METHODS[method](values[:, order])
    above = np.triu_indices(len(order), 1)
    r, n = r[above], n[above]
    low, high = significance.compute_interval(r, n, method)
    p = significance.compute_p_value(r, n)
    q = significance.compute_q_value(p)
    names = [tickers[place] for place in order]
    return [
        Correlation(
            names[a], names[b], window, method, int(n[k]),
            float(r[k]), float(low[k]), float(high[k]), float(p[k]), float(q[k]),
        )
        for k, (a, b) in enumerate(zip(*above, strict=True))
        if np.isfinite(q[k])
    ]  # fmt: skip


def compare(now: Sequence[Correlation], before: Sequence[Correlation]) -> list[Change]:
    """Return the pairs that became or ceased to be significant, or left their old interval."""
    old = {(each.a, each.b): each for each in before}
    found = (_changed(each, old.get((each.a, each.b))) for each in now)
    return [change for change in found if change]


def _changed(now: Correlation, before: Correlation | None) -> Change | None:
    was = before is not None and before.q < SIGNIFICANT
    if now.q < SIGNIFICANT and not was:
        return Change("new", now, before)
    if was and now.q >= SIGNIFICANT:
        return Change("lost", now, before)
    if before and was and not before.low <= now.r <= before.high:
        return Change("moved", now, before)
    return None


def _z(r: float) -> float:
    return math.atanh(max(min(r, 0.999999), -0.999999))


def _parsed(item: str) -> tuple[int, str]:
    window, _, method = item.partition("-")
    return int(window), method


def _correlations(ctx: Context[Any]) -> list[Correlation]:
    return [
        Correlation(**row)
        for _, said in sorted(ctx.inputs.get("correlate", {}).items())
        if said["rows"]
        for row in ctx.artifacts.get(said["rows"])
    ]


def _changes(ctx: Context[Any]) -> list[Change]:
    return [_change(row) for row in ctx.artifacts.get(ctx.inputs["find_changes"]["changes"])]


def _change(row: Mapping[str, Any]) -> Change:
    before = Correlation(**row["before"]) if row["before"] else None
    return Change(row["kind"], Correlation(**row["now"]), before)


def _explanations(ctx: Context[Any]) -> list[Explanation]:
    rows = ctx.artifacts.get(ctx.inputs["explain"]["explanations"])
    return [Explanation(**row) for row in rows]

"""The correlation report: heat maps and tables, as one HTML file and one PNG."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from axiom.analytics.structure import (
    compute_clusters,
    compute_order,
    compute_spanning_tree,
    compute_tree_layout,
)
from axiom.model import Correlation
from axiom.pipelines.changes import Change, Explanation

STRONGEST = 10
SHOWN = 40  # instruments on a map; of more, those that move most with the others
# Orange to white to blue: told apart with any kind of colour vision (Okabe and Ito's pair)
PLAIN = {"parse_math": False}  # names are text: a dollar sign starts no formula
NEGATIVE, MIDDLE, POSITIVE = (230, 159, 0), (247, 247, 247), (86, 164, 233)


class ReportWriter:
    """Writes reports below a directory; a report is replaced as a whole or not at all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(
        self,
        market: str,
        logical_at: datetime,
        shown: tuple[str, str],
        correlations: Sequence[Correlation],
        changes: Sequence[Change],
        explanations: Sequence[Explanation],
    ) -> list[str]:
        """Write `correlation-<market>-<logical time>` as HTML and PNG; return their paths."""
        self._directory.mkdir(parents=True, exist_ok=True)
        groups = sorted({(c.window, c.method) for c in correlations})
        maps = [_map([c for c in correlations if (c.window, c.method) == g], *g) for g in groups]
        stem = self._directory / f"correlation-{market}-{logical_at:%Y%m%dT%H%M%SZ}"
        page = _html(market, logical_at, shown, maps, _told(changes, explanations))
        title = f"{market}, {shown[0]} to {shown[1]}"
        return [
            _replace(
                stem.with_suffix(".html"), lambda path: path.write_text(page, encoding="utf-8")
            ),
            _replace(stem.with_suffix(".png"), lambda path: _png(path, maps, title)),
        ]


class UnkeptReports(ReportWriter):
    """Reports for dry runs: drawn in a directory that is removed."""

    def write(self, *args: Any, **kwargs: Any) -> list[str]:
        """Draw the report; return the names that it would have."""
        with TemporaryDirectory() as scratch:
            return [Path(path).name for path in ReportWriter(Path(scratch)).write(*args, **kwargs)]


def _replace(path: Path, write: Callable[[Path], Any]) -> str:
    fresh = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{path.name}")
    try:
        write(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return str(path)


def _map(pairs: Sequence[Correlation], window: int, method: str) -> dict[str, Any]:
    names = _shown(pairs)
    by_pair = {(c.a, c.b): c for c in pairs} | {(c.b, c.a): c for c in pairs}
    r = [[by_pair[a, b].r if (a, b) in by_pair else 1.0 if a == b else None for b in names]
         for a in names]  # fmt: skip
    matrix = [[float("nan") if x is None else x for x in row] for row in r]
    order, clusters = compute_order(matrix), compute_clusters(matrix)
    tree = compute_spanning_tree(matrix)
    leads = [c for c in pairs if c.lag and c.lag_q is not None and c.lag_q < 0.05]
    return {
        "window": window,
        "method": method,
        "all": len({name for c in pairs for name in (c.a, c.b)}),
        "names": [names[place] for place in order],
        "starts": _starts([clusters[place] for place in order]),
        "rows": [
            {"name": names[a], "cells": [_cell(by_pair.get((names[a], names[b])), names[b])
                                         for b in order]}
            for a in order
        ],
        "tree": [(a, b, matrix[a][b]) for a, b in tree],
        "nodes": [
            {"name": name, "x": x, "y": y, "cluster": cluster}
            for name, (x, y), cluster in zip(
                names, compute_tree_layout(len(names), tree), clusters, strict=True
            )
        ],
        "height": 18 * sum(1 for n in range(len(names)) if sum(n in edge for edge in tree) < 2),
        "strongest": sorted(pairs, key=lambda c: -abs(c.r))[:STRONGEST],
        "leads": sorted(leads, key=lambda c: c.lag_q or 0.0)[:STRONGEST],
        "broke": sum(c.broke for c in pairs),
        "significant": sum(c.q < 0.05 for c in pairs),
        "pairs": len(pairs),
    }  # fmt: skip


def _shown(pairs: Sequence[Correlation]) -> list[str]:
    moves: dict[str, float] = {}
    for c in pairs:
        for name in (c.a, c.b):
            moves[name] = moves.get(name, 0.0) + abs(c.r)
    return sorted(sorted(moves, key=lambda name: -moves[name])[:SHOWN])


def _starts(clusters: Sequence[int]) -> list[bool]:
    """Where another cluster begins."""
    return [n > 0 and clusters[n] != clusters[n - 1] for n in range(len(clusters))]


def _told(
    changes: Sequence[Change], explanations: Sequence[Explanation]
) -> list[tuple[Change, Explanation | None]]:
    """Each change with what was said of it."""
    said = {(e.a, e.b, e.window, e.method): e for e in explanations}
    return [(c, said.get((c.now.a, c.now.b, c.now.window, c.now.method))) for c in changes]


def _cell(c: Correlation | None, other: str) -> dict[str, Any] | None:
    if c is None:
        return None
    return {"r": c.r, "q": c.q, "n": c.n, "other": other, "colour": _colour(c.r)}


def _colour(r: float) -> str:
    end = POSITIVE if r >= 0 else NEGATIVE
    mixed = (round(m + (e - m) * min(abs(r), 1.0)) for m, e in zip(MIDDLE, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _html(
    market: str,
    logical_at: datetime,
    shown: tuple[str, str],
    maps: Sequence[dict[str, Any]],
    told: Sequence[tuple[Change, Explanation | None]],
) -> str:
    from jinja2 import Environment, PackageLoader

    page = Environment(loader=PackageLoader("axiom.stores"), autoescape=True).get_template(
        "correlation.html"
    )
    return page.render(
        market=market,
        logical_at=f"{logical_at:%Y-%m-%d %H:%M} UTC",
        shown=shown,
        maps=maps,
        told=told,
    )


def _png(path: Path, maps: Sequence[dict[str, Any]], title: str) -> None:
    # without pyplot, which keeps every figure and costs a second to import
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    scale = [tuple(part / 255 for part in colour) for colour in (NEGATIVE, MIDDLE, POSITIVE)]
    colours = LinearSegmentedColormap.from_list("correlation", scale)
    figure = Figure(figsize=(14, 6.6 * max(len(maps), 1)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"Correlations of daily log returns: {title}", **PLAIN)
    for n, each in enumerate(maps):
        _draw_map(figure, figure.add_subplot(len(maps), 2, 2 * n + 1), each, colours)
        _draw_tree(figure.add_subplot(len(maps), 2, 2 * n + 2), each)
    figure.savefig(path, dpi=80, format="png")


def _draw_map(figure: Any, axes: Any, each: dict[str, Any], colours: Any) -> None:
    values = [
        [cell["r"] if cell else float("nan") for cell in row["cells"]] for row in each["rows"]
    ]
    places = range(len(each["names"]))
    image = axes.imshow(values, cmap=colours, vmin=-1, vmax=1)
    axes.set_title(f"{each['method'].title()}, {each['window']} days, by cluster")
    axes.set_xticks(places, each["names"], rotation=90, fontsize=7, **PLAIN)
    axes.set_yticks(places, each["names"], fontsize=7, **PLAIN)
    for n, starts in enumerate(each["starts"]):
        if starts:
            axes.axhline(n - 0.5, color="black", linewidth=0.8)
            axes.axvline(n - 0.5, color="black", linewidth=0.8)
    figure.colorbar(image, ax=axes, shrink=0.8, label="orange: opposite, blue: together")


def _draw_tree(axes: Any, each: dict[str, Any]) -> None:
    nodes = each["nodes"]
    for a, b, r in each["tree"]:
        ends = [nodes[a], nodes[b]]
        axes.plot([n["x"] for n in ends], [n["y"] for n in ends], color="0.6", zorder=1,
                  linewidth=0.5 + 3 * max(r, 0.0))  # fmt: skip
    for node in nodes:
        box = {"facecolor": "white", "edgecolor": "0.4", "boxstyle": "round,pad=0.2"}
        axes.text(node["x"], node["y"], node["name"], fontsize=7, ha="center", va="center",
                  bbox=box, **PLAIN)  # fmt: skip
    axes.set_title("Shortest tree that joins all (thick: strong)")
    axes.set(xlim=(-0.06, 1.06), ylim=(1, 0))
    axes.set_axis_off()

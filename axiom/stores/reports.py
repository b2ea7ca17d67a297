"""The correlation report: heat maps and tables, as one HTML file and one PNG."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from axiom.analytics.structure import compute_order, compute_spanning_tree
from axiom.model import Correlation
from axiom.pipelines.correlation import Change, Explanation

STRONGEST = 10
# Orange to white to blue: told apart with any kind of colour vision (Okabe and Ito's pair)
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
        page = _html(market, logical_at, shown, maps, explanations)
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
    names = sorted({name for c in pairs for name in (c.a, c.b)})
    by_pair = {(c.a, c.b): c for c in pairs} | {(c.b, c.a): c for c in pairs}
    r = [[by_pair[a, b].r if (a, b) in by_pair else 1.0 if a == b else None for b in names]
         for a in names]  # fmt: skip
    matrix = [[float("nan") if x is None else x for x in row] for row in r]
    ordered = [names[place] for place in compute_order(matrix)]
    return {
        "window": window,
        "method": method,
        "names": ordered,
        "rows": [
            {"name": a, "cells": [_cell(by_pair.get((a, b)), b) for b in ordered]} for a in ordered
        ],
        "tree": [(names[a], names[b]) for a, b in compute_spanning_tree(matrix)],
        "strongest": sorted(pairs, key=lambda c: -abs(c.r))[:STRONGEST],
    }


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
    explanations: Sequence[Explanation],
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
        explanations=explanations,
    )


def _png(path: Path, maps: Sequence[dict[str, Any]], title: str) -> None:
    # without pyplot, which keeps every figure and costs a second to import
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    scale = [tuple(part / 255 for part in colour) for colour in (NEGATIVE, MIDDLE, POSITIVE)]
    colours = LinearSegmentedColormap.from_list("correlation", scale)
    rows = max((len(maps) + 1) // 2, 1)
    figure = Figure(figsize=(14, 6.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    plain = {"parse_math": False}  # names are text: a dollar sign starts no formula
    figure.suptitle(f"Correlations of daily log returns: {title}", **plain)
    for n, each in enumerate(maps):
        axes = figure.add_subplot(rows, 2, n + 1)
        values = [
            [cell["r"] if cell else float("nan") for cell in row["cells"]] for row in each["rows"]
        ]
        image = axes.imshow(values, cmap=colours, vmin=-1, vmax=1)
        axes.set_title(f"{each['method']}, {each['window']} days")
        axes.set_xticks(range(len(each["names"])), each["names"], rotation=90, fontsize=7, **plain)
        axes.set_yticks(range(len(each["names"])), each["names"], fontsize=7, **plain)
        figure.colorbar(image, ax=axes, shrink=0.8)
    figure.savefig(path, dpi=80, format="png")

"""Where correlations go: the heat map's cells and the drawn tree. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axiom.console.intelligence.clusters import put_in_order, spanning_tree
from axiom.model import Correlation

# Orange to white to blue, as the report has it: told apart with any kind of colour vision
NEGATIVE, MIDDLE, POSITIVE = (230, 159, 0), (247, 247, 247), (86, 164, 233)
LABEL, CELL = 58, 26
TREE_W, ROW = 1120.0, 30.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One pair in the map."""

    x: int
    y: int
    pair: Correlation
    colour: str


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One instrument in the tree."""

    name: str
    x: float
    y: float
    cluster: int


def matrix(pairs: Sequence[Correlation], names: Sequence[str]) -> dict[str, Any]:
    """Return the map ordered by cluster, and the spanning tree, ready to be drawn."""
    by_pair = {(c.a, c.b): c for c in pairs} | {(c.b, c.a): c for c in pairs}
    r = {pair: each.r for pair, each in by_pair.items()}
    ordered = put_in_order(names, r)
    cells = [
        Cell(LABEL + CELL * x, LABEL + CELL * y, by_pair[a, b], colour(by_pair[a, b].r))
        for y, a in enumerate(ordered.names)
        for x, b in enumerate(ordered.names)
        if (a, b) in by_pair
    ]
    return {
        "names": ordered.names, "clusters": ordered.clusters, "cells": cells,
        "side": LABEL + CELL * len(ordered.names), "cell": CELL, "label": LABEL,
        "tree": _tree(spanning_tree(names, r), ordered.clusters, by_pair),
    }  # fmt: skip


def colour(r: float) -> str:
    """Return the colour of a correlation, as `#rrggbb`."""
    end = POSITIVE if r >= 0 else NEGATIVE
    mixed = (round(m + (e - m) * min(abs(r), 1.0)) for m, e in zip(MIDDLE, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _tree(
    edges: Sequence[tuple[str, str]], clusters: dict[str, int], by_pair: Any
) -> dict[str, Any]:
    """Place a tree from left to right: a row for each leaf, a parent between its children."""
    children: dict[str, list[str]] = {}
    depths = {edges[0][0] if edges else next(iter(clusters), ""): 0}
    for parent, child in edges:
        children.setdefault(parent, []).append(child)
        depths[child] = depths[parent] + 1
    rows = _rows(next(iter(depths)), children)
    step = (TREE_W - 130) / (max(depths.values()) or 1)
    places = {
        name: TreeNode(name, 24 + step * depth, 20 + ROW * rows[name], clusters.get(name, 1))
        for name, depth in depths.items()
    }
    links = [(places[a], places[b], by_pair.get((a, b))) for a, b in edges]
    tall = 40 + ROW * max(rows.values(), default=0)
    return {"nodes": list(places.values()), "links": links, "w": TREE_W, "h": tall}


def _rows(name: str, children: dict[str, list[str]], first: float = 0.0) -> dict[str, float]:
    """The row of a name and of all that hangs on it; the smallest branches come first."""
    rows, row = dict[str, float](), first
    own = children.get(name, [])
    for child in sorted(own, key=lambda each: (len(_below(each, children)), each)):
        rows |= _rows(child, children, row)
        row = max(rows.values()) + 1
    return rows | {name: (rows[min(own, key=rows.__getitem__)] + max(rows[c] for c in own)) / 2
                   if own else first}  # fmt: skip


def _below(name: str, children: dict[str, list[str]]) -> list[str]:
    own = children.get(name, [])
    return own + [each for child in own for each in _below(child, children)]

"""Where correlations go: the heat map's cells and the drawn tree. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axiom.console.intelligence.clusters import put_in_order, spanning_tree
from axiom.model import Correlation

# Orange to white to blue, as the report has it: told apart with any kind of colour vision
NEGATIVE, MIDDLE, POSITIVE = (230, 159, 0), (247, 247, 247), (86, 164, 233)
LABEL, CELL = 58, 26
TREE_W, TREE_H = 1120.0, 620.0


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
    left: bool


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
    """Place a tree around its root: each branch has room by its leaves, depth goes outwards."""
    children: dict[str, list[str]] = {}
    for parent, child in edges:
        children.setdefault(parent, []).append(child)
    root = edges[0][0] if edges else next(iter(clusters), "")
    depths, leaves = {root: 0}, dict[str, int]()
    for parent, child in edges:
        depths[child] = depths[parent] + 1
    for name in sorted(depths, key=lambda each: -depths[each]):
        leaves[name] = sum(leaves[each] for each in children.get(name, ())) or 1
    deepest, places = max(depths.values(), default=1) or 1, dict[str, TreeNode]()
    rooms = [(root, 0.0, 2 * math.pi)] if root else []
    while rooms:
        name, begin, end = rooms.pop()
        angle, far = (begin + end) / 2, depths[name] / deepest
        x = TREE_W / 2 + (TREE_W / 2 - 70) * far * math.cos(angle)
        y = TREE_H / 2 + (TREE_H / 2 - 24) * far * math.sin(angle)
        places[name] = TreeNode(name, x, y, clusters.get(name, 1), x < TREE_W / 2 - 1)
        for child in sorted(children.get(name, ())):
            room = (end - begin) * leaves[child] / leaves[name]
            rooms.append((child, begin, begin + room))
            begin += room
    links = [(places[a], places[b], by_pair.get((a, b))) for a, b in edges]
    return {"nodes": list(places.values()), "links": links, "w": TREE_W, "h": TREE_H}

"""The edges around a node, in an order that lets every type be seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from axiom.model import EdgeType, Label
from axiom.stores.graph_reading import GraphReader

CLAIMED = tuple(each for each in EdgeType if each is not EdgeType.CORRELATED_WITH)
SYMMETRIC = (EdgeType.COMPETES_WITH, EdgeType.PARTNERS_WITH, EdgeType.CORRELATED_WITH)


def around(
    graph: GraphReader, market: str, key: str, label: Label, types: Sequence[str], depth: int,
    as_of: datetime | None, limit: int, *, valid_at: datetime | None = None, whole: bool = True,
) -> tuple[list[dict[str, Any]], Counter[str]]:  # fmt: skip
    """Return the edges around a node that are of some types, and how many there are of each.

    Each type has its turn, the surest first: correlations, which are many, hide nothing. Of
    claims that say the same from several sources the surest is there, with their number, `told`.
    """
    asked: dict[str, Any] = {
        "as_of": as_of, "valid_at": valid_at, "limit": 2 * limit, "label": label, "whole": whole,
    }  # fmt: skip
    near = graph.neighbourhood
    # correlations are many: none of the second step, where they would be all there is
    found = near(key, market, depth, types=CLAIMED, **asked)
    found += near(key, market, 1, types=(EdgeType.CORRELATED_WITH,), **asked)
    claims = Counter(_claim(edge) for edge in found)
    first = {_claim(edge): edge for edge in reversed(found)}
    counts = Counter(kind for kind, _, _ in first)
    turns: Counter[str] = Counter()
    ordered = []
    for claim, edge in reversed(first.items()):
        turns[claim[0]] += 1
        if not types or claim[0] in types:
            ordered.append((turns[claim[0]], -edge["evidence"]["confidence"], claim, edge))
    ordered.sort(key=lambda each: each[:3])
    return [edge | {"told": claims[claim]} for *_, claim, edge in ordered[:limit]], counts


def _claim(edge: dict[str, Any]) -> tuple[str, str, str]:
    a, b = edge["head"], edge["tail"]
    if edge["type"] in SYMMETRIC:
        a, b = min(a, b), max(a, b)
    return edge["type"], a, b

"""Where a neighbourhood's nodes and edges go."""

from __future__ import annotations

import re
from typing import Any

import pytest

from axiom.console.intelligence.network import REACH, lay_out


def edge(kind: str, head: str, tail: str) -> dict[str, Any]:
    return {"type": kind, "head": head, "tail": tail, "head_name": head, "tail_name": tail}


def box(path: str) -> tuple[float, float]:
    """Width and height of a path's ends and control points."""
    numbers = [float(each) for each in re.findall(r"-?[\d.]+", path)]
    return tuple(max(each) - min(each) for each in (numbers[0::2], numbers[1::2]))  # type: ignore[return-value]


@pytest.mark.parametrize("neighbours", [1, 2, 4, 30])
def test_an_edge_can_be_hit_at_every_angle(neighbours: int) -> None:
    """Also one that lies level or plumb: a line's own box is empty there."""
    edges = [edge("COMPETES_WITH", "A", f"B{n}") for n in range(neighbours)]
    drawn = lay_out(edges, ("Company", "A"))
    assert len(drawn.links) == neighbours
    for link in drawn.links:
        assert min(box(link.hit)) >= REACH


def test_several_edges_between_two_nodes_are_drawn_apart() -> None:
    kinds = ["SUPPLIES", "COMPETES_WITH", "CORRELATED_WITH"]
    edges = [edge(kind, *(("A", "B") if n % 2 else ("B", "A"))) for n, kind in enumerate(kinds)]
    drawn = lay_out([*edges, edge("SUPPLIES", "A", "C")], ("Company", "A"))
    middles = {re.search(r"Q(\S+ \S+) ", link.wire).group(1) for link in drawn.links}  # type: ignore[union-attr]
    assert len(middles) == 4

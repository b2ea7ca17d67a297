"""Where a neighbourhood's nodes go: pure, and the same for the same edges.

The centre is in the middle, its neighbours around it by type of edge; what hangs on a
neighbour stands behind it, farther out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axiom.model import ALLOWED_ENDS, EdgeType

W, H = 1120.0, 760.0
CROWDED = 26  # more neighbours than these stand on two rings
REACH = 14.0  # how far from an edge a finger still hits it; less at the centre, where all meet
APART = 34.0  # the edges between the same two nodes
# how far neighbours are, alone and with what is behind them; every second one, if crowded
_FAR = ((0.95, 0.68), (0.6, 0.42))
Key = tuple[str, str]  # label and key


@dataclass(frozen=True, slots=True)
class Node:
    """A drawn node; `turn` is how its name is turned, away from the centre."""

    label: str
    key: str
    name: str
    x: float
    y: float
    turn: float
    ring: int

    @property
    def left(self) -> bool:
        """Whether its name ends at it."""
        return abs(self.turn) > 90

    @property
    def upright(self) -> float:
        """The turn of its name, never upside down."""
        return self.turn - math.copysign(180, self.turn) if self.left else self.turn


@dataclass(frozen=True, slots=True)
class Link:
    """A drawn edge; `bend` is how far its middle stands aside, for there are others beside it."""

    edge: Mapping[str, Any]
    a: Node
    b: Node
    bend: float = 0.0

    @property
    def wire(self) -> str:
        """The SVG path of what is seen."""
        return f"M{self._curve(self.a, self.b, 0)}"

    @property
    def hit(self) -> str:
        """The SVG path of what can be hit: an area, since a line that lies flat has none.

        A browser takes the box of a level or plumb line for empty, however wide its stroke.
        """
        return f"M{self._curve(self.a, self.b, 1)}L{self._curve(self.b, self.a, -1)}Z"

    def _curve(self, a: Node, b: Node, side: int) -> str:
        dx, dy = self._aside
        (x1, y1), (x2, y2) = [
            (node.x + dx * side * _reach(node), node.y + dy * side * _reach(node))
            for node in (a, b)
        ]
        # a curve passes half as far aside as its control point stands
        x, y = (x1 + x2) / 2 + 2 * self.bend * dx, (y1 + y2) / 2 + 2 * self.bend * dy
        return f"{x1:.1f} {y1:.1f}Q{x:.1f} {y:.1f} {x2:.1f} {y2:.1f}"

    @property
    def _aside(self) -> tuple[float, float]:
        """The unit vector across it, the same whichever end is the first."""
        one, other = sorted((self.a, self.b), key=lambda node: (node.label, node.key))
        x, y = other.x - one.x, other.y - one.y
        far = math.hypot(x, y) or 1.0
        return -y / far, x / far


@dataclass(frozen=True, slots=True)
class Network:
    """A neighbourhood, ready to be drawn."""

    nodes: list[Node]
    links: list[Link]
    w: float = W
    h: float = H


def ends(edge: Mapping[str, Any]) -> tuple[Key, Key]:
    """Return label and key of an edge's head and tail."""
    head, tail = ALLOWED_ENDS[EdgeType(edge["type"])]
    return (str(head), edge["head"]), (str(tail), edge["tail"])


def lay_out(edges: Sequence[Mapping[str, Any]], centre: Key) -> Network:
    """Place the nodes of edges around a centre."""
    names = {
        key: str(edge[f"{end}_name"] or edge[end])
        for edge in edges
        for end, key in zip(("head", "tail"), ends(edge), strict=True)
    }
    parents = _parents(edges, centre)
    near = sorted(
        (key for key, (parent, _) in parents.items() if parent == centre),
        key=lambda key: (parents[key][1], key),
    )
    places: dict[Key, Node] = {centre: _node(centre, names.get(centre, centre[1]), 0, 0, 0)}
    for n, key in enumerate(near):
        angle = 2 * math.pi * n / len(near) - math.pi / 2
        far = _FAR[len(parents) > len(near)][len(near) > CROWDED and n % 2]
        places[key] = _node(key, names[key], angle, far, 1)
    for key, node in _beyond(parents, near, names):
        places.setdefault(key, node)
    return Network(list(places.values()), _links(edges, places))


def _links(edges: Sequence[Mapping[str, Any]], places: Mapping[Key, Node]) -> list[Link]:
    """Draw the edges between places; those between the same two fan out, or one hides the rest."""
    between: dict[frozenset[Key], list[Mapping[str, Any]]] = {}
    for edge in edges:
        between.setdefault(frozenset(ends(edge)), []).append(edge)
    return [
        Link(edge, places[a], places[b], (n - (len(same) - 1) / 2) * APART)
        for same in between.values()
        for n, edge in enumerate(same)
        for a, b in [ends(edge)]
        if a in places and b in places
    ]


def _reach(node: Node) -> float:
    return REACH if node.ring else REACH / 4


def _parents(edges: Sequence[Mapping[str, Any]], centre: Key) -> dict[Key, tuple[Key, str]]:
    """By what each node hangs: on the centre where an edge says so, else on its first end."""
    found: dict[Key, tuple[Key, str]] = {}
    for edge in edges:
        a, b = ends(edge)
        if centre in (a, b) and a != b:
            found.setdefault(b if a == centre else a, (centre, edge["type"]))
    direct = set(found)
    for edge in edges:
        a, b = ends(edge)
        for parent, child in ((a, b), (b, a)):
            if parent in direct and child != centre:
                found.setdefault(child, (parent, edge["type"]))
    return found


def _beyond(
    parents: Mapping[Key, tuple[Key, str]], near: Sequence[Key], names: Mapping[Key, str]
) -> list[tuple[Key, Node]]:
    order = {key: n for n, key in enumerate(near)}
    outer = sorted(
        (key for key, (parent, _) in parents.items() if parent in order),
        key=lambda key: (order[parents[key][0]], key),
    )
    return [
        (key, _node(key, names[key], 2 * math.pi * n / len(outer) - math.pi / 2, 1.0, 2))
        for n, key in enumerate(outer)
    ]


def _node(key: Key, name: str, angle: float, far: float, ring: int) -> Node:
    wide, tall = W / 2 - 190, H / 2 - 150  # room for names
    x, y = W / 2 + wide * far * math.cos(angle), H / 2 + tall * far * math.sin(angle)
    turn = math.degrees(math.atan2(y - H / 2, x - W / 2)) if ring else 0.0
    return Node(*key, name, x, y, turn, ring)

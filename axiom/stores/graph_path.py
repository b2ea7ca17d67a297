"""The shortest explained path between two companies.

Not by `shortestPath`: Neo4j looks for the shortest path of which a condition holds, the
embedded server for the shortest one, of which it then asks the condition, so that a path over
a closed edge hides those that are open. This searches from both ends, a step at a time, and
asks both servers the same plain question.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axiom.model import Label
from axiom.stores.graph_reading import EXPLAINING, KNOWN, GraphReader, _at

LONGEST = 6
Node = tuple[str, str]  # label and key
Trail = dict[Node, tuple[Node, str] | None]  # how a node was reached: from where, by which edge


def explained_path(
    graph: GraphReader, a: str, b: str, market: str, as_of: datetime | None = None
) -> list[dict[str, Any]] | None:
    """Return the edges of a shortest path between two companies, each with its evidence.

    None when no path of at most six edges is known. Among equals, each step takes the surest
    edge. Countries are no way: nearly all companies would meet there.
    """
    here, there = (str(Label.COMPANY), a), (str(Label.COMPANY), b)
    trails: tuple[Trail, Trail] = {here: None}, {there: None}
    edges: tuple[list[Node], list[Node]] = [here], [there]
    if here == there:
        return []
    for _ in range(LONGEST):
        side = 0 if len(edges[0]) <= len(edges[1]) else 1
        other = trails[1 - side]
        reached = _step(graph, edges[side], market, as_of)
        fresh = [step for step in reached if step[1] not in trails[side]]
        for start, node, key, _ in fresh:
            trails[side].setdefault(node, (start, key))
        if met := [step for step in fresh if step[1] in other]:
            return _told(graph, _keys(trails, met[0][1]), as_of)
        edges[side][:] = dict.fromkeys(node for _, node, _, _ in fresh)
        if not edges[side]:
            return None
    return None


def _step(
    graph: GraphReader, nodes: list[Node], market: str, as_of: datetime | None
) -> list[tuple[Node, Node, str, float]]:
    """What lies one edge from these nodes, the surest edges first."""
    found = []
    for label in sorted({label for label, _ in nodes}):
        # in one row, as the edges around a node are
        [row] = graph.query(
            f"UNWIND $keys AS key MATCH (a:{Label(label)} {{key: key}})"
            f"-[e:{'|'.join(EXPLAINING)}]-(b) WHERE {KNOWN} "
            "RETURN collect([key, labels(b)[0], b.key, e.key, e.confidence]) AS found",
            keys=[key for each, key in nodes if each == label], market=market, at=_at(as_of),
        )  # fmt: skip
        found += [
            ((label, key), (other_label, other), edge, confidence)
            for key, other_label, other, edge, confidence in row["found"]
        ]
    return sorted(found, key=lambda step: (-step[3], step[2]))


def _keys(trails: tuple[Trail, Trail], met: Node) -> list[str]:
    keys: tuple[list[str], list[str]] = [], []
    for side in (0, 1):
        node = met
        while (came := trails[side][node]) is not None:
            node, key = came
            keys[side].append(key)
    return [*reversed(keys[0]), *keys[1]]


def _told(graph: GraphReader, keys: list[str], as_of: datetime | None) -> list[dict[str, Any]]:
    found = [graph.evidence(key, as_of) for key in keys]
    return [{k: v for k, v in each.items() if k != "versions"} for each in found if each]

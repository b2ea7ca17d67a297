"""A small correlation matrix, put in order: pure, without SciPy, which is larger than a console.

The report orders by SciPy's average linkage with optimal leaves. This is the same linkage; of
two branches that join, the ends that are most alike are put together. Up to `MOST` names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST = 60
R = Mapping[tuple[str, str], float]  # by pair in both orders


@dataclass(frozen=True, slots=True)
class Ordered:
    """Names side by side with what is like them, and the cluster of each, from 1."""

    names: list[str]
    clusters: dict[str, int]


def distance(r: R, a: str, b: str) -> float:
    """Return √(2(1-r)) (Mantegna, 1999); pairs without r are far apart."""
    return math.sqrt(max(2 * (1 - r.get((a, b), -1.0)), 0.0))


def put_in_order(names: Sequence[str], r: R, together: float = 0.5) -> Ordered:
    """Order by average linkage, and cut where branches correlate at less than `together`."""
    cut = math.sqrt(2 * (1 - together))
    branches = [[name] for name in sorted(names)]
    apart = {(i, j): distance(r, *branches[i], *branches[j])
             for i in range(len(branches)) for j in range(i)}  # fmt: skip
    alive, clusters = set(range(len(branches))), {name: n for n, [name] in enumerate(branches)}
    while len(alive) > 1:
        (i, j), far = min(apart.items(), key=lambda each: (each[1], each[0]))
        if far <= cut:
            clusters |= dict.fromkeys(branches[i] + branches[j], j)
        for k in alive - {i, j}:
            mine, other = _key(j, k), _key(i, k)
            weight = len(branches[j]), len(branches[i])
            apart[mine] = (apart[mine] * weight[0] + apart[other] * weight[1]) / sum(weight)
        branches[j] = _joined(branches[j], branches[i], r)
        alive.discard(i)
        apart = {pair: each for pair, each in apart.items() if i not in pair}
    ordered = branches[min(alive)] if alive else []
    numbers: dict[int, int] = {}
    for name in ordered:
        numbers.setdefault(clusters[name], len(numbers) + 1)
    return Ordered(ordered, {name: numbers[clusters[name]] for name in ordered})


def _key(i: int, j: int) -> tuple[int, int]:
    return (i, j) if i > j else (j, i)


def _joined(a: list[str], b: list[str], r: R) -> list[str]:
    ways = [(one, other) for one in (a, a[::-1]) for other in (b, b[::-1])]
    one, other = min(ways, key=lambda way: distance(r, way[0][-1], way[1][0]))
    return one + other


def spanning_tree(names: Sequence[str], r: R) -> list[tuple[str, str]]:
    """Return the minimum spanning tree of the distance, from its best linked name outwards."""
    if not names:
        return []
    start = max(sorted(names), key=lambda n: sum(r.get((n, m), 0.0) for m in names if m != n))
    left = {name: (distance(r, start, name), start) for name in sorted(names) if name != start}
    tree = []
    while left:
        name = min(left, key=lambda each: (left[each][0], each))
        _, parent = left.pop(name)
        tree.append((parent, name))
        for other in left:
            left[other] = min(left[other], (distance(r, name, other), name))
    return tree

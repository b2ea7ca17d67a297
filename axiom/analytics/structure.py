"""What a correlation matrix looks like: who stands beside whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def compute_distance(r: ArrayLike) -> NDArray[Any]:
    """Return √(2(1-r)) (Mantegna, Eur. Phys. J. B 11, 1999); pairs without r are far apart."""
    import numpy as np

    filled = np.nan_to_num(np.asarray(r, dtype=float), nan=-1.0)
    distance: NDArray[Any] = np.sqrt(np.maximum(2 * (1 - filled), 0))
    np.fill_diagonal(distance, 0.0)
    symmetric: NDArray[Any] = (distance + distance.T) / 2
    return symmetric


def compute_order(r: ArrayLike) -> list[int]:
    """Return the columns in an order that puts alike ones side by side.

    Average linkage on the distance, leaves in optimal order (Bar-Joseph et al., 2001).
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = compute_distance(r)
    if len(distance) < 3:
        return list(range(len(distance)))
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [int(leaf) for leaf in leaves_list(tree)]


def compute_spanning_tree(r: ArrayLike) -> list[tuple[int, int]]:
    """Return the N-1 pairs of the minimum spanning tree of the distance."""
    import numpy as np
    from scipy.sparse.csgraph import minimum_spanning_tree

    # a distance of zero would be read as no edge
    tree = minimum_spanning_tree(compute_distance(r) + 1e-12 * (1 - np.eye(len(np.asarray(r)))))
    return [(int(a), int(b)) for a, b in zip(*tree.nonzero(), strict=True)]


def compute_clusters(r: ArrayLike, together: float = 0.5) -> list[int]:
    """Return the cluster of each column, counted from 1 in the order of `compute_order`.

    The average-linkage tree is cut where the pairs between two branches correlate at less
    than `together` on average distance (Mantegna and Stanley, Econophysics, 2000, ch. 13).
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distance = compute_distance(r)
    if len(distance) < 2:
        return [1] * len(distance)
    tree = linkage(squareform(distance, checks=False), "average")
    labels = fcluster(tree, np.sqrt(2 * (1 - together)), "distance")
    names: dict[int, int] = {}
    for place in compute_order(r):
        names.setdefault(int(labels[place]), len(names) + 1)
    return [names[int(label)] for label in labels]


def compute_tree_layout(size: int, edges: list[tuple[int, int]]) -> list[tuple[float, float]]:
    """Return a place in the unit square for each of `size` nodes of a tree.

    From left to right as far as from the node with most neighbours, leaves evenly spread
    from top to bottom, the others amid theirs (Wetherell and Shannon, IEEE Trans. Softw.
    Eng. 5, 1979). No two edges cross.
    """
    near: dict[int, list[int]] = {node: [] for node in range(size)}
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    places: dict[int, tuple[float, float]] = {}
    leaves = 0
    for root in sorted(near, key=lambda node: -len(near[node])):
        stack = [] if root in places else [(root, root, 0, False)]
        while stack:
            node, parent, depth, seen = stack.pop()
            below = sorted((x for x in near[node] if x != parent), key=lambda x: len(near[x]))
            if below and not seen:
                places[node] = (depth, 0.0)
                stack.append((node, parent, depth, True))
                stack += [(each, node, depth + 1, False) for each in below]
            elif below:
                heights = [places[each][1] for each in below]
                places[node] = (depth, (min(heights) + max(heights)) / 2)
            else:
                places[node] = (depth, leaves)
                leaves += 1
    deepest = max((x for x, _ in places.values()), default=0) or 1
    return [
        (places[node][0] / deepest, (places[node][1] + 0.5) / max(leaves, 1))
        for node in range(size)
    ]

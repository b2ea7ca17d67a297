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

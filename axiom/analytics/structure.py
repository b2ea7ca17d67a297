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

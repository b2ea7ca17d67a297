"""Who matters in a graph, and who belongs together: links in, numbers by node out.

Links are undirected and weighted: (a, b, weight), each pair once. For larger graphs than
ours networkx or igraph would do the same; neither is needed for anything else here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Link = tuple[str, str, float]
Weights = dict[str, dict[str, float]]
DAMPING = 0.85
ROUNDS = 100
ENOUGH = 1e-10


def compute_degrees(links: Sequence[Link]) -> dict[str, tuple[int, float]]:
    """Return each node's number of neighbours and the sum of its links' weights."""
    around = _around(links)
    return {node: (len(near), sum(near.values())) for node, near in around.items()}


def compute_pagerank(links: Sequence[Link]) -> dict[str, float]:
    """Return each node's PageRank; they sum to 1 (Brin and Page, 1998, weighted)."""
    from scipy.sparse import coo_array

    around = _around(links)
    place = {node: n for n, node in enumerate(sorted(around))}
    entries = [
        (place[b], place[a], weight / sum(near.values()))
        for a, near in around.items() for b, weight in near.items()
    ]  # fmt: skip
    if not entries:
        return {}
    rows, columns, values = zip(*entries, strict=True)
    size = len(place)
    flow = coo_array((values, (rows, columns)), shape=(size, size)).tocsr()
    rank = np.full(size, 1 / size)
    for _ in range(ROUNDS):
        before, rank = rank, DAMPING * (flow @ rank) + (1 - DAMPING) / size
        if np.abs(rank - before).sum() < ENOUGH:
            break
    return {node: float(rank[n]) for node, n in place.items()}


def compute_communities(links: Sequence[Link]) -> dict[str, str]:
    """Return each node's community, named by its first member (Blondel et al., 2008).

    Louvain: nodes move to the neighbouring community that gains most modularity, then
    communities become nodes. Nodes are taken in order of name, so equal input, equal output.
    """
    around = _around(links)
    member = {node: node for node in around}
    while True:
        homes = _settle(around)
        if len(set(homes.values())) == len(around):
            return _named(member)
        member = {node: homes[home] for node, home in member.items()}
        around = _merged(around, homes)


def compute_modularity(links: Sequence[Link], communities: Mapping[str, str]) -> float:
    """Return how much more links lie within communities than chance would put there, in [-½, 1]."""
    total = sum(weight for _, _, weight in links)
    strength: dict[str, float] = {}
    within = 0.0
    for a, b, weight in links:
        within += weight if communities[a] == communities[b] else 0.0
        for node in (a, b):
            home = communities[node]
            strength[home] = strength.get(home, 0.0) + weight
    return within / total - sum((each / (2 * total)) ** 2 for each in strength.values())


def compute_structure(links: Sequence[Link], company: str) -> dict[str, Any]:
    """Return who matters and who belongs together, of the nodes whose name begins with `company`.

    `companies` are by key, the rest of the name. Each has `degree`, `strength`, `pagerank` and
    the `community`, named by its first company. Companies are linked directly, and by what
    they share.
    """
    degrees, ranks = compute_degrees(links), compute_pagerank(links)
    homes = compute_communities(links)
    keys = sorted(node.removeprefix(company) for node in homes if node.startswith(company))
    named: dict[str, str] = {}
    for key in keys:
        named.setdefault(homes[company + key], key)
    figures = {
        key: {
            "degree": degrees[company + key][0],
            "strength": round(degrees[company + key][1], 4),
            "pagerank": round(ranks[company + key], 6),
            "community": named[homes[company + key]],
        }
        for key in keys
    }
    modularity = round(compute_modularity(links, homes), 4) if links else 0.0
    return {"companies": figures, "communities": len(named), "modularity": modularity}


def _around(links: Iterable[Link]) -> Weights:
    found: Weights = {}
    for a, b, weight in links:
        for one, other in ((a, b), (b, a)):
            near = found.setdefault(one, {})
            near[other] = near.get(other, 0.0) + weight
    return found


def _settle(around: Weights) -> dict[str, str]:
    home = {node: node for node in around}
    strength = {node: sum(near.values()) for node, near in around.items()}
    filled = dict(strength)
    twice = sum(strength.values())
    moved = True
    while moved:
        moved = False
        for node in sorted(around):
            best = _best_home(node, around[node], home, filled, strength[node] / twice)
            if best != home[node]:
                home[node], moved = best, True
            filled[best] += strength[node]
    return home


def _best_home(
    node: str, near: Mapping[str, float], home: Mapping[str, str], filled: dict[str, float],
    share: float,
) -> str:  # fmt: skip
    """The community that gains most; `node` is taken out of its own first."""
    own = home[node]
    filled[own] -= sum(near.values())
    towards: dict[str, float] = {own: 0.0}
    for other, weight in near.items():
        if other != node:
            towards[home[other]] = towards.get(home[other], 0.0) + weight
    gain = {each: weight - filled[each] * share for each, weight in towards.items()}
    best = max(sorted(gain), key=gain.__getitem__)
    return best if gain[best] > gain[own] + 1e-12 else own


def _merged(around: Weights, homes: Mapping[str, str]) -> Weights:
    found: Weights = {home: {} for home in homes.values()}
    for node, near in around.items():
        row = found[homes[node]]
        for other, weight in near.items():
            row[homes[other]] = row.get(homes[other], 0.0) + weight
    return found


def _named(member: Mapping[str, str]) -> dict[str, str]:
    first: dict[str, str] = {}
    for node in sorted(member):
        first.setdefault(member[node], node)
    return {node: first[home] for node, home in member.items()}

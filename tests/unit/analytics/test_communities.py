"""Centrality and communities, against graphs whose answer is known."""

import random

import pytest

from axiom.analytics.communities import (
    Link,
    compute_communities,
    compute_degrees,
    compute_modularity,
    compute_pagerank,
    compute_structure,
)

STAR: list[Link] = [("hub", f"leaf{n}", 1.0) for n in range(4)]


def planted(groups: int, size: int, within: float, between: float) -> list[Link]:
    chance, n = random.Random(3), groups * size
    return [
        (f"n{a:03}", f"n{b:03}", 1.0)
        for a in range(n)
        for b in range(a + 1, n)
        if chance.random() < (within if a // size == b // size else between)
    ]


def test_a_degree_counts_neighbours_and_a_strength_adds_weights() -> None:
    links = [("a", "b", 0.5), ("b", "a", 0.25), ("b", "c", 1.0)]
    assert compute_degrees(links) == {"a": (1, 0.75), "b": (2, 1.75), "c": (1, 1.0)}


def test_the_pagerank_of_a_star_is_the_one_worked_out_by_hand() -> None:
    ranks = compute_pagerank(STAR)
    hub = (0.15 / 5 + 0.85 * 4 * 0.15 / 5) / (1 - 0.85**2)
    assert ranks["hub"] == pytest.approx(hub)
    assert sum(ranks.values()) == pytest.approx(1)
    assert compute_pagerank([]) == {}


def test_planted_communities_are_found_and_named_by_their_first_member() -> None:
    links = planted(3, 30, 0.4, 0.02)
    found = compute_communities(links)
    assert set(found.values()) == {"n000", "n030", "n060"}
    assert all(int(node[1:]) // 30 == int(home[1:]) // 30 for node, home in found.items())


def test_the_same_links_in_another_order_give_the_same_communities() -> None:
    links = planted(4, 12, 0.5, 0.1)
    shuffled = [(b, a, w) for a, b, w in random.Random(1).sample(links, len(links))]
    assert compute_communities(shuffled) == compute_communities(links)


def test_modularity_is_that_of_two_cliques_joined_by_a_link() -> None:
    links = [(a, b, 1.0) for a, b in ("ab", "bc", "ac", "de", "ef", "df", "cd")]
    homes = compute_communities(links)
    assert homes == dict.fromkeys("abc", "a") | dict.fromkeys("def", "d")
    assert compute_modularity(links, homes) == pytest.approx(6 / 7 - 2 * (7 / 14) ** 2)


def test_the_structure_tells_of_companies_and_names_communities_by_them() -> None:
    links = [("Company:A", "Industry:x", 0.9), ("Company:B", "Industry:x", 0.9)]
    found = compute_structure(links, "Company:")
    assert found["companies"].keys() == {"A", "B"}
    assert {each["community"] for each in found["companies"].values()} == {"A"}
    assert compute_structure([], "Company:") == {
        "companies": {}, "communities": 0, "modularity": 0.0,
    }  # fmt: skip

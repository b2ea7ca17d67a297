"""How many edges are false, and how many true ones are found.

Each seed draws 100 series of 500 days: AR(1) of a coefficient of their own between 0.1 and
0.5, innovations from Student's t with three degrees of freedom. First all are independent:
any edge at q < 0.05 is false, so the share of seeds with one is the false discovery rate
(under the complete null the two are the same). Then ten disjoint pairs are given a
correlation of 0.3, and it is counted how many are found, and which share of what is found
is false. The harder settings stand below.

    python benchmarks/false_edges.py [seeds]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from axiom.analytics.correlation import compute_pearson
from axiom.analytics.pairs import compute_pairs
from axiom.analytics.ranks import compute_spearman
from axiom.analytics.significance import (
    compute_autocorrelation,
    compute_inflation,
    compute_p_value,
    compute_q_value,
)

Array = np.ndarray[Any, Any]
SERIES, PAIRS, RHO, WARM_UP = 100, 10, 0.3, 100
ABOVE = np.triu_indices(SERIES, 1)


@dataclass(frozen=True)
class World:
    """How the series are made."""

    name: str
    days: int = 500
    low: float = 0.1  # of the AR(1) coefficients
    high: float = 0.5
    tails: float = 3.0  # degrees of freedom
    volatility: float = 0.0  # of a calm and a wild time that all series share

    def draw(self, random: np.random.Generator) -> Array:
        """Return (days, SERIES) independent series."""
        memory = random.uniform(self.low, self.high, SERIES)
        x = random.standard_t(self.tails, (self.days + WARM_UP, SERIES))
        for day in range(1, len(x)):
            x[day] += memory * x[day - 1]
        return x[WARM_UP:] * self._mood(random)

    def _mood(self, random: np.random.Generator) -> Array:
        mood = np.zeros(self.days)
        for day in range(1, self.days):
            mood[day] = 0.95 * mood[day - 1] + 0.312 * random.normal()
        return np.exp(self.volatility * mood)[:, None]


def plant(x: Array) -> Array:
    """Give the first 2 * PAIRS columns, two by two, the correlation RHO."""
    x = x / x.std(axis=0)
    odd, even = x[:, 1 : 2 * PAIRS : 2], x[:, 0 : 2 * PAIRS : 2]
    odd[:] = RHO * even + np.sqrt(1 - RHO**2) * odd
    return x


def naive(x: Array) -> Array:
    """Student's p-value with all n days."""
    r, n = compute_pearson(x)
    return compute_p_value(r[ABOVE], n[ABOVE])


def effective(x: Array) -> Array:
    """Student's p-value with Pyper and Peterman's effective n, and nothing more."""
    r, n = compute_pearson(x)
    memory = compute_autocorrelation(x - x.mean(axis=0), 20)
    return compute_p_value(r[ABOVE], (n / compute_inflation(memory, memory, len(x)))[ABOVE])


def naive_ranks(x: Array) -> Array:
    """Spearman with all n days."""
    r, n = compute_spearman(x)
    return compute_p_value(r[ABOVE], n[ABOVE])


TESTS: dict[str, Callable[[Array], Array]] = {
    "naive Pearson": naive,
    "effective n alone": effective,
    "Axiom Pearson": lambda x: compute_pairs(x)["p"],
    "naive Spearman": naive_ranks,
    "Axiom Spearman": lambda x: compute_pairs(x, "spearman")["p"],
}
WORLDS = [
    World("AR 0.1-0.5, t3"),
    World("AR 0.5, t3", low=0.5),
    World("AR 0.5, normal", low=0.5, tails=1e6),
    World("AR 0.3, t4, shared volatility", low=0.3, high=0.3, tails=4, volatility=0.5),
    World("AR 0.3, t4, 60 days", days=60, low=0.3, high=0.3, tails=4),
]


def measure(world: World, seeds: int, tests: dict[str, Callable[[Array], Array]]) -> Iterator[Any]:
    """Yield for each test: its name, false edges under the null, found, false among found."""
    planted = (ABOVE[0] % 2 == 0) & (ABOVE[1] == ABOVE[0] + 1) & (ABOVE[0] < 2 * PAIRS)
    tally = {name: np.zeros(3) for name in tests}
    for seed in range(seeds):
        x = world.draw(np.random.default_rng(seed))
        y = plant(x)
        for name, test in tests.items():
            edges = compute_q_value(test(y)) < 0.05
            tally[name] += (
                bool((compute_q_value(test(x)) < 0.05).any()),
                edges[planted].mean(),
                edges[~planted].sum() / max(edges.sum(), 1),
            )
    for name, sums in tally.items():
        yield name, *(sums / seeds)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{seeds} seeds of {SERIES} series, edges at q < 0.05 (Benjamini-Hochberg)\n")
    print(f"{'':30}{'':20}  false, if all   of 10 planted   false among")
    print(f"{'world':30}{'p-value':20}  independent     at 0.3: found   what is found")
    for world in WORLDS:
        began = time.perf_counter()
        for name, null, found, false in measure(world, seeds, TESTS):
            print(f"{world.name:30}{name:20}{null:15.1%}{found:16.1%}{false:16.1%}", flush=True)
        print(f"{'':30}({time.perf_counter() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()

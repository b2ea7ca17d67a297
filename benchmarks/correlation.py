"""Correlations of N instruments over 500 days, 3% of them missing: time and peak memory.

In one run, on the same cores: pandas' `DataFrame.corr`; one dense matrix product of the same
shape, `A.T @ X`, and `X.T @ X`, of which NumPy does half of the multiplications, since it
sees that the result is symmetric (all is given in both); Pearson with n; and the full output:
r, n, effective n, interval, p, q and shrinkage, of columns without any relation and of a market
whose columns share a factor (r = 0.3 on average: nearly every p is small, and all are sorted for
q). Memory is the peak of a process of its own, above what it held before, in matrices of N x N
doubles. All take turns, pandas once, and the median counts. Before each, memory is written to and
given back: the host of a virtual machine takes what is idle away, and to get it again would be
the most of what is measured. Where other work shares the cores, the ratio of processor times says
more than that of wall times.

    python benchmarks/correlation.py [N ...]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from axiom.analytics.correlation import compute_pearson
from axiom.analytics.pairs import compute_pairs
from axiom.analytics.shrinkage import compute_shrinkage
from axiom.analytics.significance import compute_q_value

Array = np.ndarray[Any, Any]
DAYS, MISSING = 500, 0.03
SIZES = (25, 500, 2000, 5000)
MARKET, SHARE = "full, market", 0.3


def draw(size: int) -> Array:
    """Return (DAYS, size) returns with holes."""
    random = np.random.default_rng(0)
    x = 0.01 * random.standard_t(5, (DAYS, size))
    x[random.random(x.shape) < MISSING] = np.nan
    return x


def full(x: Array) -> Any:
    found = compute_pairs(x)
    return found, compute_q_value(found["p"]), found["r"] * (1 - compute_shrinkage(x))


def pandas_corr(x: Array) -> Any:
    import pandas as pd

    return pd.DataFrame(x).corr(min_periods=20)


def dense(x: Array) -> Any:
    return x.T @ x


def general(x: Array) -> Any:
    return x[0].T @ x[1]


WORK: dict[str, Callable[[Array], Any]] = {
    "X.T @ X": dense, "A.T @ X": general, "Pearson, n": compute_pearson, "full": full,
    MARKET: full, "pandas": pandas_corr,
}  # fmt: skip


def filled(name: str, x: Array) -> Array:
    if name == "A.T @ X":
        return np.nan_to_num(np.stack([x[::-1], x]))
    if name == MARKET:
        factor = 0.01 * np.random.default_rng(1).standard_t(5, (DAYS, 1))
        return np.sqrt(SHARE) * factor + np.sqrt(1 - SHARE) * x
    return np.nan_to_num(x) if name == "X.T @ X" else x


def touch_memory(size: int) -> None:
    np.empty((6, size, size)).fill(0.0)


def times(size: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor seconds."""
    x, spent = draw(size), dict[str, list[tuple[float, float]]]()
    for name, work in WORK.items():
        work(filled(name, draw(30)))  # imports
    for turn in range(11 if size <= 2000 else 5):
        for name, work in WORK.items():
            if turn and name == "pandas":
                continue
            given = filled(name, x)
            touch_memory(size)
            began, used = time.perf_counter(), time.process_time()
            work(given)
            now = time.perf_counter() - began, time.process_time() - used
            spent.setdefault(name, []).append(now)
    medians = {
        name: map(statistics.median, zip(*each, strict=True)) for name, each in spent.items()
    }
    return {name: (wall, cpu) for name, (wall, cpu) in medians.items()}


def peak(name: str, size: int) -> float:
    """MB at the peak of a process that does this alone."""
    command = [sys.executable, __file__, "--peak", name, str(size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def tell_peak(name: str, size: int) -> None:
    WORK[name](filled(name, draw(600)))  # imports, and the threads' own memory
    x = filled(name, draw(size))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = resident("VmRSS")
    kept = WORK[name](x)
    print((resident("VmHWM") - before) / 1024)
    del kept


def resident(field: str) -> int:
    """KB, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def of(spent: dict[str, tuple[float, float]], unit: str, name: str) -> str:
    """How many of one work another takes, by wall and by processor time."""
    (wall, cpu), (each, each_cpu) = spent[name], spent[unit]
    return f"{wall / each:10.1f}x{cpu / each_cpu:7.1f}x"


def main() -> None:
    if sys.argv[1:2] == ["--peak"]:
        tell_peak(sys.argv[2], int(sys.argv[3]))
        return
    sizes = [int(each) for each in sys.argv[1:]] or SIZES
    print(f"{DAYS} days, {MISSING:.0%} missing\n")
    print(f"{'N':>5} {'':12}{'ms':>8}{'CPU ms':>9}{'/ A.T @ X':>11}{'(CPU)':>8}"
          f"{'/ X.T @ X':>11}{'(CPU)':>8}"
          f"{'pandas / it':>13}{'MB':>6}{'/ N x N':>8}")  # fmt: skip
    for size in sizes:
        spent = times(size)
        for name, (wall, cpu) in spent.items():
            memory = peak(name, size)
            print(
                f"{size:>5} {name:12}{wall * 1e3:8.1f}{cpu * 1e3:9.1f}"
                f"{of(spent, 'A.T @ X', name)}{of(spent, 'X.T @ X', name)}"
                f"{spent['pandas'][0] / wall:12.1f}x{memory:6.0f}"
                f"{memory * 2**20 / 8 / size**2:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

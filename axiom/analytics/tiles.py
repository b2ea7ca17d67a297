"""Large matrices in square tiles that fit the cache, on all processors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

TILE = 512  # enough for products; what they read is the most of what they cost
STRIP = 64  # rows of a tile that fit the cache together with all that is made of them
_KEPT = 16 << 20  # bytes
_ONE_AT_A_TIME = threading.Lock()  # the number of BLAS threads belongs to the whole process


def cuts(part: slice) -> list[slice]:
    """Return a stretch of columns in as few equal pieces as are at most `TILE`."""
    size, count = part.stop - part.start, -(-(part.stop - part.start) // TILE)
    ends = [part.start + size * place // count for place in range(count + 1)] if count > 0 else []
    return [slice(*each) for each in pairwise(ends)]


def strips(rows: int) -> list[slice]:
    """Return the rows of a tile in pieces of at most `STRIP`."""
    return [slice(at, min(at + STRIP, rows)) for at in range(0, rows, STRIP)]


def upper_tiles(size: int) -> list[tuple[slice, slice]]:
    """Return the tiles on and above the diagonal of a (size, size) matrix, row by row."""
    pieces = cuts(slice(0, size))
    return [(rows, columns) for n, rows in enumerate(pieces) for columns in pieces[n:]]


class Scratch(threading.local):
    """Memory that each thread uses again for every tile: fresh pages cost more than the sums."""

    def __init__(self) -> None:
        import numpy as np

        self._kept: Any = np.empty((0, 0))

    def blocks(self, count: int, shape: tuple[int, int]) -> Any:
        """Return arrays of that shape, (count, *shape); they hold what they held."""
        import numpy as np

        size = shape[0] * shape[1]
        if self._kept.shape[0] < count or self._kept.shape[1] < size:
            self._kept = np.empty((count, size))
        return self._kept[:count, :size].reshape(count, *shape)


def on_all_processors(work: Callable[[Any], None], parts: list[Any]) -> None:
    """Do `work` for every part: a thread for each processor, and BLAS in each of them.

    NumPy, SciPy's sparse products and Bottleneck let go of the interpreter's lock.
    Threads inside of BLAS would find too little to do in a tile.
    """
    if len(parts) < 2:
        for part in parts:
            work(part)
        return
    _keep_freed_memory()
    with (
        _ONE_AT_A_TIME,
        _blas().limit(limits=1, user_api="blas"),
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for _ in pool.map(work, parts):
            pass


def _keep_freed_memory() -> None:
    """Let the C library keep what is freed for the next tile, up to twice as much as this.

    GNU's gives the end of the heap back whenever more is free than twice the largest block
    that was freed so far; to have it back costs more than the sums. Elsewhere this does nothing.
    """
    import numpy as np

    np.empty(_KEPT, dtype=np.uint8)


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

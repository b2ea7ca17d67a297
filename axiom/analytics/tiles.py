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
STRIP = 1 << 15  # pairs of a tile that fit the cache together with all that is made of them
_FEW = 6  # pieces, of which larger tiles keep all processors busy
_KEPT = 16 << 20  # bytes
_ONE_AT_A_TIME = threading.Lock()  # the number of BLAS threads belongs to the whole process


def cuts(part: slice) -> list[slice]:
    """Return a stretch of columns in equal pieces: of at most `TILE`, or twice that if many."""
    size = part.stop - part.start
    count = max(min(-(-size // TILE), _FEW), -(-size // (2 * TILE)))
    ends = [part.start + size * place // count for place in range(count + 1)] if count > 0 else []
    return [slice(*each) for each in pairwise(ends)]


def strips(shape: tuple[int, ...]) -> list[slice]:
    """Return the rows of a tile in pieces of about `STRIP` pairs."""
    rows, step = shape[0], max(STRIP // max(shape[1], 1), 1)
    return [slice(at, min(at + step, rows)) for at in range(0, rows, step)]


def upper_tiles(rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    """Return the tiles of a matrix that reach above its diagonal, row by row."""
    return [(i, j) for i in cuts(rows) for j in cuts(columns) if i.start < j.stop]


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


def on_all_processors(work: Callable[[Any], Any], parts: list[Any]) -> list[Any]:
    """Return `work` of every part: a thread for each processor, and BLAS in each of them.

    NumPy, SciPy's sparse products and Bottleneck let go of the interpreter's lock.
    Threads inside of BLAS would find too little to do in a tile.
    """
    if len(parts) < 2:
        return [work(part) for part in parts]
    _keep_freed_memory()
    with (
        _ONE_AT_A_TIME,
        _blas().limit(limits=1, user_api="blas"),
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        return list(pool.map(work, parts))


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

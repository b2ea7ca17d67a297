"""Give memory back that was let go of: glibc keeps it for each thread, and after imports."""

from __future__ import annotations

import ctypes
import gc
from functools import cache
from typing import Any

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's mallopt


@cache
def _glibc() -> Any:
    found = ctypes.CDLL(None)
    return found if hasattr(found, "malloc_trim") else None  # musl and macOS have none


def use_one_arena() -> None:
    """Have one heap for all threads, and what is large returned when it is let go of.

    For a process of many threads that mostly wait: else there is a heap for each.
    """
    if libc := _glibc():
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, 128 * 1024)


def trim() -> None:
    """Return what is free now, such as what reading modules needed."""
    gc.collect()
    if libc := _glibc():
        libc.malloc_trim(0)

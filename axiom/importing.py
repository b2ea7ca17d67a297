"""Keep libraries from importing what they would use if it is there, and we do not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Make these packages look missing to what is imported in the block.

    A package that is imported already stays. For optional parts of other
    libraries that cost each process megabytes and do nothing here.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)

"""A soft time limit, as a worker has it: an error that a signal raises, whatever runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def ended_after(seconds: float, error: type[Exception] = TimeoutError) -> Iterator[None]:
    """Raise an error in the main thread, once what it waits for in C has returned."""

    def end(*_: Any) -> None:
        raise error

    before = signal.signal(signal.SIGUSR1, end)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(signal.SIGUSR1, before)

"""Keep what steps say: the log lines that are bound to a run, handed to a store in batches.

A thread hands lines over a quarter of a second after a step has ended (what ends meanwhile goes
with them), and otherwise once a second: a killed process loses no more than its last second.
A step's attempt keeps `MOST_LINES`, then says how many more there were. While the store is away
lines wait in memory, up to `MOST_WAITING`; they were on stderr anyway. The thread starts with
the first line: a process that says nothing of a run has none.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from axiom.telemetry.logs import read_record

MOST_LINES, MOST_WAITING = 1000, 5000
MOST_TEXT = 8000  # characters of a line or a traceback
EVERY_S, GATHER_S, IDLE_S = 1.0, 0.25, 30.0
Key = tuple[str, str, str, int]
_NAMED = ("run", "step", "item", "attempt", "event", "level", "worker", "timestamp", "task")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a step, or the run itself (no step), has logged."""

    run_id: str
    step: str
    item: str
    attempt: int
    at: datetime
    level: str
    text: str
    worker: str | None
    facts: dict[str, Any]

    @property
    def key(self) -> Key:
        """Whose it is."""
        return self.run_id, self.step, self.item, self.attempt


@dataclass(frozen=True, slots=True)
class Sink:
    """Where lines go. `keep` raises when they are not kept; `rest` lets go of what it holds."""

    keep: Callable[[Sequence[Line]], None]
    rest: Callable[[], None]


class Buffer:
    """The lines of this process on their way to the store."""

    def __init__(self, sink: Sink, every_s: float = EVERY_S) -> None:
        self._sink, self._every_s = sink, every_s
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin anew, as a child of the pool does: its parent's lines are its parent's."""
        self._lines: deque[Line] = deque()
        self._counts: Counter[Key] = Counter()
        self._lost = 0
        self._lock, self._flushing = threading.Lock(), threading.Lock()
        self._some, self._now = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, line: Line) -> None:
        """Take a line, unless its step has said enough."""
        with self._lock:
            self._counts[line.key] += 1
            if self._counts[line.key] <= MOST_LINES:
                self._put(line)

    def end(self, key: Key) -> None:
        """Say that an attempt has ended: its lines are handed over now."""
        with self._lock:
            more = self._counts.pop(key, 0) - MOST_LINES
            if more > 0:
                text = f"… {more} more lines"
                self._put(Line(*key, datetime.now(UTC), "warning", text, None, {}))
        self._now.set()

    def _put(self, line: Line) -> None:
        if len(self._lines) >= MOST_WAITING:
            self._lines.popleft()
            self._lost += 1
        self._lines.append(line)
        self._some.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log-lines", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            if not self._some.wait(IDLE_S):
                self._sink.rest()
                self._some.wait()
            if self._now.wait(self._every_s):
                time.sleep(min(GATHER_S, self._every_s))
            self._now.clear()
            if not self.flush():
                self._now.wait(self._every_s)  # the store is away; not at once again

    def flush(self) -> bool:
        """Hand over what there is; False when the store is away, and the lines wait on."""
        with self._flushing:
            with self._lock:
                self._some.clear()
                lines, lost = list(self._lines), self._lost
            if not lines:
                return True
            try:
                self._sink.keep(lines)
            except Exception as error:  # whatever it is, work must not end for its log
                _log.warning("log_lines_wait", lines=len(lines), lost=lost, error=str(error))
                self._some.set()
                return False
            with self._lock:
                for _ in range(len(lines) - (self._lost - lost)):
                    self._lines.popleft()
                if self._lines:
                    self._some.set()
            return True


class Handler(logging.Handler):
    """Gives the lines that are bound to a run to a buffer."""

    def __init__(self, buffer: Buffer) -> None:
        super().__init__()
        self.buffer = buffer

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, if a run is bound."""
        bound = structlog.contextvars.get_contextvars()
        if "run" not in bound:
            return
        try:
            self.buffer.add(_line(record, read_record(record)))
        except Exception:
            self.handleError(record)


def _line(record: logging.LogRecord, facts: dict[str, Any]) -> Line:
    rest = {name: value for name, value in facts.items() if name not in _NAMED}
    if "exception" in rest:
        rest["exception"] = str(rest["exception"])[-MOST_TEXT:]
    return Line(
        run_id=str(facts["run"]),
        step=str(facts.get("step", "")),
        item=str(facts.get("item", "")),
        attempt=int(facts.get("attempt", 0)),
        at=datetime.fromtimestamp(record.created, UTC),
        level=record.levelname.lower(),
        text=str(facts.get("event", ""))[:MOST_TEXT],
        worker=facts.get("worker"),
        facts=rest,
    )


_buffer: Buffer | None = None


def install(sink: Sink) -> Buffer:
    """Keep, from now on, what is logged while a run is bound; replaces an earlier sink."""
    global _buffer
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not isinstance(each, Handler)]
    _buffer = Buffer(sink)
    root.addHandler(Handler(_buffer))
    return _buffer


def step_ended(run_id: str, step: str, item: str, attempt: int) -> None:
    """Hand over the lines of an attempt that has ended."""
    if _buffer is not None:
        _buffer.end((run_id, step, item, attempt))


def flush() -> None:
    """Hand over what there is, now; for a process that ends."""
    if _buffer is not None:
        _buffer.flush()

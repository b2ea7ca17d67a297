"""What is seen of a step from outside: its facts on every log line, its last line, its span."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import structlog

from axiom.telemetry import log_lines, traces

log = structlog.get_logger("axiom.step")
Seen = Callable[[str, str], None]  # told how it ended (done, retry, failed), and the error


@contextmanager
def observed(run_id: str, pipeline: str, step: str, item: str, attempt: int) -> Iterator[Seen]:
    """Bind an attempt's facts to what is logged meanwhile; call what is given when it ended."""
    began_s = perf_counter()
    span: dict[str, str | int] = {
        "axiom.run": run_id, "axiom.step": step, "axiom.item": item, "axiom.attempt": attempt,
    }  # fmt: skip

    def seen(outcome: str, error: str) -> None:
        seconds = round(perf_counter() - began_s, 3)
        traced(outcome, error)
        if outcome == "done":
            log.info("step_succeeded", seconds=seconds)
        elif outcome == "retry":
            log.warning("step_put_off", seconds=seconds, error=error)
        else:
            log.error("step_failed", seconds=seconds, error=error)

    bound = structlog.contextvars.bound_contextvars(
        run=run_id, pipeline=pipeline, step=step, item=item, attempt=attempt
    )
    with bound, traces.step(pipeline, span) as traced:
        try:
            yield seen
        finally:
            log_lines.step_ended(run_id, step, item, attempt)

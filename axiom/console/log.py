"""The log lines of a run, as telemetry keeps them."""

from __future__ import annotations

from typing import Any

from axiom.console.web import Console

LINES = 200


async def log_lines(console: Console, run_id: str, step: str | None) -> Any:
    """Return the last lines of a run or one of its steps, in order, or why they are `Missing`."""
    from axiom.stores.log_lines import LogLines

    return await console.part(lambda: LogLines(console.postgres).newest(run_id, step, limit=LINES))

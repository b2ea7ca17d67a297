"""`axiom logs`: what steps said."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from axiom.errors import ConfigError
from axiom.model import RunState

if TYPE_CHECKING:
    from rich.text import Text

    from axiom.stores.log_lines import LogLine

LEVELS = ("debug", "info", "warning", "error", "critical")
POLL_S = 1.0
COLOURS = {"warning": "yellow", "error": "red", "critical": "red bold"}
LATE = 1000  # places: lines of another process may arrive after later ones


def logs(
    run_id: str | None, step: str | None, level: str, limit: int, *, follow: bool, as_json: bool
) -> None:
    """Print the newest lines, oldest first; with `follow` also those that come."""
    if level not in LEVELS:
        raise ConfigError(
            "--level", f"no level {level!r}; choose {', '.join(LEVELS[:-1])} or {LEVELS[-1]}"
        )
    try:
        for line in _found(run_id, step, limit, follow=follow):
            if LEVELS.index(line.level) >= LEVELS.index(level):
                _print(line, whose=run_id is None, as_json=as_json)
    except KeyboardInterrupt:
        pass


def _found(run_id: str | None, step: str | None, limit: int, *, follow: bool) -> Iterator[LogLine]:
    from axiom.tasks.services import services

    ledger, store = services().ledger, services().log_lines
    whole_id = ledger.run(run_id).id if run_id else None
    first = store.newest(whole_id, step, limit=limit)
    seen = {line.n for line in first}
    yield from first
    while follow:
        # looked at before the lines: what is said up to the end is then shown too
        over = whole_id is not None and ledger.run(whole_id).state not in ACTIVE
        for line in store.newest(whole_id, step, limit=LATE):
            if line.n not in seen and (not seen or line.n > max(seen) - LATE):
                seen.add(line.n)
                yield line
        if over:
            return
        time.sleep(POLL_S)


ACTIVE = (RunState.QUEUED, RunState.RUNNING)


def _print(line: LogLine, *, whose: bool, as_json: bool) -> None:
    from rich.console import Console

    if as_json:
        print(json.dumps(asdict(line), default=str), flush=True)  # noqa: T201
    else:
        Console(highlight=False).print(_text(line, whose=whose), soft_wrap=False)


def _text(line: LogLine, *, whose: bool) -> Text:
    """Time, whose it is, and what; a traceback below."""
    from rich.text import Text

    text = Text(f"{line.at:%H:%M:%S} ", style="dim", end="")
    whole = Text()
    whole.append_text(text)
    if whose:
        whole.append(f"{line.run_id[:8]} ", style="dim")
    place = "/".join(filter(None, (line.step, line.item))) or "run"
    whole.append(place + (f" (attempt {line.attempt})" if line.attempt > 1 else ""), style="cyan")
    whole.append(f" {line.text}", style=COLOURS.get(line.level, ""))
    facts = {k: v for k, v in line.facts.items() if k not in ("logger", "pipeline", "exception")}
    whole.append("".join(f" {name}={_short(value)}" for name, value in facts.items()), style="dim")
    if trace := line.facts.get("exception"):
        whole.append(f"\n{trace}", style="dim")
    return whole


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

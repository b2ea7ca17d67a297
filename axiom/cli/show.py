"""What the commands print: tables for people, JSON for programs. Fits 80 columns."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from axiom.model import Run, StepRow, to_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {
    "succeeded": "green", "partial": "yellow", "failed": "red", "running": "cyan",
    "retrying": "yellow", "paused": "yellow", "skipped": "dim", "cancelled": "dim",
    "queued": "dim", "pending": "dim", "never ran": "dim",
}  # fmt: skip
MANY_ITEMS = 12  # mapped steps beyond this many are counted, not listed
# of what a step handed on, a person sees this much; the whole of it is in the JSON
LONG_NAME, LONG_VALUE, LONG_FACTS, LONG_REASON = 20, 40, 160, 160
REFERENCES = ("axiom:artifact:", "memory:")


def say(text: str) -> None:
    """Print one line."""
    console().print(text, highlight=False, markup=False, soft_wrap=True)


def say_or_json(text: str, value: Any, *, as_json: bool) -> None:
    """Print a sentence, or the value as one line of JSON."""
    if as_json:
        print_json(value)
    else:
        say(text)


def print_json(value: Any) -> None:
    """Print one line of JSON; times are ISO 8601."""
    sys.stdout.write(json.dumps(value, default=_plain) + "\n")


def console() -> Console:
    """The terminal; made late, because rich is not free."""
    from rich.console import Console

    return Console()


def runs(found: Sequence[Run], *, as_json: bool) -> None:
    """Print runs, one a line."""
    if as_json:
        print_json([_run_json(each) for each in found])
        return
    if not found:
        say("No runs. Ask for one: axiom trigger ingestion")
        return
    table = new_table("run", "pipeline", "logical time", "state", "seconds")
    for each in found:
        table.add_row(
            each.id[:8], each.pipeline, moment(each.logical_at), coloured(each.state),
            seconds(each.duration_s),
        )  # fmt: skip
    _print_with_reasons(table, [(each.id[:8], each.reason) for each in found])


def run(
    found: Run,
    steps: Sequence[StepRow],
    *,
    as_json: bool,
    outputs: bool = False,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print one run and its steps; `more` has its attempts that failed and its calls of Claude."""
    if as_json:
        told = {"steps": [to_json(step) for step in steps]}
        print_json(_run_json(found) | told | dict(more or {}))
        return
    out = console()
    took = "" if found.duration_s is None else f"in {seconds(found.duration_s)} s "
    out.print(
        f"[bold]{found.pipeline}[/] at {moment(found.logical_at)}: {coloured(found.state)} "
        f"{took} [dim]{found.engine}, {found.trigger}[/]",
        highlight=False,
    )
    out.print(f"[dim]run {found.id}[/]", highlight=False)
    if found.params:
        out.print(literal(f"with {shorten(facts(found.params), LONG_FACTS)}"))
    if calls := [row for row in (more or {}).get("calls", ()) if not row["imitation"]]:
        usd, n = sum(row["usd"] for row in calls), sum(row["calls"] for row in calls)
        out.print(literal(f"Claude: {n} calls, ${usd:.4f}"))
    if found.reason:
        out.print(literal(found.reason))
    if not steps:
        return
    table = new_table("step", "state", "tries", "seconds", "what it said" if outputs else "error")
    for name in dict.fromkeys(step.name for step in steps):
        for row in _step_rows([step for step in steps if step.name == name], outputs):
            table.add_row(*row)
    out.print(table)


def _step_rows(steps: Sequence[StepRow], outputs: bool) -> list[tuple[Any, ...]]:
    if len(steps) > MANY_ITEMS:
        return _counted(steps)
    return [
        (
            f"{step.name} {step.item}".strip(), coloured(step.state), str(step.attempt),
            seconds(_took(step)), _said(step, outputs),
        )
        for step in steps
    ]  # fmt: skip


def _counted(steps: Sequence[StepRow]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for state in dict.fromkeys(step.state for step in steps):
        same = [step for step in steps if step.state == state]
        took = [_took(step) or 0.0 for step in same]
        errors = {step.error for step in same if step.error}
        items = ", ".join(step.item for step in same[:5]) + (" …" if len(same) > 5 else "")
        rows.append((
            f"{same[0].name} ×{len(same)}", coloured(state), str(max(s.attempt for s in same)),
            seconds(max(took)), literal("; ".join(sorted(errors)) or items),
        ))  # fmt: skip
    return rows


def _said(step: StepRow, outputs: bool) -> Any:
    if step.error or not outputs or step.output is None:
        return literal(step.error)
    return literal(facts(step.output))


def facts(output: Any) -> str:
    """What a step handed on, short: `rows=25 gaps=none`; references are left out."""
    if not isinstance(output, Mapping) or any(len(str(key)) > LONG_NAME for key in output):
        held = fact(output)
        return f"{held} items" if held.isdigit() and _is_nested(output) else held
    told = [f"{key}={fact(value)}" for key, value in output.items() if not _is_reference(value)]
    return shorten(" ".join(told), LONG_FACTS)


def fact(value: Any) -> str:
    """One value; what is long or nested is counted."""
    if _is_nested(value):
        return _facts_within(value) if value else "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    return shorten(str(value).removesuffix("+00:00"), LONG_VALUE)


def _facts_within(value: Any) -> str:
    pairs = isinstance(value, Mapping)
    inner = list(value.values()) if pairs else list(value)
    told = [f"{key}:{fact(each)}" for key, each in value.items()] if pairs else map(fact, inner)
    line = ",".join(told)
    return str(len(value)) if len(line) > LONG_VALUE or any(map(_is_nested, inner)) else line


def shorten(text: str, most: int) -> str:
    """Text of one line and at most this length; what is cut off becomes an ellipsis."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    return (cut[: cut.rfind(" ")] if " " in cut else cut) + "…"


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(REFERENCES)


def _is_nested(value: Any) -> bool:
    return isinstance(value, list | Mapping)


def status(rows: Sequence[Mapping[str, Any]], now: datetime, *, as_json: bool) -> None:
    """Print how each pipeline stands."""
    if as_json:
        print_json({"at": now, "pipelines": list(rows)})
        return
    table = new_table("pipeline", "last run", "logical time", "last good", "next")
    for row in rows:
        good = f"{ago(row['good_at'], now)} ago" if row["good_at"] else "never"
        table.add_row(
            row["pipeline"], coloured(row["state"]), moment(row["last_at"]),
            good if row["fresh"] else f"[yellow]{good}[/]",
            f"in {ago(now, row['next_at'])}" if row["next_at"] else "-",
        )  # fmt: skip
    _print_with_reasons(table, [(row["pipeline"], row["reason"]) for row in rows])


def _print_with_reasons(table: Table, reasons: Sequence[tuple[str, str | None]]) -> None:
    # below the table: beside it they would have ten columns of eighty
    from rich.padding import Padding
    from rich.table import Table

    out, notes = console(), Table.grid(padding=(0, 2, 0, 0))
    notes.add_column(no_wrap=True)
    notes.add_column(overflow="fold")
    for name, reason in reasons:
        if reason:
            notes.add_row(name, literal(shorten(reason, LONG_REASON)))
    out.print(table)
    if notes.row_count:
        out.print(Padding(notes, (0, 0, 0, 1)))


def new_table(*columns: str, wraps: bool = False) -> Table:
    """A table with a line below its heads; `wraps`: every column may, not only what is long."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in columns:
        long = wraps or name in ("error", "what it said", "step", "runs", "schedule (UTC)")
        right = name in ("seconds", "tries", "done")
        table.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=not long,
            overflow="fold" if long else "ellipsis",
        )
    return table


def moment(at: datetime | None) -> str:
    """A time to the second, UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def seconds(value: float | None) -> str:
    """Seconds with as many digits as matter."""
    return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def ago(earlier: datetime | None, later: datetime | None) -> str:
    """The time between two moments, in its largest unit."""
    if earlier is None or later is None:
        return "-"
    left = max((later - earlier).total_seconds(), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if left >= size:
            return f"{left / size:.0f} {unit}"
    return f"{left:.0f} s"


def coloured(state: str) -> str:
    """A state in its colour."""
    colour = COLOURS.get(state, "white")
    return f"[{colour}]{state}[/]"


def literal(value: str | None) -> Any:
    """Text in which nothing is markup."""
    from rich.text import Text

    return Text(value or "")  # never markup: errors hold what a provider sent


def _took(step: StepRow) -> float | None:
    if step.started_at is None or step.ended_at is None:
        return None
    return (step.ended_at - step.started_at).total_seconds()


def _run_json(found: Run) -> dict[str, Any]:
    value: dict[str, Any] = to_json(found)
    return value | {"duration_s": found.duration_s}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)

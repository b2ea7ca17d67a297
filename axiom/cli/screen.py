"""The monitor's frame, drawn: no line wraps, and none is beyond the terminal's last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from axiom.cli import show
from axiom.cli.alerts import COLOURS
from axiom.cli.processes import age
from axiom.model import one_line

MB = 2**20
HEAD = "bold"
LOST = "red"
Rows = Sequence[Mapping[str, Any]]


def draw(frame: Mapping[str, Any], width: int, height: int) -> RenderableType:
    """Draw a frame for a terminal of this size."""
    processes = frame.get("processes") or []
    middle = max(5, min(len(processes), 9) + 1)
    left = max(height - 1 - 5 - middle - 1, 4)
    reasons = _reasons(frame)[: max(left - 4, 1)]
    left = max(left - len(reasons), 4)
    alerts = _alerts(frame, min(max(left // 2, 2), len(frame.get("alerts") or []) + 1 or 2))
    runs = _runs(frame, max(left - len(alerts), 2))
    now = frame["at"]
    return Group(
        _title(frame, width),
        _pipelines(frame, now),
        _lines(reasons, width),
        _side_by_side(_queues(frame), _processes(frame, middle - 1), width),
        _lines(runs, width),
        _lines(alerts, width),
        _foot(frame, width),
    )


def _title(frame: Mapping[str, Any], width: int) -> Text:
    line = Text(f"axiom  {frame['at']:%H:%M:%S} UTC ", style="bold", no_wrap=True)
    for each in frame.get("services") or []:
        line.append(f"  {each['name']} ", "")
        line.append("●", "green" if each["up"] else "bold red")
    line.truncate(width, overflow="ellipsis")
    return line


def _pipelines(frame: Mapping[str, Any], now: datetime) -> Table:
    table = _table("pipeline", "last run", "logical time", ">last good", ">next")
    for row in frame.get("pipelines") or []:
        good = f"{show.ago(row['good_at'], now)} ago" if row["good_at"] else "never"
        table.add_row(
            row["pipeline"], show.coloured(row["state"]), show.moment(row["last_at"]),
            good if row["fresh"] else f"[yellow]{good}[/]",
            show.ago(now, row["next_at"]) if row["next_at"] else "-",
        )  # fmt: skip
    return _filled(table, 4, frame, "pipelines")


def _reasons(frame: Mapping[str, Any]) -> list[Text]:
    """Say of each pipeline why it stands so, in a line of its own: a column is too narrow."""
    return [
        Text(f"{row['pipeline']}: ").append(one_line(row["reason"]), "dim")
        for row in frame.get("pipelines") or []
        if row["reason"]
    ]


def _queues(frame: Mapping[str, Any]) -> Table:
    table = _table("queue", ">waits", ">oldest", ">held")
    for row in frame.get("queues") or []:
        table.add_row(row["name"], str(row["depth"]), age(row["oldest_s"]), str(row["unacked"]))
    return _filled(table, 4, frame, "queues")


def _processes(frame: Mapping[str, Any], most: int) -> Table:
    table = _table("process", "state", ">busy", ">MB", ">up")
    rows = frame.get("processes") or []
    for row in rows[:most]:
        alive = "[green]alive[/]" if row["alive"] else f"[red]gone {age(row['seen_s'])}[/]"
        up_s = (row["seen_at"] - row["started_at"]).total_seconds()
        table.add_row(
            Text(row["name"]), alive, f"{row['busy']}/{row['size']}" if row["size"] else "-",
            f"{row['memory_bytes'] / MB:.0f}" if row["memory_bytes"] else "-", age(up_s),
        )  # fmt: skip
    if len(rows) > most:
        table.caption = f"and {len(rows) - most} more: axiom workers"
    return _filled(table, 0, frame, "processes")


def _runs(frame: Mapping[str, Any], lines: int) -> list[Text]:
    rows = sorted(frame.get("runs") or [], key=lambda row: row["state"] not in ACTIVE)
    found = [Text("runs", style=HEAD)]
    for row in rows[: lines - 1]:
        line = Text(f"{row['id'][:8]} {row['pipeline']:<12}")
        line.append(f"{row['state']:<10}", show.COLOURS.get(row["state"], ""))
        line.append(f"{row['logical_at'][:19].replace('T', ' ')} {_took(row)}  ")
        line.append(one_line(row["reason"] or ""), "dim")
        found.append(line)
    if not rows:
        found.append(_missing(frame, "runs", "none yet"))
    return found


ACTIVE = ("queued", "running")


def _took(row: Mapping[str, Any]) -> str:
    return f"{show.seconds(row['duration_s']):>6}" + (" s" if row["duration_s"] else "  ")


def _alerts(frame: Mapping[str, Any], lines: int) -> list[Text]:
    rows = frame.get("alerts") or []
    more = len(rows) - (lines - 1)
    head = Text(f"alerts ({len(rows)})" if rows else "alerts", style=HEAD)
    if more > 0:
        head.append(f"  {more} more: axiom alerts", "not bold dim")
    found = [head]
    for row in rows[: lines - 1]:
        line = Text(f"{row['severity']:<9}", style=COLOURS.get(row["severity"], ""))
        line.append(f"{row['id'][:8]} ", "not bold default")
        line.append(one_line(row["subject"]), "not bold default")
        found.append(line)
    if not rows:
        found.append(_missing(frame, "alerts", "none"))
    return found


def _foot(frame: Mapping[str, Any], width: int) -> Text:
    parts = []
    if frame.get("memory_bytes") is not None:
        parts.append(f"memory {frame['memory_bytes'] / MB:.0f} MB")
    if budget := frame.get("budget"):
        parts.append(f"today ${budget['spent_usd']:.2f} of ${budget['limit_usd']:.2f}")
        parts.append(f"breaker {frame['breaker']}")
    elif frame.get("analyst"):
        parts.append(f"analyst {frame['analyst']}, $0")
    line = Text("   ".join([*parts, "q quits"]), style="dim", no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line


def _side_by_side(left: Table, right: Table, width: int) -> Table:
    both: Table = Table.grid(padding=(0, 2, 0, 0))
    both.add_column(no_wrap=True)
    both.add_column(no_wrap=True)
    both.add_row(left, right)
    return both


def _lines(lines: Sequence[Text], width: int) -> Group:
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return Group(*lines)


def _filled(table: Table, rows: int, frame: Mapping[str, Any], what: str) -> Table:
    """Say what is missing, and keep the height, so that nothing jumps."""
    if not table.row_count:
        table.add_row(_missing(frame, what, "none"))
    for _ in range(rows - table.row_count):
        table.add_row("")
    return table


def _missing(frame: Mapping[str, Any], what: str, nothing: str) -> Text:
    if what in frame:
        return Text(nothing, style="dim")
    source = "broker" if what in ("queues", "processes") else "ledger"
    error = frame["errors"].get(source)
    return Text(f"not known: {one_line(error)}" if error else "asking", style=LOST if error else "")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style=HEAD)
    for name in columns:
        table.add_column(
            name.lstrip(">"), justify="right" if name.startswith(">") else "left", no_wrap=True,
            overflow="ellipsis",
        )  # fmt: skip
    return table

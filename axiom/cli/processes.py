"""`axiom queues` and `axiom workers`: what waits, and who works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from axiom.cli import show
from axiom.errors import NotNow, UnknownName
from axiom.model import to_json

if TYPE_CHECKING:
    from rich.table import Table

    from axiom.tasks.state import QueueState, WorkerState

GONE = 6  # the exit code
MB = 2**20
LONG = ("process", "queues", "workers")


def queues(*, as_json: bool) -> None:
    """Print the queues."""
    from axiom.tasks import state

    found, workers = state.queues(), state.workers()
    if as_json:
        told = [to_json(each) | {"workers": consumers(each.name, workers)} for each in found]
        show.print_json(told)
        return
    show.console().print(queue_table(found, workers))


def consumers(queue: str, workers: Sequence[WorkerState]) -> list[str]:
    """The names of the living workers of a queue."""
    return [each.name for each in workers if each.alive and queue in each.queues]


def queue_table(found: Sequence[QueueState], workers: Sequence[WorkerState]) -> Table:
    """The queues as a table."""
    table = _table("queue", ">waiting", ">oldest", ">in hand", "workers")
    for each in found:
        names = consumers(each.name, workers)
        table.add_row(
            each.name, str(each.depth), age(each.oldest_s), str(each.unacked),
            ", ".join(names) if names else "[red]none[/]",
        )  # fmt: skip
    return table


def workers(*, as_json: bool) -> int:
    """Print the processes; 6 when one is gone."""
    from axiom.tasks import state

    found = state.workers()
    if as_json:
        show.print_json([to_json(each) for each in found])
    elif found:
        show.console().print(worker_table(found))
    else:
        show.say("No process is known. Start them: axiom up")
    return GONE if any(not each.alive for each in found) else 0


def worker_table(found: Sequence[WorkerState]) -> Table:
    """The processes as a table."""
    table = _table("process", "state", "queues", ">busy", ">MB", ">up", ">deaths")
    for each in found:
        alive = "[green]alive[/]" if each.alive else f"[red]gone {age(each.seen_s)}[/]"
        table.add_row(
            each.name, alive, ", ".join(each.queues), busy(each),
            f"{each.memory_bytes / MB:.0f}" if each.memory_bytes else "-",
            age((each.seen_at - each.started_at).total_seconds()), str(each.deaths or ""),
        )  # fmt: skip
    return table


def busy(each: WorkerState) -> str:
    """Slots at work, of all."""
    return "-" if each.size is None else f"{each.busy}/{each.size}"


def age(seconds: float | None) -> str:
    """A length of time, short."""
    from axiom.tasks.alerting.rules import span

    return "-" if seconds is None else span(seconds)


def forget(name: str, *, as_json: bool) -> None:
    """Take a process that is gone off the list."""
    from axiom.tasks import state

    found = {each.name: each for each in state.workers()}
    if name in found and found[name].alive:
        raise NotNow(f"{name} lives: it was heard of {found[name].seen_s:.0f} s ago")
    if not state.heartbeats().forget(name):
        raise UnknownName(f"no process {name!r} is known; list them: axiom workers")
    show.say_or_json(f"{name} is forgotten", {"forgotten": name}, as_json=as_json)


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in columns:
        justify: Any = "right" if name.startswith(">") else "left"
        # what is long gives way, and nothing else
        table.add_column(name.lstrip(">"), justify=justify, no_wrap=name not in LONG)
    return table

"""`axiom runs show` and `axiom runs compare`: what there is to know of runs that were."""

from __future__ import annotations

from typing import Any

from axiom.cli import show
from axiom.errors import UnknownRun
from axiom.ledger.compare import differences
from axiom.ledger.history import History
from axiom.model import Run


def history() -> History:
    """Return what pages ask of the past."""
    from axiom.tasks.services import services

    return History(services().postgres)


def of_run(found: Run) -> dict[str, Any]:
    """Return a run's attempts that came to nothing, and its calls of Claude by step and model."""
    past = history()
    return {"attempts": past.attempts(found), "calls": past.calls(found.id)}


def compare(run_id: str, other: str | None, *, every: bool, as_json: bool) -> None:
    """Print what differs between a run and another, by default the one before it.

    Raises:
        UnknownRun: there is none of that id, or none before it.
    """
    past = history()
    run = past.run(run_id)
    with_id = other or past.neighbours(run).get("before")
    if with_id is None:
        raise UnknownRun(f"there is no run before {run.id[:8]}; name the other one")
    a, b = past.compare(with_id, run.id)
    parts = {
        heading: [pair for pair in pairs if every or pair[1] != pair[2]]
        for heading, pairs in differences(a, b)
    }
    if as_json:
        told = [
            {"part": part, "name": name, "a": one, "b": two}
            for part, pairs in parts.items()
            for name, one, two in pairs
        ]
        show.print_json({"a": a.run.id, "b": b.run.id, "differences": told})
        return
    table = show.new_table("what differs", a.run.id[:8], b.run.id[:8], wraps=True)
    for part, pairs in parts.items():
        if pairs:
            table.add_row(f"[bold]{part}[/]")
        for name, *both in pairs:
            table.add_row(show.literal(f"  {name}"), *(show.literal(_shown(x)) for x in both))
    show.console().print(table)


def _shown(value: Any) -> str:
    return "-" if value is None else show.shorten(show.fact(value), show.LONG_VALUE)

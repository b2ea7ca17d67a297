"""What the commands print of schedules, backfills and the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from axiom.cli.show import (
    ago,
    coloured,
    console,
    facts,
    literal,
    moment,
    new_table,
    print_json,
    say,
    shorten,
)

if TYPE_CHECKING:
    from axiom.ledger.actions import AuditRow
    from axiom.ledger.backfills import Backfill
    from axiom.ledger.schedules import Schedule

LONG_DETAILS = 60


def schedules(found: Sequence[Schedule], now: datetime, *, as_json: bool) -> None:
    """Print when pipelines run."""
    if as_json:
        print_json([each.told(now) for each in found])
        return
    made = new_table("pipeline", "schedule (UTC)", "missed slots", "next", "changed by")
    for each in found:
        due = each.next_at(now)
        made.add_row(
            each.pipeline, literal(each.slots.spec), str(each.catch_up),
            f"in {ago(now, due)}" if due else coloured("paused"),
            literal("default" if each.is_default else each.changed_by),
        )  # fmt: skip
    console().print(made)


def backfills(found: Sequence[Backfill], *, as_json: bool, alone: bool = False) -> None:
    """Print backfills and how far they have come."""
    if as_json:
        rows = [asdict(each) for each in found]
        print_json(rows[0] if alone else rows)
        return
    if not found:
        say("No backfills. Ask for one: axiom backfill ingestion --since 2026-01-31T14:00:00Z")
        return
    made = new_table("backfill", "pipeline", "from", "state", "done", "runs")
    for each in found:
        states = " ".join(f"{state} {n}" for state, n in sorted(each.states.items()))
        there = f"there {each.existed}" if each.existed else ""
        made.add_row(
            each.id[:8], each.pipeline, moment(each.since), coloured(each.state),
            f"{each.claimed + each.existed}/{each.total}",
            literal(shorten(f"{states} {there}", LONG_DETAILS)),
        )  # fmt: skip
    console().print(made)


def audit(found: Sequence[AuditRow], *, as_json: bool) -> None:
    """Print who did what."""
    if as_json:
        print_json([asdict(each) for each in found])
        return
    if not found:
        say("Nobody did anything yet.")
        return
    made = new_table("when (UTC)", "who", "action", "what it said")
    for each in found:
        named = [each.pipeline, each.run_id[:8] if each.run_id else None]
        details = [
            f"{key}={_detail(value)}" for key, value in each.details.items() if value is not None
        ]
        told = " ".join(filter(None, [*named, *details]))
        made.add_row(moment(each.at), literal(each.by), each.action, literal(told))
    console().print(made)


def _detail(value: object) -> str:
    if isinstance(value, dict):
        return facts(value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)

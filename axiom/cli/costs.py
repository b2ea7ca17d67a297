"""`axiom costs` and `axiom budget`: what Claude was paid, and what it may be paid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from axiom.cli import show
from axiom.cli.actions import who
from axiom.errors import ConfigError
from axiom.model import utcnow

if TYPE_CHECKING:
    from axiom.tasks.claude import Claude

SCOPES = ("day", "pipeline", "run")
_AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
GROUPS = ("pipeline", "model", "company", "day")


def costs(by: str, days: int, *, as_json: bool) -> None:
    """Print what was paid in the last days, today included, by group."""
    if by not in GROUPS:
        raise ConfigError("--by", f"{by!r} is none of {', '.join(GROUPS)}")
    today = utcnow().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=days - 1)
    claude = _claude()
    rows = claude.book.costs(by, since)  # type: ignore[arg-type]
    if as_json:
        told = {"by": by, "since": since, "prices_as_of": claude.prices_as_of}
        show.print_json(told | _totals(rows) | {"rows": [_plain(row) for row in rows]})
        return
    if not rows:
        show.say(f"Claude was asked nothing since {since:%Y-%m-%d}.")
        return
    show.console().print(_table(by, rows))
    show.say(f"Since {since:%Y-%m-%d} UTC, at the prices of {claude.prices_as_of}.")
    show.say("A lost call counts at its worst case.")
    if any(row["imitation"] for row in rows):
        show.say("What an imitation answered was paid to nobody, and is not in the sum.")


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: float(v) if isinstance(v, Decimal) else v for name, v in row.items()}


def _totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    totals = {False: Decimal(0), True: Decimal(0)}
    for row in rows:
        totals[row["imitation"]] += row["usd"]
    return {"usd": float(totals[False]), "imitation_usd": float(totals[True])}


def _table(by: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column(by, footer="all")
    bad = [name for name in ("failed", "lost") if any(row[name] for row in rows)]
    for name in ("calls", *bad, "input", "cached", "output"):
        table.add_column(name, justify="right")
    table.add_column("USD", justify="right", footer=f"{_totals(rows)['usd']:.4f}")
    for row in rows:
        cached = row["cache_read"] / row["input_tokens"] if row["input_tokens"] else 0
        table.add_row(
            f"{row['key']}{' (imitation)' if row['imitation'] else ''}",
            str(row["calls"]), *(str(row[name]) for name in bad),
            f"{int(row['input_tokens']):,}", f"{cached:.0%}", f"{int(row['output_tokens']):,}",
            f"{row['usd']:.4f}",
        )  # fmt: skip
    return table


def budget(limits: Mapping[str, str | None], *, reset: bool, as_json: bool) -> None:
    """Set limits that go before the settings, or forget them; print how budgets stand."""
    wanted = {scope: _dollars(scope, text) for scope, text in limits.items() if text is not None}
    if wanted and reset:
        raise ConfigError("--reset", "sets all limits back; leave it out to set one")
    if wanted or reset:  # all of them are in order by now
        from axiom.tasks import operate

        operate.set_budget(dict.fromkeys(SCOPES) if reset else wanted, by=who())
    rows = _claude().standing()
    if as_json:
        show.print_json([_plain(row) for row in rows])
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("budget")
    for name in ("limit USD", "spent", "reserved", "left"):
        table.add_column(name, justify="right")
    table.add_column("set by")
    for row in rows:
        amounts = (row["limit_usd"], row["spent_usd"], row["reserved_usd"], row["left_usd"])
        shown = [f"{amount:.4f}" if amount is not None else "" for amount in amounts]
        table.add_row(row["budget"], *shown, row["set_by"])
    show.console().print(table)


def _dollars(scope: str, text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text):
        raise ConfigError(
            f"--{scope}", f"{text!r} is not an amount of dollars below a million, such as 2.50"
        )
    return Decimal(text)


def _claude() -> Claude:
    from axiom.tasks.services import services

    return services().claude

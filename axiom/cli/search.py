"""`axiom search`: events and profiles by their meaning."""

from __future__ import annotations

from typing import Any

from axiom.cli import show
from axiom.errors import ConfigError


def search(text: str, kinds: list[str] | None, limit: int, *, as_json: bool) -> None:
    """Show what is nearest to a question."""
    from axiom.stores.search import KINDS
    from axiom.tasks.services import services

    if wrong := set(kinds or ()) - set(KINDS):
        raise ConfigError("--kind", f"{min(wrong)!r} is none of {', '.join(KINDS)}")
    found = services()
    rows = found.search(text, found.market.name, kinds or KINDS, limit)
    if as_json:
        show.print_json(rows)
        return
    if not rows:
        show.say("Nothing was found; events and profiles come with: axiom trigger events | graph")
        return
    for row in rows:
        show.say(f"{row['similarity']:.2f}  {_head(row)}")
        show.say(f"      {show.shorten(row['text'], 72)}")


def _head(row: dict[str, Any]) -> str:
    tickers = ", ".join(row["tickers"]) or "-"
    if row["kind"] == "profile":
        return f"profile  {tickers}"
    return f"event  {row['at']:%Y-%m-%d %H:%M}  {row['type']}  {show.shorten(tickers, 30)}"

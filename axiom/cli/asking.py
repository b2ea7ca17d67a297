"""The commands that ask for what was found: graph, search, prices, export.

Only their arguments; what they do is imported when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AsOf = Annotated[
    str | None, typer.Option(help="As it was known then, such as 2026-01-31T14:00:00Z.")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)]
Company = Annotated[str, typer.Argument(help="A ticker, a name, or a part of one.")]
Since = Annotated[str | None, typer.Option(help="After this time, such as 2026-01-31T14:00:00Z.")]
Until = Annotated[str | None, typer.Option(help="Up to this time (default: the newest tick).")]


class _CompanyFirst(TyperGroup):
    """What is no subcommand is a company: `axiom graph AAPL`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        words = args if args[0] in self.commands else ["show", *args]
        return super().resolve_command(ctx, words)


asking = typer.Typer()
graph_cli = typer.Typer(
    cls=_CompanyFirst, invoke_without_command=True, subcommand_metavar="[COMPANY | COMMAND]",
    help="The company graph: who is linked to whom, and why.",
)  # fmt: skip
asking.add_typer(graph_cli, name="graph")


def _of(context: typer.Context, as_of: str | None) -> str | None:
    """The moment, on either side of the company: it is the same question."""
    given: str | None = context.parent.params.get("as_of") if context.parent else None
    return as_of or given


@graph_cli.callback()
def graph(context: typer.Context, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Show the graph's size; as JSON, all of its edges with their evidence."""
    if context.invoked_subcommand is None:
        from axiom.cli.graph import overview

        overview(as_of, as_json=as_json)


@graph_cli.command("show")
def graph_show(
    context: typer.Context,
    company: Company,
    as_of: AsOf = None,
    valid_at: Annotated[
        str | None, typer.Option(help="Only what held in the world at that time.")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, max=2, help="Steps from the company.")] = 1,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show a company's edges with their evidence."""
    from axiom.cli.graph import show_company

    show_company(company, _of(context, as_of), valid_at, depth, limit, as_json=as_json)


@graph_cli.command("history")
def graph_history(
    context: typer.Context,
    company: Company,
    as_of: AsOf = None,
    limit: Limit = 30,
    as_json: AsJson = False,
) -> None:
    """Show what was recorded and what was closed, newest first."""
    from axiom.cli.graph import history

    history(company, _of(context, as_of), limit, as_json=as_json)


@graph_cli.command("path")
def graph_path(
    context: typer.Context,
    company: Company,
    other: Company,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Show how two companies are linked, and why."""
    from axiom.cli.graph import path

    path(company, other, _of(context, as_of), as_json=as_json)


@graph_cli.command("top")
def graph_top(
    context: typer.Context,
    by: Annotated[str, typer.Option(help="degree | strength | pagerank")] = "pagerank",
    as_of: AsOf = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show the best linked companies, as of the last run."""
    from axiom.cli.graph import top

    top(by, _of(context, as_of), limit, as_json=as_json)


@graph_cli.command("communities")
def graph_communities(context: typer.Context, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Show which companies belong together, as of the last run."""
    from axiom.cli.graph import communities

    communities(_of(context, as_of), as_json=as_json)


@asking.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for, in plain words.")],
    kind: Annotated[
        list[str] | None, typer.Option(help="event | profile; repeatable (default: both).")
    ] = None,
    limit: Limit = 10,
    as_json: AsJson = False,
) -> None:
    """Find events and profiles by their meaning, the nearest first."""
    from axiom.cli.search import search as command

    command(text, kind, limit, as_json=as_json)


@asking.command()
def prices(
    ticker: str,
    bars: Annotated[str, typer.Option(help="minute | day")] = "day",
    since: Since = None,
    until: Until = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="As observed: no splits, no dividends.")
    ] = False,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show a ticker's bars and the gaps between them."""
    from axiom.cli.prices import prices as command

    command(ticker, bars, since, until, raw=raw, limit=limit, as_json=as_json)


@asking.command()
def export(
    what: Annotated[str, typer.Argument(help="prices | events | correlations | edges")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    format: Annotated[str | None, typer.Option(help="csv | parquet (default: by name).")] = None,
    since: Since = None,
    until: Until = None,
    as_of: Annotated[str | None, typer.Option(help="Of edges: as they were known then.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write rows to a file, whole or not at all.

    In a CSV, texts that a spreadsheet would take for a formula get an apostrophe; Parquet
    holds every text as it is.
    """
    from axiom.cli.export import export as command

    command(what, output, format, since, until, as_of, as_json=as_json)

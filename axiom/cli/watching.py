"""The commands that look at what runs: alerts, queues, workers, doctor, monitor, universe.

Only their arguments; what they do is imported when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from axiom.model import PIPELINES

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
GRAVE = "Exit code 6 when there is a critical alert that nobody acknowledged or muted."
alerts_cli = typer.Typer(
    help=f"What a person should know, the gravest first. {GRAVE}", invoke_without_command=True
)
universe_cli = typer.Typer(
    help="What is watched: instruments and companies.", invoke_without_command=True
)
watching = typer.Typer()
watching.add_typer(alerts_cli, name="alerts")
watching.add_typer(universe_cli, name="universe")


def _mutable() -> list[str]:
    from axiom.tasks.alerting.rules import RULES

    return [*RULES, *PIPELINES]


What = Annotated[
    str,
    typer.Argument(
        help="A rule, a pipeline, or a cause such as queue_deep/io.", autocompletion=_mutable
    ),
]


@alerts_cli.callback()
def alerts(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="What has passed too, and news; the newest first.")
    ] = False,
    rule: Annotated[
        str | None, typer.Option(help="With --all: of one rule.", autocompletion=_mutable)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List what is open, the gravest first."""
    if context.invoked_subcommand is None:
        from axiom.cli.alerts import history, list_open

        if every or rule:
            history(rule, limit, as_json=as_json)
            return
        raise typer.Exit(list_open(limit, as_json=as_json))


@alerts_cli.command("list", help=f"List what is open. {GRAVE}")
def alerts_list(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List what is open."""
    from axiom.cli.alerts import list_open

    raise typer.Exit(list_open(limit, as_json=as_json))


@alerts_cli.command("ack")
def alerts_ack(
    alert: Annotated[str, typer.Argument(help="An alert's id, the start of it, or its cause.")],
    as_json: AsJson = False,
) -> None:
    """Say that you look after it: no reminder comes, an all-clear does."""
    from axiom.cli.alerts import acknowledge

    acknowledge(alert, as_json=as_json)


@alerts_cli.command("mute")
def alerts_mute(
    what: What,
    duration: Annotated[str, typer.Option("--for", help="Such as 30min, 2h or 1d.")] = "1h",
    as_json: AsJson = False,
) -> None:
    """Send nothing about it for a while; it is still recorded."""
    from axiom.cli.alerts import mute

    mute(what, duration, as_json=as_json)


@alerts_cli.command("unmute")
def alerts_unmute(what: What, as_json: AsJson = False) -> None:
    """Send again; what is still open is told now."""
    from axiom.cli.alerts import unmute

    unmute(what, as_json=as_json)


@alerts_cli.command("test")
def alerts_test(as_json: AsJson = False) -> None:
    """Send a test by every channel; exit code 1 when one fails."""
    from axiom.cli.alerts import send_test

    raise typer.Exit(send_test(as_json=as_json))


@watching.command()
def queues(as_json: AsJson = False) -> None:
    """Show each queue: what waits, for how long, and who works on it."""
    from axiom.cli.processes import queues as command

    command(as_json=as_json)


@watching.command()
def workers(
    forget: Annotated[
        str | None, typer.Option(help="Take one that is gone for good off the list.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the processes: workers, beat, Flower, console. Exit code 6 when one is gone."""
    from axiom.cli.processes import forget as forget_one
    from axiom.cli.processes import workers as command

    if forget:
        forget_one(forget, as_json=as_json)
        return
    raise typer.Exit(command(as_json=as_json))


@watching.command()
def doctor(as_json: AsJson = False) -> None:
    """Check each service and setting. Exit code 1 when one fails."""
    from axiom.cli.doctor import doctor as command

    raise typer.Exit(command(as_json=as_json))


@watching.command()
def monitor(
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end.")] = False,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between frames.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="One frame as JSON.")] = False,
) -> None:
    """Watch everything in this terminal; q ends it."""
    from axiom.cli.monitor import monitor as command

    command(once=once, interval_s=interval, as_json=as_json)


@universe_cli.callback()
def universe(
    context: typer.Context,
    ticker: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what is watched."""
    if context.invoked_subcommand is None:
        from axiom.cli.universe import show_universe

        show_universe(ticker, as_json=as_json)


@universe_cli.command("check")
def universe_check(
    file: Annotated[Path, typer.Argument(help="A JSON file, for AXIOM_UNIVERSE.")],
    as_json: AsJson = False,
) -> None:
    """Check a universe file before it is used."""
    from axiom.cli.universe import check

    raise typer.Exit(check(file, as_json=as_json))

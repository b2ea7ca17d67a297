"""The `axiom` command. Each command imports what it needs when it runs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from axiom.cli.asking import asking
from axiom.cli.entering import entering
from axiom.cli.watching import AsJson, watching
from axiom.errors import (
    AxiomError,
    ConfigError,
    NotNow,
    StoreUnavailable,
    UnknownAlert,
    UnknownName,
    UnknownPipeline,
    UnknownRun,
)
from axiom.inputs import parse_params
from axiom.model import PIPELINES

EXIT_CODES = (
    "Exit codes: 0 done. 1 it failed, or a run that was waited for ended badly. "
    "2 wrong usage or setting. 3 refused: the state of the run or pipeline does not allow it. "
    "4 no such run, pipeline, alert or name. 5 a server cannot be reached. "
    "6 something is wrong now: a critical alert, a process that is gone."
)
CODES: list[tuple[type[AxiomError], int]] = [
    (ConfigError, 2), (NotNow, 3), (UnknownRun, 4), (UnknownPipeline, 4), (UnknownAlert, 4),
    (UnknownName, 4), (StoreUnavailable, 5),
]  # fmt: skip

cli = typer.Typer(
    name="axiom",
    help="Market intelligence on a Celery task queue.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,  # drawing the help with rich takes longer than all else
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs_cli = typer.Typer(help="The ledger's runs, newest first.", invoke_without_command=True)
cli.add_typer(runs_cli, name="runs")
cli.add_typer(watching)
cli.add_typer(asking)
cli.add_typer(entering)


def _pipeline(value: str) -> str:
    if value not in PIPELINES:
        *others, last = PIPELINES
        raise UnknownPipeline(f"no pipeline {value!r}; choose {', '.join(others)} or {last}")
    return value


Pipeline = Annotated[
    str,
    typer.Argument(
        help=" | ".join(PIPELINES), callback=_pipeline, autocompletion=lambda: list(PIPELINES)
    ),
]
PipelineOrNone = Annotated[
    str | None,
    typer.Argument(
        help=" | ".join(PIPELINES) + "; none: list what there is.",
        callback=lambda value: _pipeline(value) if value else None,
        autocompletion=lambda: list(PIPELINES),
    ),
]
At = Annotated[
    str | None, typer.Option(help="Logical time, such as 2026-01-31T14:00:00Z (default: now).")
]


def _recent_runs(incomplete: str) -> list[str]:
    from axiom.tasks.services import services

    try:
        return [run.id for run in services().ledger.runs(limit=50) if run.id.startswith(incomplete)]
    except AxiomError:  # a completion has nowhere to complain
        return []


RunId = Annotated[
    str,
    typer.Argument(help="A run's id, or the start of it.", autocompletion=_recent_runs),
]


def _known_params(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from axiom.tasks.flows import flow_of

    name = ctx.params.get("pipeline")
    return [(f"{p.name}=", p.help) for p in flow_of(name).params] if name in PIPELINES else []


Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", metavar="NAME=VALUE", autocompletion=_known_params,
        help="For this run; repeatable. A wrong name is told those that there are.",
    ),
]  # fmt: skip


@cli.command()
def up(
    once: Annotated[
        bool, typer.Option("--once", help="Run each pipeline once, show what happened, stop.")
    ] = False,
    fake_claude: Annotated[
        bool, typer.Option("--fake-claude", help="Ask an imitation of Claude; nobody is paid.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: one JSON object on the last line.")
    ] = False,
) -> None:
    """Start everything here: missing servers, workers, beat, Flower."""
    from axiom.cli.commands import up as command

    raise typer.Exit(command(once=once, fake_claude=fake_claude, as_json=as_json))


@cli.command()
def release() -> None:
    """Bring the stores' schemas up to date."""
    from axiom.cli.commands import release as command

    command()


@cli.command()
def console() -> None:
    """Serve the console: pages, live state, actions, JSON API."""
    from axiom.config import settings
    from axiom.console.serve import serve

    serve(settings())


@cli.command()
def run(
    pipeline: Pipeline,
    at: At = None,
    params: Params = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; show what would be.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline in this process, without a broker (LangGraph)."""
    from axiom.cli.commands import run_here

    raise typer.Exit(run_here(pipeline, at, _parsed(params), dry_run=dry_run, as_json=as_json))


@cli.command()
def trigger(
    pipeline: Pipeline,
    at: At = None,
    params: Params = None,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="Also while another run is active.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the workers to run a pipeline now."""
    from axiom.cli.actions import trigger as command

    raise typer.Exit(
        command(pipeline, at, _parsed(params), overlap=overlap, wait=wait, as_json=as_json)
    )


@cli.command()
def pause(
    pipeline: Pipeline,
    reason: Annotated[str | None, typer.Option(help="Kept with the pause, and shown.")] = None,
    as_json: AsJson = False,
) -> None:
    """Stop a pipeline's schedule; what a person asks for still runs."""
    from axiom.cli.actions import pause as command

    command(pipeline, reason, as_json=as_json)


@cli.command()
def resume(pipeline: Pipeline, as_json: AsJson = False) -> None:
    """Let a paused pipeline's schedule go on."""
    from axiom.cli.actions import resume as command

    command(pipeline, as_json=as_json)


@cli.command()
def cancel(
    run_id: RunId,
    reason: Annotated[str | None, typer.Option(help="Kept with the run, and shown.")] = None,
    as_json: AsJson = False,
) -> None:
    """End an active run; what it stored stays, nothing more is done."""
    from axiom.cli.actions import cancel as command

    command(run_id, reason, as_json=as_json)


@cli.command()
def retry(
    run_id: RunId,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a failed, partial or cancelled run go on from what failed."""
    from axiom.cli.actions import retry as command

    raise typer.Exit(command(run_id, wait=wait, as_json=as_json))


@cli.command()
def backfill(
    pipeline: PipelineOrNone = None,
    since: Annotated[str | None, typer.Option(help="The first logical time.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this one (default: now).")] = None,
    cancel: Annotated[
        str | None, typer.Option(metavar="ID", help="Cancel a backfill and its active runs.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a range of logical times behind the live work; each once."""
    from axiom.cli.actions import backfill as command

    raise typer.Exit(command(pipeline, since, until, cancelled=cancel, wait=wait, as_json=as_json))


@cli.command()
def schedule(
    pipeline: PipelineOrNone = None,
    spec: Annotated[
        str | None, typer.Argument(help="'every 5m', or cron in UTC: '*/5 * * * *'.")
    ] = None,
    catch_up: Annotated[
        str | None,
        typer.Option(
            help="Missed slots: none, latest, or all:N (the newest N).",
            autocompletion=lambda: ["none", "latest", "all:24"],
        ),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Back to what celeryconfig.py says.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show when pipelines run, or change it; beat follows within 5 s."""
    from axiom.cli.actions import schedule as command

    command(pipeline, spec, catch_up, default=default, as_json=as_json)


@cli.command()
def audit(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show who did what, newest first."""
    from axiom.cli.actions import audit as command

    command(limit, as_json=as_json)


@cli.command()
def status(as_json: AsJson = False) -> None:
    """Show each pipeline: its last run, freshness, next run, pause."""
    from axiom.cli.commands import status as command

    command(as_json=as_json)


@cli.command()
def logs(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's id, or the start of it.")
    ] = None,
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends, or Ctrl-C.")
    ] = False,
    level: Annotated[
        str, typer.Option(help="From which level on: debug | info | warning | error")
    ] = "info",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000)] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what the steps of a run said, or those of all runs."""
    from axiom.cli.logs import logs as command

    command(run_id, step, level, limit, follow=follow, as_json=as_json)


@cli.command()
def costs(
    by: Annotated[str, typer.Option(help="pipeline | model | company | day")] = "pipeline",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days back, today included.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show what Claude was paid."""
    from axiom.cli.costs import costs as command

    command(by, days, as_json=as_json)


def _dollars(whose: str) -> Any:
    return typer.Option(metavar="USD", show_default=False, help=f"A new limit {whose}.")


@cli.command()
def budget(
    day: Annotated[str | None, _dollars("of a day")] = None,
    pipeline: Annotated[str | None, _dollars("of each pipeline in a day")] = None,
    run: Annotated[str | None, _dollars("of each run")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to the settings.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what Claude may be paid, or change it."""
    from axiom.cli.costs import budget as command

    limits = {"day": day, "pipeline": pipeline, "run": run}
    command(limits, reset=reset, as_json=as_json)


@runs_cli.callback()
def runs(
    context: typer.Context,
    pipeline: Annotated[str | None, typer.Option(help=" | ".join(PIPELINES))] = None,
    state: Annotated[
        str | None, typer.Option(help="Only runs in this state, such as failed.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    if context.invoked_subcommand is None:
        from axiom.cli.commands import runs as command

        command(_pipeline(pipeline) if pipeline else None, state, limit, as_json=as_json)


@runs_cli.command("show")
def runs_show(
    run_id: RunId,
    as_json: AsJson = False,
) -> None:
    """Show one run: its steps, attempts and errors."""
    from axiom.cli.commands import show_run

    show_run(run_id, as_json=as_json)


@runs_cli.command("compare")
def runs_compare(
    run_id: RunId,
    other: Annotated[
        str | None,
        typer.Argument(help="Default: the run before it.", autocompletion=_recent_runs),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="What is the same, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what differs from another run."""
    from axiom.cli.past import compare

    compare(run_id, other, every=every, as_json=as_json)


def _parsed(params: list[str] | None) -> dict[str, Any]:
    try:
        return parse_params(params or ())
    except ConfigError as error:
        raise typer.BadParameter(error.problem) from error


def main() -> None:
    """Run the command; an error that Axiom means is one sentence, not a traceback."""
    try:
        cli(prog_name="axiom")
    except AxiomError as error:
        sys.exit(_complain(error, next((n for kind, n in CODES if isinstance(error, kind)), 1)))


def _complain(error: AxiomError, code: int) -> int:
    print(f"axiom: {error}", file=sys.stderr)  # noqa: T201
    return code

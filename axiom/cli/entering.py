"""The commands of who may come in: accounts and tokens. Only their arguments."""

from __future__ import annotations

from typing import Annotated

import typer

from axiom.cli.watching import AsJson

user_cli = typer.Typer(help="Who may use the console.", no_args_is_help=True)
token_cli = typer.Typer(help="Tokens for the console's API.", no_args_is_help=True)
entering = typer.Typer()
entering.add_typer(user_cli, name="user")
entering.add_typer(token_cli, name="token")
Role = Annotated[str, typer.Option(help="viewer (looks) | operator (acts)")]


@user_cli.command("add")
def user_add(
    name: str,
    role: Annotated[
        str | None, typer.Option(help="viewer (looks; the default) | operator (acts)")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Give one that is there another password.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add an account; its password is asked for, or read from stdin."""
    from axiom.cli.access import add_user

    add_user(name, role, replace=replace, as_json=as_json)


@user_cli.command("list")
def user_list(as_json: AsJson = False) -> None:
    """List the accounts."""
    from axiom.cli.access import list_users

    list_users(as_json=as_json)


@user_cli.command("remove")
def user_remove(name: str, as_json: AsJson = False) -> None:
    """Remove an account; its logins end."""
    from axiom.cli.access import remove_user

    remove_user(name, as_json=as_json)


@token_cli.command("create")
def token_create(
    name: Annotated[str, typer.Option(help="What it is for, such as ci.")],
    role: Role = "viewer",
    as_json: AsJson = False,
) -> None:
    """Make a token; it is shown this once."""
    from axiom.cli.access import create_token

    create_token(name, role, as_json=as_json)


@token_cli.command("list")
def token_list(as_json: AsJson = False) -> None:
    """List the tokens, without their secrets."""
    from axiom.cli.access import list_tokens

    list_tokens(as_json=as_json)


@token_cli.command("revoke")
def token_revoke(name: str, as_json: AsJson = False) -> None:
    """Make a token stop working, within seconds."""
    from axiom.cli.access import revoke_token

    revoke_token(name, as_json=as_json)

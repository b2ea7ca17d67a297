"""`axiom user` and `axiom token`: who may use the console and its API."""

from __future__ import annotations

import getpass
import secrets
import sys
from typing import TYPE_CHECKING, Any

from axiom.cli import show
from axiom.cli.actions import who
from axiom.console.access import known_role
from axiom.errors import AxiomError, NotNow, UnknownName
from axiom.inputs import require_name

if TYPE_CHECKING:
    from axiom.console.access import Access
    from axiom.stores.accounts import AccountStore


def add_user(name: str, role: str | None, *, replace: bool, as_json: bool) -> None:
    """Add an account, or (`replace`) give it another password; a terminal is asked for it.

    Raises:
        NotNow: there is one of that name, and it is not to be replaced.
    """
    from axiom.tasks import operate

    store, access = _access()
    was = store.get(require_name(name))
    if was and not replace:
        raise NotNow(f"there is an account {name!r}; another password for it: --replace")
    role = known_role(role or (was["role"] if was else "viewer"))
    password, made = _password()
    with operate.audited("user add", by=who(), user=name, role=role, replaced=bool(was) or None):
        access.put_account(name, role, password, by=who())
    facts = {"name": name, "role": role} | ({"password": password} if made else {})
    told = f"; password, shown this once: {password}" if made else ""
    show.say_or_json(f"{name} is a {role} now{told}", facts, as_json=as_json)


def _password() -> tuple[str, bool]:
    """Read one, or make one where none is given; say which."""
    if not sys.stdin.isatty():
        given = sys.stdin.readline().rstrip("\n")
        return (given, False) if given else (secrets.token_urlsafe(18), True)
    first = getpass.getpass("Password (empty: have one made): ")
    if not first:
        return secrets.token_urlsafe(18), True
    if getpass.getpass("Again: ") != first:
        raise AxiomError("the two passwords differ; nothing was changed")
    return first, False


def list_users(*, as_json: bool) -> None:
    """Print every account."""
    _table(_access()[0].all(), ("name", "role", "sessions", "seen_at", "created_by"), as_json)


def remove_user(name: str, *, as_json: bool) -> None:
    """Remove an account; its logins end."""
    from axiom.config import settings
    from axiom.tasks import operate

    if name == settings().console_user:
        raise NotNow(f"{name!r} is the built-in account; AXIOM_CONSOLE_USER names it")
    with operate.audited("user remove", by=who(), user=name[:200]):
        if not _access()[0].remove(name):
            raise UnknownName(f"there is no account {name!r}; see: axiom user list")
    show.say_or_json(f"{name} is removed, its logins are over", {"name": name}, as_json=as_json)


def create_token(name: str, role: str, *, as_json: bool) -> None:
    """Make a token and print it, this once."""
    from axiom.tasks import operate

    with operate.audited("token create", by=who(), token=require_name(name), role=known_role(role)):
        secret = _access()[1].make_token(name, role, by=who())
    show.say_or_json(
        f"{name}, {role}; shown this once:\n{secret}",
        {"name": name, "role": role, "token": secret},
        as_json=as_json,
    )


def list_tokens(*, as_json: bool) -> None:
    """Print every token, without its secret."""
    _table(_access()[0].tokens(), ("name", "role", "created_at", "created_by", "used_at"), as_json)


def revoke_token(name: str, *, as_json: bool) -> None:
    """Make a token stop working."""
    from axiom.tasks import operate

    with operate.audited("token revoke", by=who(), token=name[:200]):
        if not _access()[0].remove_token(name):
            raise UnknownName(f"there is no token {name!r}; see: axiom token list")
    show.say_or_json(f"{name} is revoked", {"name": name}, as_json=as_json)


def _access() -> tuple[AccountStore, Access]:
    from axiom.config import settings
    from axiom.console.access import Access
    from axiom.stores.accounts import AccountStore
    from axiom.stores.postgres import Postgres

    wanted = settings()
    store = AccountStore(
        Postgres(wanted.require("postgres_url")),
        idle_s=wanted.console_idle_s,
        longest_s=wanted.console_session_s,
    )
    return store, Access(store)


def _table(rows: list[dict[str, Any]], names: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        show.print_json(rows)
        return
    if not rows:
        show.say("There is none.")
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name.removesuffix("_at").replace("_", " "))
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in names))
    show.console().print(table)


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return "never"
    return escape(f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "hour") else str(value))

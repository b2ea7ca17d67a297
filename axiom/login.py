"""The built-in login of the console and of Flower: one setting, or made at the first start.

`AXIOM_CONSOLE_PASSWORD` says it. Where it is empty a random one is made, once, and
kept in `<data_dir>/console.json`, which only its owner can read.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from axiom.config import Settings
from axiom.errors import ConfigError

FILE = "console.json"


@dataclass(frozen=True, slots=True)
class Login:
    """A name and its password; `made` is true for the one who made it just now."""

    user: str
    password: str
    made: bool = False
    kept_in: Path | None = None

    def __repr__(self) -> str:
        return f"Login({self.user!r})"


def built_in(settings: Settings) -> Login:
    """Return the login that works everywhere, made now if there is none.

    Raises:
        ConfigError: the file cannot be read or written.
    """
    if said := settings.console_password.get_secret_value():
        return Login(settings.console_user, said)
    path = settings.data_dir / FILE
    try:
        made = _make(path)
        return Login(settings.console_user, json.loads(path.read_text())["password"], made, path)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError("AXIOM_DATA_DIR", f"cannot keep a password in {path}: {error}") from error


def _make(path: Path) -> bool:
    """Write a new password unless there is one; of two who try, one makes it."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    # never seen half written; mkstemp lets only its owner read it
    descriptor, whole = tempfile.mkstemp(prefix=f".{FILE}.", dir=path.parent)
    try:
        with open(descriptor, "w") as file:
            json.dump({"password": secrets.token_urlsafe(18)}, file)
        os.link(whole, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(whole)
    return True

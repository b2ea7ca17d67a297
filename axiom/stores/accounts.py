"""Accounts, logins and tokens of the console. Secrets are kept as hashes only."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from axiom.stores.postgres import Postgres, named_queries


class AccountStore:
    """The tables `accounts`, `sessions` and `api_tokens`."""

    def __init__(self, postgres: Postgres, *, idle_s: float, longest_s: float) -> None:
        self._db = postgres
        self._sql = named_queries("accounts")
        self._limits = {"idle": timedelta(seconds=idle_s), "longest": timedelta(seconds=longest_s)}

    # --- accounts ---

    def put(self, name: str, role: str, password_hash: str, *, by: str) -> None:
        """Add an account, or give it another password and role; its logins end."""
        row = {"name": name, "role": role, "password_hash": password_hash, "by": by}
        self._execute("put_account", **row)

    def rehash(self, name: str, password_hash: str) -> None:
        """Keep an account's password by newer parameters."""
        self._execute("rehash", name=name, password_hash=password_hash)

    def get(self, name: str) -> dict[str, Any] | None:
        """Return an account with its password's hash."""
        return self._one("account", name=name)

    def all(self) -> list[dict[str, Any]]:
        """Return every account, without hashes."""
        return self._query("accounts")

    def remove(self, name: str) -> bool:
        """Remove an account and its logins; False when there was none."""
        return self._execute("remove_account", name=name) > 0

    # --- logins ---

    def open_session(self, secret: str, name: str, *, address: str, browser: str) -> None:
        """Keep that this secret stands for this account."""
        row = {"secret_hash": digest(secret), "name": name, "address": address}
        self._execute("open_session", **row, browser=browser[:200])

    def session(self, secret: str) -> dict[str, Any] | None:
        """Return the account that a secret stands for, while its login is not over."""
        return self._one("session", secret_hash=digest(secret))

    def seen(self, secret: str) -> None:
        """Say that a login is in use."""
        self._execute("seen", secret_hash=digest(secret))

    def sessions(self, name: str) -> list[dict[str, Any]]:
        """Return the logins of an account, the last used first."""
        return self._query("sessions", name=name)

    def end_session(self, secret: str) -> None:
        """Log out."""
        self._execute("end_session", secret_hash=digest(secret))

    def end_sessions(self, name: str) -> int:
        """Log an account out everywhere; return how many logins that were."""
        return self._execute("end_sessions", name=name)

    # --- tokens ---

    def put_token(self, name: str, secret: str, role: str, *, by: str) -> bool:
        """Keep a token; False when the name is taken."""
        row = {"name": name, "secret_hash": digest(secret), "role": role, "by": by}
        return self._execute("put_token", **row) > 0

    def token(self, secret: str) -> dict[str, Any] | None:
        """Return the name and role of a token."""
        return self._one("token", secret_hash=digest(secret))

    def tokens(self) -> list[dict[str, Any]]:
        """Return every token, without its secret."""
        return self._query("tokens")

    def remove_token(self, name: str) -> bool:
        """Revoke a token; False when there was none."""
        return self._execute("remove_token", name=name) > 0

    def _query(self, query: str, /, **values: Any) -> list[dict[str, Any]]:
        return self._db.query(self._sql[query], self._limits | values)

    def _one(self, query: str, /, **values: Any) -> dict[str, Any] | None:
        rows = self._query(query, **values)
        return rows[0] if rows else None

    def _execute(self, query: str, /, **values: Any) -> int:
        return self._db.execute(self._sql[query], self._limits | values)


def digest(secret: str) -> str:
    """SHA-256: enough for secrets of 256 random bits, which nobody guesses."""
    return hashlib.sha256(secret.encode()).hexdigest()

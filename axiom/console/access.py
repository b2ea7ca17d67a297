"""Who may use the console: passwords, logins, tokens, roles, and a brake for guessing.

Passwords are kept by argon2id with OWASP's minimum (19 MiB, two passes): a login is
rare, and the console is to stay small.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, ConfigError, NotNow, StoreUnavailable
from axiom.inputs import require_name
from axiom.login import Login

if TYPE_CHECKING:
    from argon2 import PasswordHasher

    from axiom.stores.accounts import AccountStore

ROLES = ("viewer", "operator")
TOKEN_PREFIX = "axm_"
MIN_PASSWORD = 12
REMEMBERED_S = 5.0  # a login that was ended elsewhere works here for so long at most
OUTAGE_S = 3600.0  # while Postgres is away, who was seen so lately may still look


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: a person by a login, or a program by a token."""

    name: str
    role: str
    csrf: str = ""  # empty for a token: it is not sent by a browser on its own

    @property
    def may_act(self) -> bool:
        """Whether actions are theirs."""
        return self.role == "operator"

    @property
    def by(self) -> str:
        """How the audit names them."""
        return f"{self.name} ({'console' if self.csrf else 'token'})"


class TooMany(AxiomError):
    """Too many wrong logins."""

    def __init__(self, retry_in_s: float) -> None:
        super().__init__(f"too many wrong logins; try again in {retry_in_s:.0f} s")
        self.retry_in_s = retry_in_s


@dataclass
class Brake:
    """Counts what went wrong lately, by key; in this process, of which there is one."""

    limit: int
    window_s: float
    clock: Callable[[], float] = time.monotonic
    _wrong: dict[str, list[float]] = field(default_factory=dict)

    def check(self, key: str) -> None:
        """Raise `TooMany` while a key has used up its window."""
        if len(lately := self._lately(key)) >= self.limit:
            raise TooMany(lately[0] + self.window_s - self.clock())

    def count(self, key: str) -> None:
        """Count one; what is over is forgotten, so that keys do not pile up."""
        for old in [each for each in self._wrong if not self._lately(each)]:
            del self._wrong[old]
        self._wrong.setdefault(key, []).append(self.clock())

    def _lately(self, key: str) -> list[float]:
        since = self.clock() - self.window_s
        return [at for at in self._wrong.get(key, ()) if at > since]


class Access:
    """Logins and tokens. Raises `StoreUnavailable` when Postgres cannot be reached."""

    def __init__(self, store: AccountStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._by_address = Brake(20, 300, clock)
        self._by_name = Brake(50, 300, clock)
        self._known: dict[str, tuple[Who, float]] = {}
        self._lock = threading.Lock()  # one password at a time: 19 MiB, and 30 ms of a core

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe())

    # --- accounts ---

    def ensure_built_in(self, login: Login) -> None:
        """Have the account of the setting, with its password, as an operator."""
        found = self._store.get(login.user)
        if not found or found["role"] != "operator" or not self._right(found, login.password):
            self._store.put(
                login.user, "operator", self._hasher.hash(login.password), by="the setting"
            )

    def put_account(self, name: str, role: str, password: str, *, by: str) -> None:
        """Add an account, or give it another password and role.

        Raises:
            AxiomError: the role is unknown or the password too short.
        """
        require_name(name)
        known_role(role)
        if len(password) < MIN_PASSWORD:
            raise ConfigError("password", f"needs {MIN_PASSWORD} characters or more")
        self._store.put(name, role, self._hasher.hash(password), by=by)

    # --- logins ---

    def log_in(self, name: str, password: str, *, address: str, browser: str = "") -> str | None:
        """Return the secret of a new login; None when name or password are wrong.

        Raises:
            TooMany: there were too many wrong ones from this address or for this name.
        """
        keys = ((self._by_address, address), (self._by_name, name))
        for brake, key in keys:
            brake.check(key)
        found = self._store.get(name)
        if not self._right(found or {"password_hash": self._nobody}, password) or not found:
            for brake, key in keys:
                brake.count(key)
            return None
        if self._hasher.check_needs_rehash(found["password_hash"]):
            self._store.rehash(name, self._hasher.hash(password))
        secret = secrets.token_urlsafe(32)
        self._store.open_session(secret, name, address=address, browser=browser)
        return secret

    def _right(self, account: dict[str, Any], password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            with self._lock:
                return self._hasher.verify(account["password_hash"], password)
        except (VerificationError, InvalidHashError):
            return False

    def log_out(self, secret: str) -> None:
        """End a login."""
        self._known.pop(secret, None)
        self._store.end_session(secret)

    def log_out_everywhere(self, name: str) -> int:
        """End every login of an account."""
        self._known.clear()
        return self._store.end_sessions(name)

    def by_session(self, secret: str) -> Who | None:
        """Return who is logged in by this secret."""

        def look() -> Who | None:
            row = self._store.session(secret)
            if row:
                self._store.seen(secret)
            return Who(row["name"], row["role"], csrf_of(secret)) if row else None

        return self._remembered(secret, look)

    # --- tokens ---

    def make_token(self, name: str, role: str, *, by: str) -> str:
        """Make a token for a program; it is shown now, and never again.

        Raises:
            AxiomError: the role is unknown or the name taken.
        """
        require_name(name)
        known_role(role)
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        if not self._store.put_token(name, secret, role, by=by):
            raise NotNow(f"there is a token {name!r} already; axiom token revoke {name}")
        return secret

    def by_token(self, secret: str) -> Who | None:
        """Return whose token this is."""

        def look() -> Who | None:
            row = self._store.token(secret)
            return Who(row["name"], row["role"]) if row else None

        return self._remembered(secret, look) if secret.startswith(TOKEN_PREFIX) else None

    def _remembered(self, secret: str, look: Callable[[], Who | None]) -> Who | None:
        who, seen_s = self._known.get(secret, (None, float("-inf")))
        if who and self._clock() - seen_s < REMEMBERED_S:
            return who
        try:
            found = look()
        except StoreUnavailable:
            if who and self._clock() - seen_s < OUTAGE_S:  # they may look; whatever they do
                return who  # is kept in Postgres first, and so refused
            raise
        self._remember(secret, found)
        return found

    def _remember(self, secret: str, who: Who | None) -> None:
        if len(self._known) > 1000:
            self._known.clear()
        if who:
            self._known[secret] = (who, self._clock())
        else:
            self._known.pop(secret, None)


def csrf_of(secret: str) -> str:
    """Return what a login's forms carry; it does not tell the secret."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()[:40]


def known_role(role: str) -> str:
    """Return it, or raise `ConfigError` where there is none of this name."""
    if role not in ROLES:
        raise ConfigError("role", f"no role {role!r}; choose {' or '.join(ROLES)}")
    return role

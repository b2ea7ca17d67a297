"""Postgres: connections and named queries. What the tables mean is in `sql/`.

One connection per thread, in autocommit: psycopg2 connections may be shared by
threads, but their statements would wait for each other. A connection that died
is replaced at the next use.
"""

from __future__ import annotations

import json
import math
import os
import re
import select
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras

from axiom.errors import ConfigError, Refused, StoreUnavailable

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

Params = Mapping[str, Any] | Sequence[Any] | None
CONNECT_TIMEOUT_S = 5
LOCK_RETRY_S = 5.0  # after a wait for another's lock that took too long
SILENT = "Postgres does not answer"
_PARAMETER = re.compile(r"%\((\w+)\)s")
# A statement that waits for a lock must end with its process: else the server runs it later,
# for nobody. (PostgreSQL 14 or newer.)
CLIENT_CHECK_MS = 1000
PAGE = 1000
LATE_S, SILENT_S = 0.5, 3.0  # past its own limit a server is silent; it is not asked for so long
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # not one whose backslash is itself escaped


def clean(text: str) -> str:
    """Return text that Postgres can hold: it has no NUL and no half of a character."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def to_jsonb(value: Any) -> str:
    """Return JSON that Postgres can hold: NaN and infinities are null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False)
    return clean(_NUL.sub("\\1\ufffd", text))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Jsonb(psycopg2.extras.Json):
    """A value for a jsonb column."""

    def dumps(self, obj: Any) -> str:
        """Return the value as JSON."""
        return to_jsonb(obj)


# what a feed or an analyst wrote is stored, not refused, whichever statement it comes by
psycopg2.extensions.register_adapter(
    str, lambda text: psycopg2.extensions.QuotedString(clean(text))
)


class Connection(psycopg2.extensions.connection):
    """One that knows what it has planned."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.planned: dict[str, str] = {}  # what runs each, by name


class Postgres:
    """A database, reached through one connection per thread.

    `statement_timeout_s`: for those who look, and must neither keep the server busy nor wait
    for one that hangs: who has met silence says so at once for a while.
    """

    _begin, _end, _undo = "BEGIN", "COMMIT", "ROLLBACK"

    def __init__(self, url: str, *, statement_timeout_s: float | None = None) -> None:
        self.url = url
        self._limit_s = limit_s = statement_timeout_s
        self._options = f" -c statement_timeout={limit_s * 1000:.0f}" if limit_s else ""
        self._answer_s = limit_s + LATE_S if limit_s else None
        self._silent_until_s = float("-inf")
        self._local = threading.local()

    def connection(self) -> Connection:
        """Return this thread's connection, made or renewed as needed, in autocommit.

        Raises:
            StoreUnavailable: the server cannot be reached.
        """
        # by process: a forked child must leave its parent's socket alone, and
        # even dropping the object would say goodbye on it, so it is kept
        if time.monotonic() < self._silent_until_s:
            raise StoreUnavailable(SILENT)
        made: dict[int, Connection] = self._local.__dict__.setdefault("made", {})
        found = made.get(os.getpid())
        if found is None or found.closed:
            with self._patience():
                found = made[os.getpid()] = connect(self.url, self._options)
        return found

    @contextmanager
    def _patience(self, connection: Connection | None = None) -> Iterator[None]:
        """Hang up, from another thread, on a server that does not answer."""
        answer_s = getattr(self._local, "answer_s", self._answer_s)
        if answer_s is None:
            yield
            return
        line = socket.socket(fileno=os.dup(connection.fileno())) if connection else None
        timer = threading.Timer(answer_s, self._hang_up, [line])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            if line:
                line.close()

    @contextmanager
    def patient(self, limit_s: float) -> Iterator[None]:
        """Give this thread's statements and transactions more time within the block.

        For what a person asked for: it is to be done, however busy the server is, where a page
        that takes so long would better say so.
        """
        if self._limit_s is None:
            yield
            return
        self._local.answer_s = limit_s + LATE_S
        try:
            self.execute(f"SET statement_timeout = {limit_s * 1000:.0f}")
            yield
        finally:
            del self._local.answer_s
            with suppress(StoreUnavailable):  # then the next connection begins as all do
                self.execute(f"SET statement_timeout = {self._limit_s * 1000:.0f}")

    def _hang_up(self, line: socket.socket | None) -> None:
        self._silent_until_s = time.monotonic() + SILENT_S
        if line:
            with suppress(OSError):  # it has just answered
                line.shutdown(socket.SHUT_RDWR)

    def query(self, sql: str, params: Params = None) -> list[dict[str, Any]]:
        """Run one statement, committed at once; return its rows as dicts.

        Raises:
            StoreUnavailable: the connection broke.
        """
        with self._statement() as cursor:
            cursor.execute(sql, params)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor] if names else []

    def execute(self, sql: str, params: Params = None) -> int:
        """Run one statement, committed at once; return the number of rows it touched."""
        with self._statement() as cursor:
            cursor.execute(sql, params)
            return int(cursor.rowcount)

    def planned(self, name: str, sql: str) -> str:
        """Have a statement planned once in this connection; return what runs it.

        For what is run at every step: planning takes longer than running it. The parameters
        are those of `sql`, by name.
        """
        connection = self.connection()
        if name not in connection.planned:
            names = list(dict.fromkeys(_PARAMETER.findall(sql)))
            numbered = _PARAMETER.sub(lambda m: f"${names.index(m[1]) + 1}", sql)
            self.execute(f"PREPARE {name} AS {numbered}")
            given = ", ".join(f"%({each})s" for each in names)
            connection.planned[name] = f"EXECUTE {name}({given})"
        return connection.planned[name]

    @contextmanager
    def _statement(self) -> Iterator[Cursor]:
        with self._translated(), self._cursor() as cursor:
            yield cursor

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Give a cursor whose statements are committed together, or not at all; its rows are dicts.

        Such a cursor costs as much as a fifth of a way to the server: `query` has a plain one.
        """
        dicts = psycopg2.extras.RealDictCursor
        with self._translated(), self._cursor(dicts) as cursor, self._whole(cursor):
            yield cursor

    @contextmanager
    def _whole(self, cursor: Cursor) -> Iterator[None]:
        try:
            cursor.execute(self._begin)  # a time limit may end it here, when it has begun
            yield
        except BaseException:
            if not cursor.connection.closed:
                cursor.execute(self._undo)
            raise
        cursor.execute(self._end)

    def stream(self, sql: str, params: Params = None) -> Iterator[dict[str, Any]]:
        """Give a query's rows one by one, a page of them held at a time, in one transaction."""
        name = f"stream_{uuid.uuid4().hex}"
        with self.transaction() as cursor:
            cursor.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", params)
            while True:
                cursor.execute(f"FETCH {PAGE} FROM {name}")
                if not (rows := cursor.fetchall()):
                    break
                yield from map(dict, rows)
            cursor.execute(f"CLOSE {name}")

    def renew(self) -> None:
        """Let go of this thread's connection if it ended while nothing was asked of it.

        For where a piece of work begins, and holds nothing yet: after a restart of the server
        each thread's connection is dead, and the next statement of each would fail. Not for
        `connection`, which would hide that a lock is lost.
        """
        found = self._local.__dict__.get("made", {}).get(os.getpid())
        if found is not None and not found.closed:
            idle = select.poll()
            idle.register(found.fileno(), select.POLLIN)
            if idle.poll(0):  # there is nothing to read in one that lives
                self.close()

    def close(self) -> None:
        """Close this thread's connection."""
        found = self._local.__dict__.get("made", {}).pop(os.getpid(), None)
        if found is not None:
            found.close()

    @contextmanager
    def _cursor(self, factory: type[Cursor] | None = None) -> Iterator[Cursor]:
        connection = self.connection()
        with self._patience(connection), connection.cursor(cursor_factory=factory) as cursor:
            yield cursor

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.errors.UndefinedTable as error:
            raise ConfigError(
                "AXIOM_POSTGRES_URL", "this database has no tables of Axiom yet: axiom release"
            ) from error
        except psycopg2.errors.LockNotAvailable as error:
            self.close()  # with what it held
            raise Refused("another worker is at it", LOCK_RETRY_S) from error
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self.close()
            silent = time.monotonic() < self._silent_until_s
            raise StoreUnavailable(
                SILENT if silent else f"Postgres: {_first_line(error)}"
            ) from error


class RolledBackPostgres(Postgres):
    """A database whose writes are seen by this object alone, and undone by `close`.

    All threads share one connection, so that they see each other's writes; what
    is a transaction elsewhere is a savepoint here.
    """

    _begin, _end, _undo = "SAVEPOINT here", "RELEASE SAVEPOINT here", "ROLLBACK TO SAVEPOINT here"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._one: Connection | None = None

    def connection(self) -> Connection:
        """Return the one connection, in a transaction that is never committed."""
        if self._one is None or self._one.closed:
            self._one = connect(self.url)
            self._one.autocommit = False
        return self._one

    @contextmanager
    def _statement(self) -> Iterator[Cursor]:
        # or one that fails would take the rest with it
        with super()._statement() as cursor, self._whole(cursor):
            yield cursor

    def close(self) -> None:
        """Undo what was written."""
        if self._one is not None:
            self._one.close()  # Postgres rolls back what was not committed


def connect(url: str, options: str = "") -> Connection:
    """Return a connection of its own, in autocommit.

    Raises:
        ConfigError: the URL cannot be read.
        StoreUnavailable: the server cannot be reached.
    """
    if urlsplit(url).netloc.count("@") > 1:
        raise _unreadable()
    always = f"-c timezone=UTC -c client_connection_check_interval={CLIENT_CHECK_MS}"
    # what is planned once stays planned, also where a table has months
    always += " -c plan_cache_mode=force_generic_plan"
    # the newest rows are in memory: by the default a page of one pipeline's runs is looked for
    # among those of all, in the order of the table
    always += " -c random_page_cost=1.1"
    try:
        made = psycopg2.connect(
            url,
            connection_factory=Connection,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=always + options,
            keepalives_idle=30,
            application_name="axiom",
        )
    except psycopg2.ProgrammingError:
        raise _unreadable() from None
    except psycopg2.OperationalError as error:
        if str(error).startswith("invalid "):
            raise _unreadable() from None
        raise StoreUnavailable(f"Postgres cannot be reached: {_first_line(error)}") from error
    made.autocommit = True
    return made


def _unreadable() -> ConfigError:
    # never what libpq says of it: that quotes parts of the password
    return ConfigError(
        "AXIOM_POSTGRES_URL",
        "cannot be read; write what is not a letter or digit in its password as %XX",
    )


def insert_rows(cursor: Cursor, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows at the `VALUES %s` of a statement; return how many were inserted.

    They go in the order of their first value, their key: of two who insert the
    same rows one waits for the other, and neither for both.
    """
    ordered, inserted = sorted(rows, key=itemgetter(0)), 0
    for start in range(0, len(ordered), PAGE):
        psycopg2.extras.execute_values(cursor, sql, ordered[start : start + PAGE], page_size=PAGE)
        inserted += cursor.rowcount
    return inserted


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@cache
def named_queries(name: str) -> dict[str, str]:
    """Read `sql/<name>.sql`: queries by name, each headed by `-- :name what it is for`."""
    text = files("axiom.stores").joinpath("sql", f"{name}.sql").read_text()
    found: dict[str, str] = {}
    for part in f"\n{text}".split("\n-- :")[1:]:
        heading, _, body = part.partition("\n")
        found[heading.split()[0]] = body.strip().rstrip(";")
    return found

"""The tables of Postgres, and their changes in order. What they mean is in `sql/`."""

from __future__ import annotations

from importlib.resources import files

from axiom.stores.postgres import connect


def migrate(url: str) -> int:
    """Bring the schema up to date; return how many migrations were applied.

    Safe to call from several processes at once. The lock that holds them apart ends with
    its process; the library's own is a row that a killed process leaves behind.

    Raises:
        StoreUnavailable: the server cannot be reached.
    """
    from yoyo import get_backend, read_migrations

    backend = None
    one_at_a_time = connect(url)
    try:
        one_at_a_time.cursor().execute("SELECT pg_advisory_lock(hashtext('axiom_migrations'))")
        backend = get_backend(url.replace("postgres://", "postgresql://", 1))
        migrations = read_migrations(str(files("axiom.stores").joinpath("sql", "migrations")))
        backend.break_lock()
        with backend.lock():
            todo = backend.to_apply(migrations)
            backend.apply_migrations(todo)
    finally:
        if backend:
            backend.connection.close()
        one_at_a_time.close()
    return len(todo)

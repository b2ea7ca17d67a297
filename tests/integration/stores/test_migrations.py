"""Migrations of a database that has rows already."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from urllib.parse import urlsplit

import psycopg2
import pytest

from axiom.ledger.ledger import Ledger
from axiom.stores.postgres import Postgres
from axiom.stores.schema import migrate

ROWS = """
INSERT INTO runs (id, pipeline, logical_at, engine, state, trigger, created_at) VALUES
    ('may', 'events', '2026-05-31T23:59Z', 'celery', 'failed', 'schedule', '2026-05-31T23:59:59Z'),
    ('june', 'events', '2026-06-01T00:00Z', 'celery', 'running', 'schedule', '2026-06-01T00:00Z');
INSERT INTO steps (run_id, position, name, item, state, attempt, output, error) VALUES
    ('may', 0, 'fetch', '', 'succeeded', 1, '{"rows": 1}', NULL),
    ('may', 1, 'store', 'A', 'failed', 4, NULL, 'no'),
    ('june', 0, 'fetch', '', 'pending', 0, NULL, NULL);
"""


@pytest.fixture
def empty_url(postgres_server: str) -> str:
    with closing(psycopg2.connect(postgres_server)) as connection:
        connection.autocommit = True
        connection.cursor().execute("DROP DATABASE IF EXISTS migrating WITH (FORCE)")
        connection.cursor().execute("CREATE DATABASE migrating")
    return urlsplit(postgres_server)._replace(path="/migrating").geturl()


def test_steps_that_were_kept_before_are_kept_by_month(empty_url: str) -> None:
    from yoyo import get_backend, read_migrations

    backend = get_backend(empty_url)
    every = read_migrations(str(files("axiom.stores").joinpath("sql", "migrations")))
    with backend.lock():
        backend.apply_migrations(backend.to_apply(every.filter(lambda m: m.id < "0008")))
    backend.connection.close()
    database = Postgres(empty_url)
    database.execute(ROWS)
    assert migrate(empty_url) >= 1
    ledger = Ledger(database)
    fetch, store = ledger.steps("may")
    assert (fetch.output, store.item, store.attempt, store.error) == ({"rows": 1}, "A", 4, "no")
    assert [step.name for step in ledger.steps("june")] == ["fetch"]
    where = database.query("SELECT tableoid::regclass::text AS part, run_id FROM steps ORDER BY 1")
    assert [(row["part"], row["run_id"]) for row in where] == [
        ("steps_2026_05", "may"), ("steps_2026_05", "may"), ("steps_2026_06", "june"),
    ]  # fmt: skip

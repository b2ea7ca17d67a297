"""Totals count what ended, once, and never go down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from axiom.flow import Call
from axiom.ledger.ledger import Ledger
from axiom.model import RunState
from axiom.stores.postgres import Postgres
from axiom.stores.totals import Totals
from tests.fakes.threads import at_once

pytestmark = pytest.mark.contract
AT = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def db(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture
def totals(db: Postgres) -> Totals:
    return Totals(db)


def run(db: Postgres, name: str, *, close: bool = True) -> None:
    """One run of two steps: the first stores 25 rows, the second fails at its second attempt."""
    ledger, store, link = Ledger(db), Call("store"), Call("link")
    at = AT + timedelta(minutes=int(name))
    ledger.claim(
        name,
        "ingestion",
        at,
        engine="celery",
        trigger="manual",
        deadline=timedelta(1),
        overlap=True,
    )
    ledger.plan(name, [store, link], {})
    ledger.start_step(name, store, worker="w", task_id="t")
    ledger.finish_step(name, store, {"rows": 25, "days": 3, "ok": True, "list": []})
    ledger.start_step(name, link, worker="w", task_id="t")
    ledger.retry_step(name, link, error="e", traceback="t", delay_s=0)
    ledger.start_step(name, link, worker="w", task_id="t")
    ledger.fail_step(name, link, error="e", traceback="t")
    if close:
        ledger.close(name, RunState.PARTIAL, "link: e")


def value(totals: Totals, name: str, **labels: str) -> float:
    samples = totals.load().get(name, [])
    return sum(v for have, v in samples if labels.items() <= have.items())


def test_a_run_and_its_steps_are_counted_when_it_has_ended(db: Postgres, totals: Totals) -> None:
    run(db, "1", close=False)
    assert totals.advance() == 0
    Ledger(db).close("1", RunState.PARTIAL)
    assert totals.advance() == 1
    assert value(totals, "axiom_runs_total", pipeline="ingestion", state="partial") == 1
    assert value(totals, "axiom_steps_total", step="store", state="succeeded") == 1
    assert value(totals, "axiom_steps_total", step="link", state="failed") == 1
    assert value(totals, "axiom_step_retries_total", step="link") == 1
    assert value(totals, "axiom_rows_total", step="store", what="rows") == 25
    assert value(totals, "axiom_rows_total") == 25  # days and truths are no rows
    buckets = [have["le"] for have, _ in totals.load()["axiom_step_duration_seconds"]]
    assert "sum" in buckets


def test_looking_again_and_together_counts_nothing_twice(db: Postgres, totals: Totals) -> None:
    for n in range(20):
        run(db, str(n))
    assert sum(at_once(*[lambda: Totals(db).advance()] * 4)) == 20
    assert totals.advance() == 0
    assert value(totals, "axiom_runs_total") == 20
    assert value(totals, "axiom_rows_total") == 500


def test_what_retention_deletes_stays_counted(db: Postgres, totals: Totals) -> None:
    run(db, "1")
    totals.advance()
    db.execute("DELETE FROM runs")
    totals.advance()
    assert value(totals, "axiom_runs_total") == 1


def test_a_run_that_ends_again_counts_only_what_it_did_since(db: Postgres, totals: Totals) -> None:
    run(db, "1")
    totals.advance()
    db.execute("UPDATE runs SET state = 'running', ended_at = NULL")
    db.execute("UPDATE steps SET state = 'pending', attempt = 0 WHERE name = 'link'")
    ledger, link = Ledger(db), Call("link")
    ledger.start_step("1", link, worker="w", task_id="t")
    ledger.finish_step("1", link, {"edges": 2}, closing=(RunState.SUCCEEDED, None))
    assert totals.advance() == 1
    assert value(totals, "axiom_runs_total", state="succeeded") == 1
    assert value(totals, "axiom_rows_total", step="store") == 25
    assert value(totals, "axiom_rows_total", step="link", what="edges") == 2
    assert value(totals, "axiom_steps_total", step="link") == 2


def test_gauges_tell_of_now(db: Postgres, totals: Totals) -> None:
    run(db, "1")
    run(db, "2", close=False)
    [row] = totals.pipelines(["ingestion"])
    assert (row["good_s"], row["paused"]) == ((AT + timedelta(minutes=1)).timestamp(), False)
    assert totals.active() == [{"pipeline": "ingestion", "runs": 1, "overdue": 0}]
    assert totals.active_steps() == []
    assert totals.open_alerts() == []

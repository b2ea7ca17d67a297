"""What is old goes, by month and in small steps, on a real Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from axiom.flow import Call
from axiom.ledger.ledger import Ledger
from axiom.ledger.retention import Keep, prune
from axiom.model import Quote, RunState
from axiom.stores.postgres import Postgres
from axiom.stores.prices import PriceStore

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEEP = Keep(runs=90, prices=0, quarantine=90, audit=730)


@pytest.fixture
def postgres(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture
def ledger(postgres: Postgres) -> Ledger:
    return Ledger(postgres)


def ran(postgres: Postgres, ledger: Ledger, run_id: str, created: str, state: str) -> None:
    at = datetime.fromisoformat(f"{created}T12:00:00+00:00")
    postgres.execute(
        "INSERT INTO runs (id, pipeline, logical_at, engine, state, trigger, created_at, overlap)"
        " VALUES (%s, 'events', %s, 'celery', 'queued', 'manual', %s, true)",
        (run_id, at, at),
    )
    ledger.plan(run_id, [Call("a")], {"shape": []})
    if state != "running":
        ledger.close(run_id, RunState(state))


def partitions(postgres: Postgres) -> list[str]:
    rows = postgres.query(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
        " WHERE inhparent IN ('steps'::regclass, 'attempts'::regclass) ORDER BY 1"
    )
    return [row["name"] for row in rows if "_2026_0" in row["name"] and row["name"] < "t"]


def test_months_that_are_old_go_with_their_runs(postgres: Postgres, ledger: Ledger) -> None:
    for month in ("06", "07", "08"):  # 90 days before are the 25th of August
        ran(postgres, ledger, f"run-{month}", f"2026-{month}-30", "failed")
    ran(postgres, ledger, "new", "2026-11-22", "succeeded")
    dropped = prune(postgres, KEEP, NOW)
    assert dropped == {"steps and attempts months": 4, "runs": 2}
    assert partitions(postgres) == ["attempts_2026_08", "steps_2026_08"]
    assert {run.id for run in ledger.runs()} == {"run-08", "new"}
    assert len(ledger.steps("run-08")) == 1
    assert prune(postgres, KEEP, NOW) == {}


def test_an_active_run_is_never_pruned_nor_its_month(postgres: Postgres, ledger: Ledger) -> None:
    ran(postgres, ledger, "old", "2026-01-05", "running")
    ran(postgres, ledger, "done", "2026-02-05", "failed")
    ran(postgres, ledger, "new", "2026-11-22", "succeeded")
    prune(postgres, KEEP, NOW)
    assert partitions(postgres) == ["attempts_2026_01", "steps_2026_01"]
    assert {run.id for run in ledger.runs()} == {"old", "new"}
    assert ledger.start_step("old", Call("a"), worker="w", task_id="t") is not None


def test_the_newest_run_of_a_pipeline_stays_or_it_would_be_fired_as_new(
    postgres: Postgres, ledger: Ledger
) -> None:
    ran(postgres, ledger, "good", "2026-01-05", "succeeded")
    ran(postgres, ledger, "last", "2026-02-05", "failed")
    prune(postgres, KEEP, NOW)
    assert set(ledger.last_runs()) == {"events"}
    assert set(ledger.last_good()) == {"events"}


def test_what_is_kept_for_ever_stays(postgres: Postgres, ledger: Ledger) -> None:
    ran(postgres, ledger, "old", "2020-01-05", "failed")
    ran(postgres, ledger, "new", "2026-11-22", "succeeded")
    assert prune(postgres, Keep(0, 0, 0, 0), NOW) == {}
    assert len(ledger.runs()) == 2


def test_old_prices_and_audit_go_where_a_limit_is_set(postgres: Postgres, ledger: Ledger) -> None:
    quotes = [Quote("A", 1.0, NOW - timedelta(days=days), "replay") for days in (1, 400)]
    PriceStore(postgres).upsert_quotes(quotes, "run")
    ledger.pause("events", by="ann")
    postgres.execute("UPDATE audit SET at = %s", (NOW - timedelta(days=800),))
    assert prune(postgres, Keep(0, 365, 0, 730), NOW) == {"prices months": 1, "audit": 1}
    assert PriceStore(postgres).count("replay") == 1
    PriceStore(postgres).upsert_quotes(quotes, "run")  # the month is made again
    assert PriceStore(postgres).count("replay") == 2

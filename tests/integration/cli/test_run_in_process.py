"""The command that makes a run in its own process, in 80 columns, on real servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from axiom.ledger.ledger import Ledger
from axiom.model import PIPELINES
from axiom.stores.graph import GraphStore
from axiom.stores.postgres import Postgres
from axiom.tasks.services import services
from tests.integration.cli.conftest import AT, TIME, Axiom, fits


def held(directory: Path) -> dict[str, object]:
    """Count the rows of every table, nodes, edges, keys, vectors and files."""
    db = Postgres(os.environ["AXIOM_POSTGRES_URL"])
    tables = db.query("SELECT table_name FROM information_schema.tables "
                      "WHERE table_schema = 'public' ORDER BY table_name")  # fmt: skip
    counts: dict[str, object] = {
        row["table_name"]: db.query(f"SELECT count(*) AS n FROM {row['table_name']}")[0]["n"]
        for row in tables
    }
    with redis.Redis.from_url(os.environ["AXIOM_REDIS_URL"]) as client:
        counts["redis"] = {key: client.hgetall(key) for key in client.scan_iter()}
    graph = GraphStore(os.environ["AXIOM_GRAPH_URL"])
    counts["graph"] = graph.counts()
    graph.close()
    collections = services().vectors._client.list_collections()
    counts["chroma"] = {each.name: each.count() for each in collections}
    return counts | {"files": sorted(directory.rglob("*"))}


@pytest.mark.usefixtures("servers")
def test_a_run_is_made_shown_and_made_once(axiom: Axiom, ledger: Ledger) -> None:
    said = axiom("run", "ingestion", "--at", TIME)
    assert (said.code, said.err) == (0, "")
    assert fits(said)
    assert said.out.startswith("ingestion at 2026-01-05 15:00:00: succeeded in ")
    [run] = ledger.runs()
    assert f"run {run.id}\n" in said.out
    assert (run.engine, run.trigger, run.logical_at) == ("langgraph", "manual", AT)
    assert axiom("runs", "show", run.id[:8]).out == said.out
    again = axiom("run", "ingestion", "--at", TIME)
    assert (again.code, again.out) == (1, "")
    assert f"was not run: run {run.id[:8]} has this logical time already (succeeded)" in again.err


@pytest.mark.usefixtures("servers")
def test_a_dry_run_of_any_pipeline_writes_nothing(axiom: Axiom, tmp_path: Path) -> None:
    assert axiom("run", "ingestion", "--at", TIME, "--json").json["state"] == "succeeded"
    before = held(tmp_path)
    for pipeline in PIPELINES:
        said = axiom("run", pipeline, "--at", "2026-01-05T15:01:00Z", "--dry-run")
        assert said.code == 0, said.out
        assert fits(said)
        assert said.out.endswith("Nothing was written (--dry-run).\n")
        assert held(tmp_path) == before


@pytest.mark.usefixtures("servers")
def test_a_dry_run_of_a_new_database_writes_nothing_and_is_one_document(
    axiom: Axiom, tmp_path: Path
) -> None:
    before = held(tmp_path)
    found = axiom("run", "ingestion", "--at", TIME, "--dry-run", "--json").json
    assert (found["state"], found["engine"]) == ("succeeded", "dry-run")
    assert found["steps"][-1]["output"]["rows"] > 6000
    assert held(tmp_path) == before


@pytest.mark.usefixtures("servers")
def test_a_run_that_fails_is_told_and_its_code_is_1(axiom: Axiom) -> None:
    said = axiom("run", "correlation", "--at", TIME)
    assert said.code == 1
    assert fits(said)
    assert "failed" in said.out
    assert "Traceback" not in said.out + said.err

"""The four pipelines through real queues, and what they survive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from axiom.engines.execute import Engine
from axiom.engines.langgraph import run_in_process
from axiom.model import RunState
from axiom.providers.replay import WARM_UP
from axiom.stores.artifacts import MemoryArtifacts
from axiom.tasks.flows import flow_of
from tests.acceptance.conftest import Stack, children, end, wait_for

pytestmark = pytest.mark.timeout(240)
START = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTRUMENTS = 25
ROWS = {
    "prices": "SELECT ticker, observed_at, source, price, flag FROM prices ORDER BY 1, 2",
    "events": "SELECT id, headline, type, tickers, sentiment::text, relevance, novelty, confidence,"
    " analyst, prompt_hash FROM events ORDER BY id",
    "tellings": "SELECT headline_id, event_id, similarity, found_by FROM tellings ORDER BY 1",
    "correlations": "SELECT window_days, method, a, b, n, r, low, high, p, q, shown_until"
    " FROM correlations ORDER BY 1, 2, 3, 4",
    "analyses": "SELECT ticker, input_hash, analyst, findings::text FROM analyses ORDER BY 1",
}


def at(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def price_rows(stack: Stack) -> int:
    return int(stack.postgres.query("SELECT count(*) AS n FROM prices")[0]["n"])


def trigger(stack: Stack, pipeline: str, minutes: int) -> str:
    return str(stack.axiom("trigger", pipeline, "--at", at(minutes))["run"])


def test_all_four_pipelines_run_and_both_engines_write_the_same_rows(stack: Stack) -> None:
    worker = stack.worker()
    for pipeline in ("ingestion", "graph", "events", "correlation"):
        called = stack.run(
            "celery", "-A", "axiom", "call", f"axiom.tasks.{pipeline}.run",
            "--kwargs", json.dumps({"at": at(0)}),
        )  # fmt: skip
        ended = stack.ended(called.stdout.strip())
        assert (ended.state, ended.reason) == (RunState.SUCCEEDED, None), pipeline
    assert price_rows(stack) == INSTRUMENTS * (WARM_UP + 1)
    by_queue = {name: stack.postgres.query(sql) for name, sql in ROWS.items()}
    assert all(by_queue.values())
    end(worker)

    graph_by_queue = _graph(stack)
    stack.postgres.execute(
        "TRUNCATE runs, steps, prices, events, tellings, correlations, analyses, alerts CASCADE"
    )
    os.environ["AXIOM_DATA_DIR"] = str(stack.data_dir)
    try:
        from axiom.config import load_settings
        from axiom.tasks.services import Services

        services = Services(load_settings())
        services.graph.query("MATCH (n) DETACH DELETE n")
        services.vectors._client.delete_collection("events_replay")
        engine = Engine(services.ledger, services, MemoryArtifacts(), "langgraph", "here")
        for pipeline in ("ingestion", "graph", "events", "correlation"):
            claim = run_in_process(engine, flow_of(pipeline), START)
            assert (claim.run.state, claim.run.reason) == (RunState.SUCCEEDED, None), pipeline
    finally:
        del os.environ["AXIOM_DATA_DIR"]
    for name, sql in ROWS.items():
        assert stack.postgres.query(sql) == by_queue[name], name
    assert _graph(stack) == graph_by_queue


def _graph(stack: Stack) -> list[tuple[str, str, str, str, str]]:
    from axiom.stores.graph import GraphStore

    store = GraphStore(stack.urls["graph_url"])
    rows = store.edges()
    store.close()
    return sorted(
        (r["type"], r["head"], r["tail"], r["evidence"]["span"], r["evidence"]["valid_from"])
        for r in rows
    )


def test_a_worker_child_killed_in_mid_run_loses_and_doubles_nothing(stack: Stack) -> None:
    worker = stack.worker("child@here")
    before = price_rows(stack)
    for minute in (1, 2, 3):
        with stack.held_up():
            run_id = trigger(stack, "ingestion", minute)
            wait_for(lambda run=run_id: stack.attempts(run, "store_prices"), what="the step")
            for child in children(worker):
                child.send_signal(signal.SIGKILL)
        assert stack.ended(run_id).state is RunState.SUCCEEDED
        assert stack.attempts(run_id, "store_prices") > 1
    assert price_rows(stack) == before + 3 * INSTRUMENTS
    end(worker)


def test_a_whole_worker_killed_in_mid_run_is_made_good_by_the_watch(stack: Stack) -> None:
    before = price_rows(stack)
    worker = stack.worker("dying@here")
    with stack.held_up():
        run_id = trigger(stack, "ingestion", 4)
        wait_for(lambda: stack.attempts(run_id, "store_prices"), what="the step")
        end(worker)
    other = stack.worker("next@here")
    stack.beat()
    assert stack.ended(run_id).state is RunState.SUCCEEDED
    assert stack.attempts(run_id, "store_prices") > 1
    assert price_rows(stack) == before + INSTRUMENTS
    end(other)


def test_a_broker_restart_in_mid_run_loses_nothing(stack: Stack) -> None:
    stack.beat()
    worker = stack.worker("broker@here")
    run_id = trigger(stack, "graph", 5)
    wait_for(lambda: any(run.id == run_id for run in stack.ledger.runs()), what="the claim")
    stack.restart("redis")
    assert stack.ended(run_id, 120).state is RunState.SUCCEEDED
    assert worker.poll() is None
    end(worker)


def test_the_same_message_twice_runs_once(stack: Stack) -> None:
    worker = stack.worker("twice@here")
    send = (
        "from axiom.celery import app; "
        f"app.send_task('axiom.tasks.ingestion.run', kwargs={{'at': '{at(60)}'}}, task_id='twin')"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", send], env=stack.env, check=True, timeout=60)
    assert stack.ended("twin").state is RunState.SUCCEEDED
    # a run of the next minute, which ends after the second delivery was looked at
    assert stack.ended(trigger(stack, "ingestion", 61)).state is RunState.SUCCEEDED
    runs = [run for run in stack.ledger.runs(limit=1000) if run.logical_at == START + HOUR]
    assert [run.id for run in runs] == ["twin"]
    assert [step.attempt for step in stack.ledger.steps("twin")] == [1] * 6
    # the minutes between were missed; they are caught up, each once
    assert price_rows(stack) == INSTRUMENTS * (WARM_UP + 1 + 61)
    end(worker)

"""Each rule: the cause that makes it speak, and what makes it silent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from axiom.resilience.breaker import State, Status
from axiom.tasks.alerting import rules
from axiom.tasks.alerting.rules import PipelineFacts, Snapshot, Spent
from axiom.tasks.probes import ServiceState
from axiom.tasks.state import QueueState, WorkerState

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
WELL = Snapshot(
    at=NOW,
    pipelines=[PipelineFacts("ingestion", "r" * 36, "succeeded", None, NOW)],
    services=[ServiceState("redis", True, 0.01, up_s=9999)],
    queues=[QueueState("io", 3, 1, 2.0)],
    workers=[],
    reached_s=999,
    breaker=Status(State.CLOSED, 0, 0, 0),
    budgets=[Spent("day", 10, 1), Spent("pipeline graph", 5, 0)],
)


def worker(name: str = "io@a", **but: Any) -> WorkerState:
    known: dict[str, Any] = {
        "kind": "worker", "host": "a", "pid": 7, "queues": ("io",), "alive": True,
        "started_at": NOW - HOUR, "seen_at": NOW, "seen_s": 1.0,
    }  # fmt: skip
    return WorkerState(**known | {"name": name} | but)


GONE = worker(alive=False, seen_at=NOW - timedelta(seconds=25), seen_s=25.0)
LATE = {"id": "abc" * 12, "pipeline": "graph", "late_s": 130.0, "logical_at": NOW}
OLD = NOW - timedelta(minutes=5)

CAUSES: list[tuple[str, Mapping[str, Any], str, str]] = [
    ("run_late", {"late": [LATE]}, f"run_late/{LATE['id']}", "run abcabcab is 2 min past"),
    ("run_failed", {"pipelines": [PipelineFacts("graph", "f" * 36, "failed", "no Bolt", NOW)]},
     "run_failed/graph", "failed: no Bolt"),
    ("run_failed", {"pipelines": [PipelineFacts("graph", "f" * 36, "partial", "2 of 30", NOW)]},
     "run_failed/graph", "did only a part: 2 of 30"),
    ("pipeline_stale", {"pipelines": [PipelineFacts("ingestion", good_at=OLD, due_at=NOW)]},
     "pipeline_stale/ingestion", "no good run for 5 min"),
    ("breaker_open", {"breaker": Status(State.OPEN, 9.0, 5, 2)}, "breaker_open/claude", "is open"),
    ("breaker_open", {"breaker": Status(State.HALF_OPEN, 0, 5, 2)}, "breaker_open/claude",
     "is half open"),
    ("budget_low", {"budgets": [Spent("day", 10, 8)]}, "budget_low/day", "80% of $10.00"),
    ("budget_spent", {"budgets": [Spent("pipeline graph", 5, 5)]}, "budget_spent/pipeline graph",
     "100% of $5.00"),
    ("queue_deep", {"queues": [QueueState("io", 2000, 6, 1)]}, "queue_deep/io", "2000 messages"),
    ("queue_old", {"queues": [QueueState("io", 1, 0, 400)]}, "queue_old/io", "for 7 min"),
    ("process_gone", {"workers": [GONE]}, "process_gone/io@a", "not heard of for 25 s"),
    ("process_gone", {"workers": [worker(kind="beat", died_at=OLD, deaths=2, started_at=NOW)]},
     "process_gone/io@a", "was started again, 2 times by now"),
    ("service_down", {"services": [ServiceState("redis", False, None, "refused")]},
     "service_down/redis", "the broker (Redis) does not answer: refused"),
    ("service_down", {"services": [ServiceState("redis", True, 0.1, up_s=3)],
                      "workers": [worker()]}, "service_down/redis", "went away and is back"),
    ("quarantine_growing", {"quarantined": [{"pipeline": "ingestion", "n": 100, "reason": "NaN"}]},
     "quarantine_growing/ingestion", "100 rows were not accepted"),
    ("disk_low", {"workers": [worker(facts={"disk_free_bytes": 900 * 2**20})]}, "disk_low/a",
     "900 MB"),
]  # fmt: skip


def causes(seen: Snapshot) -> list[str]:
    return [found.cause for found in rules.judge(seen)[0]]


def test_where_all_is_well_every_rule_is_silent_and_judged() -> None:
    findings, judged = rules.judge(WELL)
    assert (findings, judged) == ([], list(rules.RULES))


@pytest.mark.parametrize(("rule", "but", "cause", "says"), CAUSES)
def test_a_rule_speaks_of_its_cause(
    rule: str, but: Mapping[str, Any], cause: str, says: str
) -> None:
    found = {each.cause: each for each in rules.judge(replace(WELL, **but))[0]}[cause]
    assert found.rule == rule
    assert says in found.subject
    assert found.hint


def test_every_rule_has_a_cause_above() -> None:
    assert {rule for rule, *_ in CAUSES} == set(rules.RULES)


@pytest.mark.parametrize(
    "but",
    [
        {"queues": [QueueState("io", 1999, 0, 299.0), QueueState("cpu", 0, 0, None)]},
        {"budgets": [Spent("day", 10, 7.99), Spent("pipeline graph", 0, 0)]},
        {"pipelines": [PipelineFacts("ingestion", good_at=OLD, due_at=OLD)]},
        {"pipelines": [PipelineFacts("ingestion", good_at=OLD, due_at=None)]},
        {"pipelines": [PipelineFacts("ingestion", good_at=None, due_at=NOW)]},
        {"pipelines": [PipelineFacts("ingestion", good_at=OLD, due_at=NOW)],
         "workers": [worker("beat@a", kind="beat", started_at=NOW)]},
        {"workers": [worker(died_at=OLD, deaths=1, started_at=NOW - timedelta(seconds=31))]},
        {"workers": [GONE, worker("io@b", started_at=NOW)]},
        {"services": [ServiceState("redis", True, 0.1, up_s=3)],
         "workers": [worker(started_at=NOW)]},
        {"quarantined": [{"pipeline": "ingestion", "n": 99, "reason": "NaN"}]},
        {"workers": [worker(facts={"disk_free_bytes": 2000 * 2**20})]},
    ],
    ids=["shallow", "unspent", "fresh", "unscheduled", "never", "just started",
         "settled", "replaced", "all started together", "few bad rows", "room"],
)  # fmt: skip
def test_what_is_no_reason_to_speak(but: Mapping[str, Any]) -> None:
    assert causes(replace(WELL, **but)) == []


def test_a_beat_that_keeps_dying_does_not_make_old_data_fresh() -> None:
    beat = worker("beat@a", kind="beat", started_at=NOW, died_at=OLD, deaths=3)
    stale = [PipelineFacts("ingestion", good_at=OLD, due_at=NOW)]
    assert "pipeline_stale/ingestion" in causes(replace(WELL, pipelines=stale, workers=[beat]))


def test_one_that_does_something_else_replaces_nobody() -> None:
    other = worker("cpu@a", queues=("cpu",), started_at=NOW)
    assert causes(replace(WELL, workers=[GONE, other])) == ["process_gone/io@a"]


def test_what_cannot_be_asked_is_not_judged() -> None:
    away = Snapshot(at=NOW, reached_s=0)
    findings, judged = rules.judge(away)
    assert findings == []
    assert judged == ["run_late", "run_failed", "pipeline_stale", "quarantine_growing"]


def test_while_redis_was_away_a_moment_ago_nobody_is_said_to_be_gone() -> None:
    findings, judged = rules.judge(replace(WELL, workers=[GONE], reached_s=5))
    assert findings == []
    assert "process_gone" not in judged

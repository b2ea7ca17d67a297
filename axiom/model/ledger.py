"""What the ledger keeps: pipelines, runs, steps, attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from axiom.model.values import Json


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a pipeline has a logical time, and how long a run of it may take."""

    slot: timedelta
    deadline: timedelta


PIPELINES: Mapping[str, Cadence] = {
    "ingestion": Cadence(timedelta(minutes=1), timedelta(seconds=50)),
    "graph": Cadence(timedelta(hours=1), timedelta(minutes=20)),
    "events": Cadence(timedelta(minutes=5), timedelta(minutes=4)),
    "correlation": Cadence(timedelta(hours=1), timedelta(minutes=10)),
}


class RunState(StrEnum):
    """States of a run; the first two are active."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class SkipCode(StrEnum):
    """Why a run was not made."""

    CLOSED = "closed"  # the market is: nothing was missed
    ENDED = "ended"  # the replay has shown its last day
    TAKEN = "taken"  # another run has its logical time
    BUSY = "busy"  # another run of its pipeline is active


class StepState(StrEnum):
    """States of a step."""

    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a pipeline for a logical time."""

    id: str
    pipeline: str
    logical_at: datetime
    engine: str
    state: RunState
    trigger: str  # "schedule" | "manual" | "first" | "backfill" | "catch-up"
    params: Mapping[str, Json]
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    deadline_at: datetime | None
    plan: Json
    retries: int = 0  # by a person
    backfill_id: str | None = None
    skip_code: SkipCode | None = None  # of one that was not made

    @property
    def duration_s(self) -> float | None:
        """Seconds from creation to end; None while active."""
        return (self.ended_at - self.created_at).total_seconds() if self.ended_at else None


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a run; `item` is empty unless the step is mapped over items."""

    run_id: str
    position: int
    name: str
    item: str
    state: StepState
    attempt: int
    worker: str | None
    task_id: str | None
    started_at: datetime | None
    ended_at: datetime | None
    output: Json
    error: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt at a step that came to nothing; the step's row has the last one."""

    name: str
    item: str
    attempt: int  # counted anew after a person's retry
    outcome: str  # "retried" | "failed" | "died" | "cancelled"
    worker: str | None
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: the run, and whether it is the caller's to run."""

    run: Run
    granted: bool


@dataclass(frozen=True, slots=True)
class Started:
    """A step that the caller now runs, and what came before it."""

    pipeline: str
    logical_at: datetime
    params: Mapping[str, Json]
    attempt: int
    inputs: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

"""What a person does to runs, in the ledger: each with its audit row in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import psycopg2.errors

from axiom.errors import NotNow, StoreUnavailable, UnknownRun
from axiom.ledger.ledger import Ledger, to_run
from axiom.model import PIPELINES, Json, Run, RunState, StepRow, StepState
from axiom.stores.postgres import Jsonb, Postgres, named_queries
from axiom.telemetry import traces

T = TypeVar("T")
Cursor = Any  # its rows are dicts here, which the stubs do not know
ACTIVE = (RunState.QUEUED, RunState.RUNNING)
RETRIABLE = (RunState.FAILED, RunState.PARTIAL, RunState.CANCELLED)
DEADLOCK_TRIES = 3  # a step that ends takes the same rows in another order


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what, when."""

    id: int
    at: datetime
    by: str
    action: str
    pipeline: str | None
    run_id: str | None
    details: Mapping[str, Json]


class Actions:
    """Changes of the ledger that a person asks for. Raises `StoreUnavailable`."""

    def __init__(self, postgres: Postgres, ledger: Ledger) -> None:
        self._db, self._ledger = postgres, ledger
        self._sql = named_queries("actions")

    # --- audit ---

    def record(
        self, action: str, *, by: str, pipeline: str | None, run_id: str | None, **details: Json
    ) -> int:
        """Keep that something was asked for; return the row's id."""
        asked = _audited(action, by, pipeline, run_id, details)
        return int(self._db.query(self._sql["audit"], asked)[0]["id"])

    def record_failure(self, audit_id: int, error: str) -> None:
        """Say that what was asked for did not come about."""
        self._db.execute(self._sql["audit_failed"], {"id": audit_id, "error": error})

    def audit(self, limit: int, before: int | None = None) -> list[AuditRow]:
        """Return audit rows, newest first; `before` is the id of the last row of a page."""
        asked = {"limit": limit, "before": before}
        return [AuditRow(**row) for row in self._db.query(self._sql["audit_rows"], asked)]

    # --- cancel ---

    def cancel(self, run_id: str, *, by: str, reason: str | None) -> list[str]:
        """End an active run; return the task ids of the steps that were running.

        From here on nothing of the run is written to the ledger: its messages find
        that it has ended, and what still runs is no longer the step's.

        Raises:
            NotNow: it has ended already.
        """
        why = f"cancelled by {by}" + (f": {reason}" if reason else "")

        def change(cursor: Cursor) -> list[str]:
            run = self._locked(cursor, run_id)
            if run.state not in ACTIVE:
                raise NotNow(f"run {run.id[:8]} has ended already ({run.state})")
            asked = {"run_id": run.id, "reason": why}
            cursor.execute(self._sql["cancel_run"], asked)
            cursor.execute(self._sql["cancel_steps"], asked)
            running = [row["task_id"] for row in cursor if row["task_id"]]
            self._audit(cursor, "cancel", by, run, reason=reason)
            return running

        running = self._changed(change)
        traces.end_run(lambda: self._ledger.run(run_id))
        return running

    def stop_sessions(self) -> int:
        """End the sessions of cancelled steps that still run; return how many there were.

        Their open transactions are undone, and their next question fails.
        """
        return len(self._db.query(self._sql["stop_sessions"]))

    # --- retry ---

    def retry(self, run_id: str, *, by: str, is_there: Callable[[str], bool]) -> Run:
        """Let an ended run go on from what did not succeed.

        `is_there(ref)` tells whether an artifact still exists: a step whose artifact
        has gone is run again too. What follows a step that is run again is run again.

        Raises:
            NotNow: it is active, it succeeded, it ran in one process, or another run
                of its pipeline is active.
        """
        steps = self._ledger.steps(run_id)

        def change(cursor: Cursor) -> Run:
            run = self._locked(cursor, run_id)
            _require_retriable(run)
            names = sorted(_to_repeat(run, steps, is_there))
            asked = {"run_id": run.id, "deadline": PIPELINES[run.pipeline].deadline}
            cursor.execute(self._sql["reset_steps"], asked | {"names": names})
            cursor.execute(self._sql["reopen_run"], asked)
            again = to_run(cursor.fetchone())
            self._audit(cursor, "retry", by, run, was=run.state, reason=run.reason, again=names)
            return again

        try:
            return self._changed(change)
        except psycopg2.errors.UniqueViolation as error:
            raise NotNow(
                f"run {run_id[:8]} cannot go on while another run of its pipeline is active; "
                "wait for that, or cancel it"
            ) from error

    # --- small parts ---

    def _locked(self, cursor: Cursor, run_id: str) -> Run:
        cursor.execute(self._sql["lock_run"], {"run_id": run_id})
        row = cursor.fetchone()
        if row is None:
            raise UnknownRun(f"there is no run {run_id!r}; list them: axiom runs")
        return to_run(row)

    def _audit(self, cursor: Cursor, action: str, by: str, run: Run, **details: Json) -> None:
        cursor.execute(self._sql["audit"], _audited(action, by, run.pipeline, run.id, details))

    def _changed(self, change: Callable[[Cursor], T]) -> T:
        for tries_left in reversed(range(DEADLOCK_TRIES)):
            try:
                with self._db.transaction() as cursor:
                    return change(cursor)
            except StoreUnavailable as error:
                if not tries_left or not _is_deadlock(error):
                    raise
        raise AssertionError


def _audited(
    action: str, by: str, pipeline: str | None, run_id: str | None, details: Mapping[str, Json]
) -> dict[str, Any]:
    return {
        "action": action, "by": by, "pipeline": pipeline, "run_id": run_id,
        "details": Jsonb({key: value for key, value in details.items() if value is not None}),
    }  # fmt: skip


def _is_deadlock(error: Exception) -> bool:
    return isinstance(error.__cause__, psycopg2.errors.DeadlockDetected)


def _require_retriable(run: Run) -> None:
    short = run.id[:8]
    if run.state in ACTIVE:
        raise NotNow(f"run {short} is still active; wait for its end, or: axiom cancel {short}")
    if run.state not in RETRIABLE:
        problem = f"{run.state}: nothing to retry"
        raise NotNow(f"run {short} {problem}; a new run: axiom trigger {run.pipeline}")
    if run.engine != "celery":
        raise NotNow(f"run {short} ran in one process ({run.engine}); run it again: axiom run")


def _to_repeat(run: Run, steps: Sequence[StepRow], is_there: Callable[[str], bool]) -> set[str]:
    """Name the steps that succeeded and must run again: artifacts gone, or behind one that did not.

    The planning step stays as it was, so that the items do.
    """
    nodes: list[Mapping[str, Json]] = (run.plan or {}).get("shape", [])
    broken = {step.name for step in steps if step.state is not StepState.SUCCEEDED}
    gone = {step.name for step in steps if not all(map(is_there, references(step.output)))}
    repeated: set[str] = set()
    behind = False
    for node in nodes:
        names = list(node["steps"])
        repeated |= set(names) if behind else _without_artifacts(node["kind"], names, gone)
        behind = behind or bool(set(names) & (broken | gone))
    planned = any(node["kind"] == "each" for node in nodes)
    return repeated - set(nodes[0]["steps"] if planned else ())


def _without_artifacts(kind: str, names: Sequence[str], gone: set[str]) -> set[str]:
    first = next((n for n, name in enumerate(names) if name in gone), len(names))
    return set(names[first:]) if kind == "each" else gone & set(names)


def references(output: Json) -> list[str]:
    """Return the references to artifacts that a step handed on."""
    if isinstance(output, str):
        return [output] if output.startswith("axiom:artifact:") else []
    if isinstance(output, Mapping):
        return references(list(output.values()))
    if isinstance(output, list):
        return [ref for each in output for ref in references(each)]
    return []

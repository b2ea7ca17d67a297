"""The ledger: the durable record of runs and steps, and the claims on them.

What a step returned is kept here, and a step that succeeded is never run
again: publishing a run's canvas a second time is therefore always safe, which
is how the watch mends what stalled.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg2.extras import execute_values

from axiom.errors import UnknownRun
from axiom.flow import Call
from axiom.model import (
    PIPELINES,
    Attempt,
    Claim,
    Json,
    Run,
    RunState,
    SkipCode,
    Started,
    StepRow,
    StepState,
)
from axiom.stores.partitions import Months
from axiom.stores.postgres import Jsonb, Postgres, named_queries
from axiom.telemetry import traces

Verdict = tuple[RunState, str | None]  # how a run ends, and why


class Ledger:
    """Runs and steps in Postgres. Raises `StoreUnavailable` when that cannot be reached."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("ledger")
        self._months = Months(postgres, "steps", "attempts")
        self._mine = threading.local()  # what this thread has started, by its key

    # --- runs ---

    def claim(
        self,
        run_id: str,
        pipeline: str,
        logical_at: datetime,
        *,
        engine: str,
        trigger: str,
        deadline: timedelta,
        params: Mapping[str, Json] | None = None,
        overlap: bool = False,
    ) -> Claim:
        """Take a logical time for a run.

        It is granted once per (pipeline, logical time, engine), while no other
        run of the pipeline is active (unless `overlap`). The same `run_id`
        asking again, as a redelivered message does, is granted its own active
        run again. When another run is active the answer is a `skipped` run
        that names it.
        """
        asked = {
            "id": run_id, "pipeline": pipeline, "logical_at": logical_at, "engine": engine,
            "trigger": trigger, "params": Jsonb(dict(params or {})), "overlap": overlap,
            "deadline": deadline,
        }  # fmt: skip
        self._query("close_dead", asked)
        if rows := self._query("claim", asked):
            return Claim(to_run(rows[0]), granted=True)
        if mine := self._query("run_by_id", asked):
            run = to_run(mine[0])
            return Claim(run, granted=run.state in (RunState.QUEUED, RunState.RUNNING))
        if taken := self._query("run_by_slot", asked):
            run = to_run(taken[0])
            if trigger != "manual":  # beat may fire a slot twice; that is nobody's concern
                return Claim(run, granted=False)
            reason = f"run {run.id[:8]} has this logical time already ({run.state})"
            return Claim(self._skip(asked, reason, SkipCode.TAKEN), granted=False)
        active = [
            row["id"]
            for row in self._query("active_runs")
            if (row["pipeline"], row["engine"], row["overlap"]) == (pipeline, engine, False)
        ]
        reason = f"run {active[0][:8]} is still active" if active else "another run was active"
        return Claim(self._skip(asked, reason, SkipCode.BUSY), granted=False)

    def skip(
        self,
        run_id: str,
        pipeline: str,
        logical_at: datetime,
        *,
        trigger: str,
        reason: str,
        code: SkipCode,
    ) -> Run:
        """Record that a run was not made, and why."""
        asked = {
            "id": run_id, "pipeline": pipeline, "logical_at": logical_at, "engine": "celery",
            "trigger": trigger, "params": Jsonb({}),
        }  # fmt: skip
        return self._skip(asked, reason, code)

    def _skip(self, asked: dict[str, Any], reason: str, code: SkipCode) -> Run:
        self._query("record_skip", asked | {"reason": reason, "code": code})
        return to_run(self._query("run_by_id", asked)[0])

    def hold(self, run_id: str) -> None:
        """Show, for as long as this thread's connection lives, that a run's process does."""
        self._query("hold_run", {"id": run_id})

    def plan(self, run_id: str, calls: Sequence[Call], plan: Json) -> None:
        """Keep what a run will do, and mark it as running. Planning again changes nothing.

        `calls` are in the order of the flow; each step's position is that of its
        first call.
        """
        positions: dict[str, int] = {}
        for call in calls:
            positions.setdefault(call.step, len(positions))
        run_at = self._query("run_created", {"run_id": run_id})[0]["created_at"]
        self._months.ensure([run_at])
        rows = [(run_id, run_at, positions[call.step], call.step, call.item) for call in calls]
        with self._db.transaction() as cursor:
            execute_values(cursor, self._sql["add_step"], rows, page_size=1000)
            cursor.execute(self._sql["begin_run"], {"id": run_id, "plan": Jsonb(plan)})

    def close(self, run_id: str, state: RunState, reason: str | None = None) -> None:
        """End a run that is active; one that has ended stays as it is."""
        asked = {"run_id": run_id, "state": state, "reason": reason, "retries": None}
        self._query("close_run", asked)

    # --- steps ---

    def start_step(
        self, run_id: str, call: Call, *, worker: str, task_id: str, retries: int = 0
    ) -> Started | None:
        """Become the one who runs this step; waits while somebody else does.

        Returns None when there is nothing to do: it was done, or the run ended, or
        the message is from before a person's retry (`retries`).
        What is started must be ended by `finish_step`, `retry_step` or
        `fail_step`; a caller that dies lets go of it too.
        """
        asked = _key(run_id, call) | {"worker": worker, "task_id": task_id, "retries": retries}
        start = self._db.planned("start_step", self._sql["start_step"])
        rows = self._db.query(f"{self._sql['lock_step']}; {start}", asked)
        if not rows:
            self._query("unlock_step", asked)
            return None
        row = rows[0]
        mine = {"task_id": task_id, "retries": retries, "run_at": row["run_at"]}
        self._mine.__dict__[asked["key"]] = mine
        inputs, failures = _before(row["before"] or [])
        return Started(
            row["pipeline"], row["logical_at"], row["params"], row["attempt"], inputs, failures
        )

    def finish_step(
        self, run_id: str, call: Call, output: Json, *, closing: Verdict | None = None
    ) -> None:
        """Keep a step's output; with `closing`, end the run at once, or neither happens."""
        self._end("finish_step", run_id, call, closing, output=Jsonb(output))

    def retry_step(
        self, run_id: str, call: Call, *, error: str, traceback: str, delay_s: float
    ) -> None:
        """Say that a step will be tried again after `delay_s`."""
        delay = timedelta(seconds=delay_s)
        self._end("retry_step", run_id, call, error=error, traceback=traceback, delay=delay)

    def defer_step(self, run_id: str, call: Call, *, reason: str, delay_s: float) -> None:
        """Say that a step may not run yet; this was no attempt."""
        delay = timedelta(seconds=delay_s)
        self._end("defer_step", run_id, call, error=f"deferred: {reason}", delay=delay)

    def fail_step(
        self,
        run_id: str,
        call: Call,
        *,
        error: str,
        traceback: str,
        closing: Verdict | None = None,
    ) -> None:
        """Keep a step's error; the later steps of its item are skipped.

        With `closing` the run ends at once, or neither happens.
        """
        self._end("fail_step", run_id, call, closing, error=error, traceback=traceback)

    def let_go(self, run_id: str, call: Call) -> None:
        """Give up a step that was started and cannot be ended; the watch brings it back."""
        asked = _key(run_id, call)
        self._mine.__dict__.pop(asked["key"], None)
        self._query("let_go", asked)

    def _end(
        self, query: str, run_id: str, call: Call, closing: Verdict | None = None, **values: Any
    ) -> None:
        end = self._sql[query]
        if query == "finish_step":
            end = self._db.planned(query, end)
        asked = _key(run_id, call) | values
        # who was cancelled meanwhile must not end the step of those who try again
        mine = self._mine.__dict__.pop(asked["key"], _NOT_STARTED)
        parts, asked = [end], asked | mine
        if closing:  # waits for the disk, with all that came before
            parts.append(self._sql["close_run"])
            asked |= {"state": closing[0], "reason": closing[1]}
        parts.append(self._sql["let_go" if closing else "unlock_step"])
        self._db.query("; ".join(parts), asked)
        if closing:
            traces.end_run(lambda: self.run(run_id))

    # --- pause ---

    def pause(self, pipeline: str, *, by: str, reason: str | None = None) -> bool:
        """Stop a pipeline's schedule; False when it was paused already."""
        asked = {"pipeline": pipeline, "by": by, "reason": reason}
        return self._db.execute(self._sql["pause"], asked) > 0

    def resume(self, pipeline: str, *, by: str) -> bool:
        """Let a pipeline's schedule go on; False when it was not paused."""
        return self._db.execute(self._sql["resume"], {"pipeline": pipeline, "by": by}) > 0

    def paused(self, pipeline: str) -> dict[str, Any] | None:
        """Who paused it, when and why; None when it is not paused."""
        rows = self._query("paused", {"pipeline": pipeline})
        return rows[0] if rows else None

    # --- questions ---

    def run(self, run_id: str) -> Run:
        """Return one run; the id may be cut short as long as it is unique.

        Raises:
            UnknownRun: none, or several, start so.
        """
        rows = self._query("runs_like", {"prefix": run_id})
        if len(rows) != 1 or not run_id:
            problem = "several runs start with" if rows else "there is no run"
            raise UnknownRun(f"{problem} {run_id!r}; list them: axiom runs")
        return to_run(rows[0])

    def runs(
        self,
        *,
        pipeline: str | None = None,
        state: str | None = None,
        limit: int = 20,
        backfilled: bool = True,
    ) -> list[Run]:
        """Return the newest runs, newest first; those of backfills too, unless told otherwise."""
        asked = {"pipeline": pipeline, "state": state, "limit": limit, "backfilled": backfilled}
        return [to_run(row) for row in self._query("runs", asked)]

    def steps(self, run_id: str) -> list[StepRow]:
        """Return a run's steps in order."""
        return [_step(row) for row in self._query("steps", {"run_id": run_id})]

    def attempts(self, run_id: str) -> list[Attempt]:
        """Return the attempts of a run's steps that came to nothing, oldest first."""
        rows = self._query("attempts", {"run_id": run_id})
        return [Attempt(**{name: row[name] for name in _ATTEMPT_FIELDS}) for row in rows]

    def step_states(self, run_id: str) -> list[dict[str, Any]]:
        """Count a run's steps by name and state."""
        return self._query("step_states", {"run_id": run_id})

    def last_runs(self) -> dict[str, Run]:
        """Return each pipeline's newest run that was not skipped and is of no backfill."""
        rows = self._query("last_runs", {"pipelines": list(PIPELINES)})
        return {row["pipeline"]: to_run(row) for row in rows}

    def last_good(self) -> dict[str, datetime]:
        """Return each pipeline's newest logical time that ended well."""
        rows = self._query("last_good", {"pipelines": list(PIPELINES)})
        return {row["pipeline"]: row["logical_at"] for row in rows}

    def previous(self, pipeline: str, before: datetime) -> datetime | None:
        """Return the last logical time before this one whose run succeeded."""
        rows = self._query("previous", {"pipeline": pipeline, "before": before})
        found: datetime | None = rows[0]["logical_at"]
        return found

    def pauses(self) -> dict[str, dict[str, Any]]:
        """Return every pause by pipeline."""
        return {row["pipeline"]: row for row in self._query("pauses")}

    def replay_start(self, at: datetime) -> datetime:
        """Return when the replay began; the first to ask sets it to `at`."""
        found: datetime = self._query("replay_start", {"at": at})[0]["started_at"]
        return found

    # --- for the watch ---

    def idle(self) -> list[dict[str, Any]]:
        """Return active runs of the queue with `idle_s`, `held` and `open_steps`."""
        return self._query("idle")

    def count_resume(self, run_id: str, seen_at: datetime | None) -> bool:
        """Count a resumption; False when another watch was first.

        `seen_at` is when the run was last resumed, as `idle` told it.
        """
        return bool(self._query("resume_run", {"id": run_id, "seen_at": seen_at}))

    def _query(self, name: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        return self._db.query(self._sql[name], params)


def _key(run_id: str, call: Call) -> dict[str, Any]:
    key = f"{run_id}/{call.step}/{call.item}"
    return {"run_id": run_id, "name": call.step, "item": call.item, "key": key}


def _before(rows: list[list[Any]]) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    inputs: dict[str, Any] = {}
    failures: dict[str, dict[str, str]] = {}
    for name, item, state, output, error in rows:
        if state == StepState.FAILED:
            failures.setdefault(name, {})[item] = error
        elif item:
            inputs.setdefault(name, {})[item] = output
        else:
            inputs[name] = output
    return inputs, failures


_NOT_STARTED: dict[str, Any] = {"task_id": None, "retries": 0, "run_at": None}
_RUN_FIELDS = Run.__dataclass_fields__.keys()
_ATTEMPT_FIELDS = Attempt.__dataclass_fields__.keys()
_STEP_FIELDS = StepRow.__dataclass_fields__.keys()


def to_run(row: Mapping[str, Any]) -> Run:
    """Return the run of a row of `runs`."""
    found = {name: row[name] for name in _RUN_FIELDS}
    code = SkipCode(row["skip_code"]) if row["skip_code"] else None
    return Run(**found | {"state": RunState(row["state"]), "skip_code": code})


def _step(row: Mapping[str, Any]) -> StepRow:
    found = {name: row[name] for name in _STEP_FIELDS}
    return StepRow(**found | {"state": StepState(row["state"])})

"""What pages ask of the past: bounded questions, answered by an index however much there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from axiom.errors import UnknownRun
from axiom.ledger.ledger import to_run
from axiom.model import PIPELINES, Json, Run, StepRow, StepState
from axiom.stores.postgres import Postgres, named_queries

NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), "~")
Cursor = tuple[datetime, str]  # a page starts after this (created_at, id)

# what a step as a whole is called when its items are in several states: the first of these
_ORDER = (
    StepState.FAILED, StepState.RETRYING, StepState.RUNNING, StepState.PENDING,
    StepState.CANCELLED, StepState.SUCCEEDED, StepState.SKIPPED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One step of a run, its items counted by state."""

    name: str
    position: int
    counts: Mapping[str, int]
    mapped: bool
    attempts: int
    started_at: datetime | None
    ended_at: datetime | None
    retry_at: datetime | None
    error: str | None

    @property
    def total(self) -> int:
        """How many items, 1 when it is not mapped."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """How many will not run any more."""
        open_ = (StepState.PENDING, StepState.RUNNING, StepState.RETRYING)
        return self.total - sum(self.counts.get(state, 0) for state in open_)

    @property
    def state(self) -> str:
        """The state of the whole: what goes on, or else what went worst."""
        moving = [s for s in _ORDER[1:3] if self.counts.get(s)]
        if self.mapped and moving:
            return moving[-1].value
        if self.mapped and 0 < self.done < self.total:
            return StepState.RUNNING.value
        return next((s.value for s in _ORDER if self.counts.get(s)), StepState.PENDING.value)


@dataclass(frozen=True, slots=True)
class Pulse:
    """A run as it looked at one moment; another signature means that it changed."""

    run_id: str
    pipeline: str
    state: str
    signature: str


@dataclass(frozen=True, slots=True)
class Page:
    """Runs, newest first, and where the next page starts."""

    runs: list[Run]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Side:
    """What one run was made of, for a comparison."""

    run: Run
    code: str | None
    steps: Mapping[str, StepSummary]
    prompts: list[str]
    values: Mapping[str, Json] = field(default_factory=dict)
    usd: float = 0.0
    calls: int = 0


class History:
    """Read models for pages. Raises `StoreUnavailable` when Postgres cannot be reached."""

    def __init__(self, postgres: Postgres) -> None:
        self._db = postgres
        self._sql = named_queries("history")

    def overview(self, recent: int = 40) -> list[dict[str, Any]]:
        """Return each pipeline: `last` run, `good_at`, pause, `recent` runs, oldest first."""
        names = list(PIPELINES)
        rows = self._query("pipelines", pipelines=names)
        lately: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for run in self._query("recent", pipelines=names, limit=recent):
            lately[run["pipeline"]].insert(0, run)
        for row in rows:
            row["recent"] = lately[row["pipeline"]]
            row["last"] = run_from_json(row["last"]) if row["last"] else None
        return rows

    def failing(self, pipeline: str) -> dict[str, Any] | None:
        """Return the first run since which the pipeline has not succeeded, if it has not."""
        rows = self._query("failing", pipeline=pipeline)
        return rows[0] if rows else None

    def runs(
        self,
        *,
        pipeline: str | None = None,
        state: str | None = None,
        limit: int = 50,
        before: Cursor | None = None,
    ) -> Page:
        """Return a page of runs, newest first."""
        return self._page("runs", {"pipeline": pipeline, "state": state}, limit, before)

    def _page(
        self, query: str, asked: Mapping[str, Any], limit: int, before: Cursor | None
    ) -> Page:
        at, run_id = before or NEWEST
        rows = self._query(query, **asked, before_at=at, before_id=run_id, limit=limit + 1)
        runs = [to_run(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(runs, (runs[-1].created_at, runs[-1].id) if more else None)

    def run(self, run_id: str) -> Run:
        """Return a run; the id may be cut short as long as it is unique.

        Raises:
            UnknownRun: none, or several, start so.
        """
        rows = self._query("run", run_id=run_id)
        if not rows:
            like = self._query("runs_like", prefix=run_id)
            if len(like) != 1 or not run_id:
                problem = "several runs start with" if like else "there is no run"
                raise UnknownRun(f"{problem} {run_id!r}")
            rows = self._query("run", run_id=like[0]["id"])
        return to_run(rows[0])

    def newest(self, pipeline: str) -> Run | None:
        """Return the run that a pipeline's page draws."""
        rows = self._query("newest", pipeline=pipeline)
        return to_run(rows[0]) if rows else None

    def neighbours(self, run: Run) -> dict[str, str]:
        """Return the ids of the runs `before` and `after`."""
        asked = {"pipeline": run.pipeline, "created_at": run.created_at, "run_id": run.id}
        return {row["side"]: row["id"] for row in self._query("neighbours", **asked)}

    def summaries(self, runs: Sequence[Run]) -> dict[str, dict[str, StepSummary]]:
        """Return the steps of some runs, by run and name, in order."""
        ids, ats = [run.id for run in runs], [run.created_at for run in runs]
        found: dict[str, dict[str, list[dict[str, Any]]]] = {run_id: {} for run_id in ids}
        for row in self._query("step_counts", run_ids=ids, run_ats=ats) if runs else ():
            found[row["run_id"]].setdefault(row["name"], []).append(row)
        return {run_id: _in_order(map(_summary, by.values())) for run_id, by in found.items()}

    def timeline(self, run: Run) -> dict[str, StepSummary]:
        """Return the steps of one run, by name, in order."""
        return self.summaries([run])[run.id]

    def grid(
        self,
        pipeline: str,
        *,
        limit: int = 40,
        before: Cursor | None = None,
        backfills: bool = False,
    ) -> tuple[Page, dict[str, dict[str, StepSummary]]]:
        """Return a page of a pipeline's own runs, or of all, and the steps of each."""
        asked = {"pipeline": pipeline, "state": None}
        page = self._page("runs" if backfills else "live_runs", asked, limit, before)
        return page, self.summaries(page.runs)

    def steps(
        self,
        run: Run,
        *,
        name: str | None = None,
        limit: int = 100,
        after: tuple[int, str] = (-1, ""),
    ) -> list[StepRow]:
        """Return a page of a run's steps in order, with outputs and tracebacks.

        Without a `name` those that are not mapped, else the items of that step.
        """
        place = {"after_position": after[0], "after_item": after[1]}
        rows = self._query("steps", **_of(run), name=name, limit=limit, **place)
        return [_step(row) for row in rows]

    def wrong(self, run: Run, limit: int = 20) -> list[dict[str, Any]]:
        """Return what did not succeed, with error and traceback."""
        return self._query("wrong", **_of(run), limit=limit)

    def attempts(self, run: Run, limit: int = 50) -> list[dict[str, Any]]:
        """Return attempts that came to nothing, the newest first."""
        return self._query("attempts", **_of(run), limit=limit)

    def calls(self, run_id: str) -> list[dict[str, Any]]:
        """Return what a run asked of Claude, by step, model and prompt, the dearest first."""
        return self._query("calls", run_id=run_id)

    def dollars(self, since: datetime) -> list[dict[str, Any]]:
        """Return what was paid since then, by pipeline; `imitation` rows were paid to nobody."""
        return self._query("dollars", since=since)

    def dollars_of(self, run_ids: Sequence[str]) -> dict[str, float]:
        """Return what some runs cost; those that asked nothing are left out."""
        rows = self._query("dollars_of_runs", run_ids=list(run_ids))
        return {row["run_id"]: float(row["usd"]) for row in rows}

    def compare(self, a: str, b: str) -> tuple[Side, Side]:
        """Return two runs as what they were made of."""
        return self._side(a), self._side(b)

    def _side(self, run_id: str) -> Side:
        run = self.run(run_id)
        calls = self.calls(run.id)
        outputs = self._query("outputs", **_of(run))
        return Side(
            run,
            (run.plan or {}).get("code"),
            self.timeline(run),
            sorted({f"{row['step']}: {row['prompt']} on {row['model']}" for row in calls}),
            {
                f"{row['name']}.{key}" if key else row["name"]: value
                for row in outputs
                for key, value in scalars(row["output"])
                if not str(value).startswith(f"axiom:artifact:{run.id}")  # another each time
            },
            float(sum(row["usd"] for row in calls)),
            sum(row["calls"] for row in calls),
        )

    def pulse(self) -> list[Pulse]:
        """Return active runs and backfills, and those that ended within the last half minute."""
        return [
            Pulse(row["id"], row["pipeline"], row["state"], row["signature"] or "")
            for row in self._query("pulse")
        ]

    def _query(self, query: str, /, **values: Any) -> list[dict[str, Any]]:
        return self._db.query(self._sql[query], values)


def scalars(value: Json, name: str = "", depth: int = 3) -> list[tuple[str, Json]]:
    """Return the numbers and short texts of a JSON value, by dotted name; lists as their length."""
    if isinstance(value, Mapping) and depth:
        return [
            pair
            for key, each in sorted(value.items())
            for pair in scalars(each, f"{name}.{key}" if name else str(key), depth - 1)
        ]
    if isinstance(value, list | Mapping):
        return [(f"{name} (length)".strip(), len(value))]
    return [(name, value if not isinstance(value, str) else value[:80])]


def _in_order(steps: Any) -> dict[str, StepSummary]:
    return {each.name: each for each in sorted(steps, key=lambda each: each.position)}


def _summary(rows: list[dict[str, Any]]) -> StepSummary:
    def known(key: str) -> list[Any]:
        return [row[key] for row in rows if row[key] is not None]

    unfinished = any(row["state"] in ("pending", "running", "retrying") for row in rows)
    return StepSummary(
        name=rows[0]["name"],
        position=min(row["position"] for row in rows),
        counts={row["state"]: row["n"] for row in rows},
        mapped=any(row["mapped"] for row in rows),
        attempts=max(row["attempts"] for row in rows),
        started_at=min(known("started_at"), default=None),
        ended_at=None if unfinished else max(known("ended_at"), default=None),
        retry_at=min(known("retry_at"), default=None),
        error=min(known("error"), default=None),
    )


def _of(run: Run) -> dict[str, Any]:
    return {"run_id": run.id, "run_at": run.created_at}


def run_from_json(row: Mapping[str, Any]) -> Run:
    """Make a run of a row that came as JSON."""
    times = {
        key: datetime.fromisoformat(value)
        for key, value in row.items()
        if key.endswith("_at") and value
    }
    return to_run({"plan": None, **row, **times})


_STEP_FIELDS = StepRow.__dataclass_fields__.keys()


def _step(row: Mapping[str, Any]) -> StepRow:
    found = {name: row[name] for name in _STEP_FIELDS}
    return StepRow(**found | {"state": StepState(row["state"])})

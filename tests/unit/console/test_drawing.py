"""Where things go in the drawings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from axiom.console import drawing
from axiom.console.drawing import Box
from axiom.ledger.history import StepSummary, scalars
from axiom.model import PIPELINES, Run, RunState
from axiom.tasks.flows import flow_of

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def summary(counts: dict[str, int], *, mapped: bool = False, **facts: object) -> StepSummary:
    known = {
        "name": "a", "position": 0, "attempts": 1, "started_at": None, "ended_at": None,
        "retry_at": None, "error": None,
    }  # fmt: skip
    return StepSummary(counts=counts, mapped=mapped, **known | facts)  # type: ignore[arg-type]


def overlap(a: Box, b: Box) -> bool:
    return abs(a.x - b.x) < max(a.w, b.w) and abs(a.y - b.y) < max(a.h, b.h)


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_step_has_its_place_inside_the_picture_and_none_lies_on_another(
    pipeline: str, upright: bool
) -> None:
    flow = flow_of(pipeline)
    drawn = drawing.flow(flow.describe(), {}, upright=upright)
    assert [box.name for box in drawn.boxes] == list(flow.steps())
    assert not any(overlap(a, b) for a, b in combinations(drawn.boxes, 2))
    for box in drawn.boxes:
        assert 0 <= box.x <= drawn.w - box.w
        assert 0 <= box.y <= drawn.h - box.h
    for frame in drawn.frames:
        assert frame.y >= 0
        assert frame.y + frame.h <= drawn.h


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_an_upright_flow_fits_a_phone(pipeline: str) -> None:
    drawn = drawing.flow(flow_of(pipeline).describe(), {}, upright=True)
    assert drawn.w <= 440


@pytest.mark.parametrize(
    ("counts", "mapped", "state"),
    [
        ({"pending": 1}, False, "pending"),
        ({"retrying": 1}, False, "retrying"),
        ({"succeeded": 3, "running": 1, "failed": 1}, True, "running"),
        ({"succeeded": 3, "pending": 2}, True, "running"),
        ({"succeeded": 3, "failed": 1}, True, "failed"),
        ({"succeeded": 3}, True, "succeeded"),
        ({"cancelled": 1, "succeeded": 3}, True, "cancelled"),
        ({"retrying": 2, "succeeded": 1}, True, "retrying"),
    ],
)
def test_a_step_of_many_items_has_one_state(
    counts: dict[str, int], mapped: bool, state: str
) -> None:
    assert summary(counts, mapped=mapped).state == state


def test_bars_stay_within_the_time_of_their_run() -> None:
    run = Run(
        "r", "graph", AT, "celery", RunState.SUCCEEDED, "manual", {}, None, AT, AT,
        AT + timedelta(seconds=10), None, None,
    )  # fmt: skip
    steps = {
        "early": summary({"succeeded": 1}, started_at=AT, ended_at=AT + timedelta(seconds=5)),
        "short": summary(
            {"succeeded": 1}, started_at=AT + timedelta(seconds=10),
            ended_at=AT + timedelta(seconds=10),
        ),
        "never": summary({"skipped": 1}),
    }  # fmt: skip
    early, short, never = drawing.gantt(run, steps, AT)
    assert (early.x, early.w, early.seconds) == (0, 500, 5)
    assert short.x + short.w <= 1000
    assert short.w > 0
    assert never.seconds is None


def test_a_run_that_began_after_now_was_looked_at_has_a_column() -> None:
    run = {"created_at": AT + timedelta(seconds=1), "ended_at": None}
    [column] = drawing.columns([run], width=100, height=10, slots=10, now=AT)
    assert column.h > 0
    assert column.x == 90


def test_what_is_compared_of_an_output_is_small() -> None:
    value = {"rows": 3, "gaps": ["A", "B"], "deep": {"x": {"y": {"z": 1}}}, "text": "long" * 99}
    told = dict(scalars(value))
    assert told["rows"] == 3
    assert told["gaps (length)"] == 2
    assert len(told["text"]) == 80
    assert told["deep.x.y (length)"] == 1

"""Where things go in the drawings: pure, from a flow's shape and its steps to coordinates.

A flow is series-parallel, so its picture is a row of columns (a column of rows on a
narrow screen): a lone step is one box, parallel steps are stacked, and a chain over items
is a framed row of boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from axiom.ledger.history import StepSummary
from axiom.model import Run

BOX_W, BOX_H, GAP, STACK, PAD = 152, 56, 30, 14, 12


@dataclass(frozen=True, slots=True)
class Box:
    """One step."""

    name: str
    x: float
    y: float
    step: StepSummary | None
    w: int = BOX_W
    h: int = BOX_H

    @property
    def state(self) -> str:
        """Of the step; pending before it is planned."""
        return self.step.state if self.step else "pending"


@dataclass(frozen=True, slots=True)
class Frame:
    """Around a chain that runs once for each item."""

    x: float
    y: float
    w: float
    h: float
    over: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A flow, ready to be drawn."""

    w: float
    h: float
    boxes: Sequence[Box]
    edges: Sequence[str]  # SVG paths
    frames: Sequence[Frame]


def flow(
    shape: Sequence[Mapping[str, Any]], steps: Mapping[str, StepSummary], *, upright: bool = False
) -> Drawing:
    """Lay a flow out from left to right, or from top to bottom."""
    return _upright(shape, steps) if upright else _lying(shape, steps)


def _lying(shape: Sequence[Mapping[str, Any]], steps: Mapping[str, StepSummary]) -> Drawing:
    tallest = max((len(n["steps"]) for n in shape if n["kind"] == "parallel"), default=1)
    height = tallest * BOX_H + (tallest - 1) * STACK + 2 * PAD
    x, stages, frames = float(PAD), list[list[list[Box]]](), list[Frame]()
    for node in shape:
        names = node["steps"]
        if node["kind"] == "parallel":
            top = (height - len(names) * BOX_H - (len(names) - 1) * STACK) / 2
            boxes = [
                [Box(name, x, top + n * (BOX_H + STACK), steps.get(name))]
                for n, name in enumerate(names)
            ]
            x += BOX_W + GAP
        else:
            y = (height - BOX_H) / 2
            boxes = [
                [Box(name, x + n * (BOX_W + GAP), y, steps.get(name))
                 for n, name in enumerate(names)]
            ]  # fmt: skip
            wide = len(names) * (BOX_W + GAP) - GAP
            if node["kind"] == "each":
                frames.append(Frame(x - 9, y - 9, wide + 18, BOX_H + 18, node["over"]))
            x += wide + GAP
        stages.append(boxes)
    if frames:  # room for the frame, where nothing else is taller
        height = max(height, BOX_H + 2 * PAD + 18)
    edges = [_across(a, b) for a, b in _joined(stages)]
    return Drawing(x - GAP + PAD, height, _flat(stages), edges, frames)


def _upright(shape: Sequence[Mapping[str, Any]], steps: Mapping[str, StepSummary]) -> Drawing:
    widest = max((len(n["steps"]) for n in shape if n["kind"] == "parallel"), default=1)
    box_w = BOX_W if widest < 3 else 118
    width = widest * box_w + (widest - 1) * STACK + 2 * PAD + 18
    y, stages, frames = float(PAD), list[list[list[Box]]](), list[Frame]()
    for node in shape:
        names = node["steps"]
        if node["kind"] == "parallel":
            left = (width - len(names) * box_w - (len(names) - 1) * STACK) / 2
            boxes = [
                [Box(name, left + n * (box_w + STACK), y, steps.get(name), box_w)]
                for n, name in enumerate(names)
            ]
            y += BOX_H + GAP
        else:
            x = (width - BOX_W) / 2
            boxes = [
                [Box(name, x, y + n * (BOX_H + GAP), steps.get(name))
                 for n, name in enumerate(names)]
            ]  # fmt: skip
            tall = len(names) * (BOX_H + GAP) - GAP
            if node["kind"] == "each":
                frames.append(Frame(x - 9, y - 9, BOX_W + 18, tall + 18, node["over"]))
            y += tall + GAP
        stages.append(boxes)
    edges = [_down(a, b) for a, b in _joined(stages)]
    return Drawing(width, y - GAP + PAD, _flat(stages), edges, frames)


def _joined(stages: Sequence[Sequence[Sequence[Box]]]) -> Iterator[tuple[Box, Box]]:
    for stage in stages:
        for chain in stage:
            yield from pairwise(chain)
    for before, after in pairwise(stages):
        for one in before:
            for other in after:
                yield one[-1], other[0]


def _across(a: Box, b: Box) -> str:
    x1, y1, x2, y2 = a.x + a.w, a.y + a.h / 2, b.x, b.y + b.h / 2
    middle = (x1 + x2) / 2
    return f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"


def _down(a: Box, b: Box) -> str:
    x1, y1, x2, y2 = a.x + a.w / 2, a.y + a.h, b.x + b.w / 2, b.y
    middle = (y1 + y2) / 2
    return f"M{x1:g} {y1:g}C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2:g}"


def _flat(stages: Sequence[Sequence[Sequence[Box]]]) -> list[Box]:
    return [box for stage in stages for chain in stage for box in chain]


@dataclass(frozen=True, slots=True)
class Bar:
    """One step on the time line; `x` and `w` in thousandths of the run."""

    step: StepSummary
    x: float
    w: float
    seconds: float | None


def gantt(run: Run, steps: Mapping[str, StepSummary], now: datetime) -> list[Bar]:
    """Place the steps of a run on its time."""
    span_s = max(((run.ended_at or now) - run.created_at).total_seconds(), 1e-3)

    def bar(step: StepSummary) -> Bar:
        if step.started_at is None:
            return Bar(step, 0, 0, None)
        begin_s = (step.started_at - run.created_at).total_seconds()
        took_s = ((step.ended_at or run.ended_at or now) - step.started_at).total_seconds()
        took_s = max(took_s, 0.0)
        x = min(max(begin_s / span_s, 0) * 1000, 996)
        return Bar(step, x, min(max(took_s / span_s * 1000, 4), 1000 - x), took_s)

    return [bar(step) for step in steps.values()]


@dataclass(frozen=True, slots=True)
class Column:
    """One run in a little chart."""

    run: Mapping[str, Any]
    x: float
    y: float
    h: float
    seconds: float | None


def columns(
    runs: Sequence[Mapping[str, Any]], *, width: float, height: float, slots: int, now: datetime
) -> list[Column]:
    """Draw durations as columns, the newest on the right; heights by square root."""

    def seconds(run: Mapping[str, Any]) -> float:
        # a run may have begun since `now` was looked at
        took_s: float = ((run["ended_at"] or now) - run["created_at"]).total_seconds()
        return max(0.0, took_s)

    longest = max((seconds(run) for run in runs), default=1.0) or 1.0
    step = width / slots
    found = []
    for n, run in enumerate(runs[-slots:]):
        tall = max(height * (seconds(run) / longest) ** 0.5, 3)
        at = n + slots - min(len(runs), slots)
        found.append(Column(run, at * step, height - tall, tall, seconds(run)))
    return found

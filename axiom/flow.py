"""What a pipeline looks like: steps in series, in parallel, and over items.

    FLOW = Flow(
        "graph",
        select_companies,
        Each("select_companies", fetch_profile, analyse_company),
        resolve_entities,
        Parallel(store_this, store_that),
        close,
    )

`params=` declares what one run can be told (`axiom.params`); it reaches every step as
`ctx.params`, without what was left out.

A step is a plain function of a `Context` that returns a small JSON value. What
it returns is kept in the ledger and reaches every later step as
`ctx.inputs["name"]`; tables are handed on by reference (`ctx.artifacts`).

`Each(over, *chain)` runs the chain once for every item in the list that the
step named `over` returned. That step must come first in the flow: it runs
while the run is planned, because a Celery canvas must know its items.

A failing step of `Each` or `Parallel` is recorded and its siblings go on; the
join behind them sees what succeeded, and the run ends `partial`. A failing
step in series ends the run as `failed`. Steps may run more than once: they
write with natural keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

from axiom.model import Json
from axiom.params import Param

S = TypeVar("S")


class Artifacts(Protocol):
    """Keeps what is too large for a message, for the life of a run."""

    def put(self, run_id: str, name: str, value: Json) -> str:
        """Keep a JSON value and return its reference."""
        ...

    def get(self, ref: str) -> Json:
        """Return the value.

        Raises:
            ArtifactMissing: it has expired.
        """
        ...

    def put_arrays(self, run_id: str, name: str, arrays: Mapping[str, Any]) -> str:
        """Keep NumPy arrays by name, as bytes, and return their reference."""
        ...

    def get_arrays(self, ref: str) -> dict[str, Any]:
        """Return the arrays; raises like `get`."""
        ...


@dataclass(frozen=True, slots=True)
class Context(Generic[S]):
    """What a step gets: its run, its inputs, and the pipeline's services."""

    run_id: str
    pipeline: str
    logical_at: datetime
    services: S
    artifacts: Artifacts
    item: str = ""
    params: Mapping[str, Json] = field(default_factory=dict)
    # by step name: the output, or for mapped steps {item: output} of those that succeeded
    inputs: Mapping[str, Any] = field(default_factory=dict)
    # by step name: {item: error} of what failed before this step
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    step: str = ""


CURRENT: ContextVar[Context[Any] | None] = ContextVar("current_step", default=None)
"""The step that runs here, for what works on its behalf and must say so: the call book."""

StepFunction = Callable[[Context[Any]], Json]


@dataclass(frozen=True, slots=True, init=False)
class Parallel:
    """Steps that run side by side; what follows waits for all of them."""

    steps: tuple[StepFunction, ...]

    def __init__(self, *steps: StepFunction) -> None:
        object.__setattr__(self, "steps", steps)


@dataclass(frozen=True, slots=True, init=False)
class Each:
    """A chain of steps, run once for every item that the step `over` returned."""

    over: str
    steps: tuple[StepFunction, ...]

    def __init__(self, over: str, *steps: StepFunction) -> None:
        object.__setattr__(self, "over", over)
        object.__setattr__(self, "steps", steps)


@dataclass(frozen=True, slots=True)
class Call:
    """One step to run, for one item (empty unless mapped)."""

    step: str
    item: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs side by side: each branch is a chain of calls. A lone step is one branch."""

    branches: tuple[tuple[Call, ...], ...]
    mapped: bool = False  # a group: its failures are recorded, not raised

    def calls(self) -> Iterator[Call]:
        """Every call of the stage, branch by branch."""
        for branch in self.branches:
            yield from branch


@dataclass(frozen=True, slots=True, init=False)
class Flow:
    """The shape of one pipeline, declared once and read by engines, ledger and docs."""

    pipeline: str
    nodes: tuple[StepFunction | Parallel | Each, ...]
    params: tuple[Param, ...]

    def __init__(
        self,
        pipeline: str,
        *nodes: StepFunction | Parallel | Each,
        params: Sequence[Param] = (),
    ) -> None:
        object.__setattr__(self, "pipeline", pipeline)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "params", tuple(params))
        over = {node.over for node in nodes if isinstance(node, Each)}
        first = getattr(nodes[0], "__name__", "")
        if over - {first}:
            raise ValueError(f"{pipeline}: Each must go over the first step, not {over}")
        if not callable(nodes[-1]):
            raise ValueError(f"{pipeline}: the last node must be a single step, to join")
        if any(_is_group(a) and _is_group(b) for a, b in pairwise(nodes)):
            # a canvas cannot join one group and fan out into the next at once
            raise ValueError(f"{pipeline}: put a step between two groups, to join")
        if len(self.steps()) != sum(len(_steps(node)) for node in nodes):
            raise ValueError(f"{pipeline}: two steps have one name")

    def steps(self) -> dict[str, StepFunction]:
        """All step functions by name, in order."""
        return {step.__name__: step for node in self.nodes for step in _steps(node)}

    @property
    def last(self) -> str:
        """The step that ends the run."""
        return _steps(self.nodes[-1])[0].__name__

    def tolerates(self, step: str) -> bool:
        """Whether the run goes on when this step fails."""
        groups = (node for node in self.nodes if _is_group(node))
        return any(step == each.__name__ for node in groups for each in _steps(node))

    @property
    def planner(self) -> str | None:
        """The step that runs while planning, or None when nothing is mapped."""
        mapped = any(isinstance(node, Each) for node in self.nodes)
        return self.nodes[0].__name__ if mapped else None  # type: ignore[union-attr]

    def plan(self, items: Sequence[str] = ()) -> tuple[Stage, ...]:
        """Unfold the flow over its items; the planner's own step is included."""
        return tuple(_stage(node, items) for node in self.nodes)

    def describe(self) -> list[dict[str, Json]]:
        """The shape as JSON, for the ledger and the drawings."""
        return [_describe(node) for node in self.nodes]


def _is_group(node: StepFunction | Parallel | Each) -> bool:
    return isinstance(node, Parallel | Each)


def _steps(node: StepFunction | Parallel | Each) -> tuple[StepFunction, ...]:
    return node.steps if isinstance(node, Parallel | Each) else (node,)


def _stage(node: StepFunction | Parallel | Each, items: Sequence[str]) -> Stage:
    if isinstance(node, Parallel):
        return Stage(tuple((Call(step.__name__),) for step in node.steps), mapped=True)
    if isinstance(node, Each):
        chains = (tuple(Call(step.__name__, item) for step in node.steps) for item in items)
        return Stage(tuple(chains), mapped=True)
    return Stage(((Call(node.__name__),),))


def _describe(node: StepFunction | Parallel | Each) -> dict[str, Json]:
    kind = {Parallel: "parallel", Each: "each"}.get(type(node), "step")
    names = [step.__name__ for step in _steps(node)]
    return {"kind": kind, "steps": names} | ({"over": node.over} if isinstance(node, Each) else {})

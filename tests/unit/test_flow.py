"""The declaration of a pipeline's shape."""

from typing import Any

import pytest

from axiom.flow import Call, Context, Each, Flow, Parallel


def pick(ctx: Context[Any]) -> list[str]:
    return ["a", "b"]


def fetch(ctx: Context[Any]) -> str:
    return ctx.item


def read(ctx: Context[Any]) -> str:
    return ctx.item


def join(ctx: Context[Any]) -> int:
    return 1


def left(ctx: Context[Any]) -> int:
    return 1


def right(ctx: Context[Any]) -> int:
    return 1


def close(ctx: Context[Any]) -> int:
    return 1


FLOW = Flow("toy", pick, Each("pick", fetch, read), join, Parallel(left, right), close)


def test_a_plan_unfolds_a_mapped_chain_once_for_every_item() -> None:
    stages = FLOW.plan(["a", "b"])
    assert stages[1].branches == (
        (Call("fetch", "a"), Call("read", "a")),
        (Call("fetch", "b"), Call("read", "b")),
    )


def test_a_plan_without_items_has_an_empty_stage() -> None:
    assert FLOW.plan([])[1].branches == ()


def test_the_shape_names_every_step_in_order() -> None:
    assert list(FLOW.steps()) == ["pick", "fetch", "read", "join", "left", "right", "close"]
    assert FLOW.describe()[1] == {"kind": "each", "steps": ["fetch", "read"], "over": "pick"}


def test_failures_are_tolerated_in_groups_only() -> None:
    tolerated = {step for step in FLOW.steps() if FLOW.tolerates(step)}
    assert tolerated == {"fetch", "read", "left", "right"}


def test_the_planner_is_the_first_step_of_a_flow_that_maps() -> None:
    assert FLOW.planner == "pick"
    assert Flow("plain", pick, Parallel(left, right), close).planner is None


def test_mapping_over_anything_but_the_first_step_is_refused() -> None:
    with pytest.raises(ValueError, match="first step"):
        Flow("toy", join, Each("pick", fetch), close)


def test_two_groups_in_a_row_are_refused() -> None:
    with pytest.raises(ValueError, match="between two groups"):
        Flow("toy", pick, Each("pick", fetch), Parallel(left, right), close)


def test_a_group_at_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="to join"):
        Flow("toy", pick, Parallel(left, right))


def test_one_name_for_two_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        Flow("toy", pick, join, join, close)

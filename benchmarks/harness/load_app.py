"""The app of the workers under load: Axiom's own, and a pipeline that asks what it is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axiom.analysts.question import Question

PIPELINE = "load"
SMALL, LARGE = "claude-haiku-5-5", "claude-sonnet-5-5"
BYTES_PER_TOKEN = 4


def make_question(number: int, params: Mapping[str, Any]) -> Question:
    """One question; two of the same number are the same."""
    from axiom.analysts.question import Question

    size = params["output_tokens"] * BYTES_PER_TOKEN - len('{"word":""}')
    word = {"type": "string", "description": f"{{minLength: {size}}}"}
    schema = {
        "type": "object", "properties": {"word": word}, "required": ["word"],
        "additionalProperties": False,
    }  # fmt: skip
    return Question(
        prompt="load-1", system="Answer in a word. " * 30, material=f"Question {number}?",
        schema=schema, model=params["model"], max_tokens=params["max_tokens"],
        subjects=(str(number),),
    )  # fmt: skip


def make_app() -> Any:
    """Axiom's own app with one more pipeline, which puts one question for each item."""
    import axiom.tasks.claude
    from axiom.celery import app
    from axiom.flow import Context, Each, Flow
    from axiom.model import PIPELINES, Cadence
    from axiom.params import Param
    from axiom.tasks import watch
    from axiom.tasks.base import register

    def plan(ctx: Context[Any]) -> Any:
        return [str(number) for number in ctx.params["numbers"]]

    def ask(ctx: Context[Any]) -> Any:
        return ctx.services.claude.gateway(make_question(int(ctx.item), ctx.params)).known

    def close(ctx: Context[Any]) -> Any:
        return len(ctx.inputs["ask"])

    params = [
        Param("numbers", list[int], "of the questions", []),
        Param("model", str, "who is asked", SMALL),
        Param("max_tokens", int, "of an answer", 1000),
        Param("output_tokens", int, "how long an answer is", 100),
    ]
    flow = Flow(PIPELINE, plan, Each("plan", ask), close, params=params)
    axiom.tasks.claude.GRACE_S = float(os.environ["LOAD_GRACE_S"])
    app.conf.imports = ("axiom.tasks.watch",)
    app.conf.task_routes = app.conf.task_routes | {f"axiom.tasks.{PIPELINE}.ask": "claude"}
    PIPELINES[PIPELINE] = Cadence(timedelta(minutes=1), timedelta(hours=1))  # type: ignore[index]
    watch.flow_of = lambda _pipeline: flow
    register(flow)
    return app

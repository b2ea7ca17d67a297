"""Every FLOW by the name of its pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from axiom.errors import UnknownPipeline
from axiom.flow import Flow
from axiom.model import PIPELINES, Json
from axiom.params import checked


@cache
def flow_of(pipeline: str) -> Flow:
    """Return a pipeline's FLOW.

    Raises:
        UnknownPipeline: there is none of that name.
    """
    from axiom.pipelines import correlation, events, graph, ingestion

    flows: dict[str, Flow] = {
        each.FLOW.pipeline: each.FLOW for each in (ingestion, graph, events, correlation)
    }
    if pipeline not in flows:
        raise UnknownPipeline(f"{pipeline!r} is not a pipeline; they are {', '.join(PIPELINES)}")
    return flows[pipeline]


def params_of(pipeline: str, given: Mapping[str, Json] | None) -> dict[str, Json]:
    """Return the parameters of a run as its pipeline declares them.

    Raises:
        ConfigError: one is not declared, or is not what it is to be.
    """
    from axiom.tasks.services import services

    return checked(given or {}, flow_of(pipeline).params, services())

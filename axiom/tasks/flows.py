"""Every FLOW by the name of its pipeline."""

from __future__ import annotations

from functools import cache

from axiom.errors import UnknownPipeline
from axiom.flow import Flow
from axiom.model import PIPELINES


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

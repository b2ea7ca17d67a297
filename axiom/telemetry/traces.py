"""OpenTelemetry traces of runs: off, and nothing imported, unless an endpoint is set.

A run is one tree, whichever processes its tasks ran in: the ids of its trace and of its root
follow from the run's id, so nothing has to travel in messages, and a redelivered or resumed
task finds its place too. Each attempt of a step is a child of the root, each call to Claude
a child of its attempt. The root is sent when the run ends, since a span has an end.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any

from axiom.model import Run, RunState

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

DELAY_MS, TIMEOUT_S = 1000, 5
_endpoint = ""
_made: tuple[int, TracerProvider] | None = None  # and the process that it was made in
_ids: ContextVar[tuple[int, int] | None] = ContextVar("ids", default=None)


def configure(endpoint: str) -> None:
    """Send traces to that OTLP/HTTP collector, such as `http://collector:4318`; empty: to none."""
    global _endpoint
    _endpoint = endpoint.rstrip("/")


def ids_of(run_id: str) -> tuple[int, int]:
    """Return the ids of a run's trace and of its root span."""
    digest = hashlib.sha256(f"axiom/run/{run_id}".encode()).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


@contextmanager
def step(
    pipeline: str, attributes: Mapping[str, str | int]
) -> Iterator[Callable[[str, str], None]]:
    """Trace one attempt of a step; call what is given with its outcome and error."""
    if not _endpoint:
        yield lambda outcome, error: None
        return
    with _tracer().start_as_current_span(
        f"{pipeline}.{attributes['axiom.step']}",
        context=_below_root(str(attributes["axiom.run"])),
        attributes={"axiom.pipeline": pipeline, **attributes},
        record_exception=False,  # the ledger has the traceback
    ) as span:

        def seen(outcome: str, error: str) -> None:
            span.set_attribute("axiom.outcome", outcome)
            if outcome == "failed":
                _failed(span, error)

        yield seen


@contextmanager
def claude_call(model: str, max_tokens: int) -> Iterator[Callable[[Any], None]]:
    """Trace one call to Claude, by the conventions for GenAI; call what is given with the answer.

    Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/
    """
    if not _endpoint:
        yield lambda message: None
        return
    from opentelemetry.trace import SpanKind

    asked: dict[str, str | int] = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": model, "gen_ai.request.max_tokens": max_tokens,
    }  # fmt: skip
    with _tracer().start_as_current_span(
        f"chat {model}", kind=SpanKind.CLIENT, attributes=asked,
        record_exception=False, set_status_on_exception=False,
    ) as span:  # fmt: skip
        try:
            yield lambda message: span.set_attributes(_answered(message))
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            _failed(span, type(error).__name__)
            raise


def _answered(message: Any) -> dict[str, Any]:
    usage = message.usage
    written = usage.cache_write_5m + usage.cache_write_1h
    return {
        "gen_ai.response.id": message.id,
        "gen_ai.response.model": message.model,
        "gen_ai.response.finish_reasons": [message.stop_reason],
        "gen_ai.usage.input_tokens": usage.input_tokens + written + usage.cache_read,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }


def end_run(find: Callable[[], Run]) -> None:
    """Send the root of a run that has ended; `find` is asked for it when traces are on."""
    if not _endpoint:
        return
    from opentelemetry.context import Context

    run = find()
    here = _ids.set(ids_of(run.id))
    try:
        span = _tracer().start_span(
            f"run {run.pipeline}",
            context=Context(),
            start_time=_ns(run.created_at),
            attributes={
                "axiom.run": run.id, "axiom.pipeline": run.pipeline, "axiom.state": run.state,
                "axiom.trigger": run.trigger, "axiom.logical_at": run.logical_at.isoformat(),
            },
        )  # fmt: skip
    finally:
        _ids.reset(here)
    if run.state in (RunState.FAILED, RunState.CANCELLED):
        _failed(span, run.reason or run.state)
    span.end(_ns(run.ended_at) if run.ended_at else None)


def flush() -> None:
    """Send what there is; for a process that ends."""
    if _made and _made[0] == os.getpid():
        _made[1].force_flush(TIMEOUT_S * 1000)


def _failed(span: Span, error: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, error))


def _below_root(run_id: str) -> Context:
    from opentelemetry import trace

    trace_id, span_id = ids_of(run_id)
    root = trace.SpanContext(
        trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(root))


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)


def _tracer() -> Tracer:
    """The tracer of this process: a child of the pool makes one of its own."""
    global _made
    if _made is None or _made[0] != os.getpid():
        _made = os.getpid(), _make()
    return _made[1].get_tracer("axiom")


def _make() -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Random ids, but for a root's."""

        def generate_trace_id(self) -> int:
            given = _ids.get()
            return given[0] if given else super().generate_trace_id()

        def generate_span_id(self) -> int:
            given = _ids.get()
            return given[1] if given else super().generate_span_id()

    provider = TracerProvider(
        resource=Resource.create({"service.name": "axiom"}), id_generator=Ids(),
        shutdown_on_exit=True,
    )  # fmt: skip
    exporter = OTLPSpanExporter(f"{_endpoint}/v1/traces", timeout=TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=DELAY_MS))
    return provider

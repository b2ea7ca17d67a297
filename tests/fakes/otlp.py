"""A collector of traces: takes OTLP over HTTP, and says what it was told."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """A span, as a process sent it."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    seconds: float
    facts: dict[str, Any]
    failed: bool


@dataclass
class Collector:
    """Where it listens, and what came."""

    url: str = ""
    spans: list[Told] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def of(self, run_id: str) -> list[Told]:
        """The spans of the trace that holds a run."""
        traces = {span.trace_id for span in self.spans if span.facts.get("axiom.run") == run_id}
        return [span for span in self.spans if span.trace_id in traces]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect spans on a free port."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            collector.raw.append(body)
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    collector.spans += map(_told, scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def _told(span: Any) -> Told:
    facts = {each.key: _value(each.value) for each in span.attributes}
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    return Told(
        span.trace_id, span.span_id, span.parent_span_id, span.name, seconds, facts,
        span.status.code == 2,
    )  # fmt: skip


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)

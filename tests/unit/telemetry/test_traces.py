"""Traces cost nothing while they are off, and a run's tree needs nothing to travel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from axiom.model import Run, RunState
from axiom.paid import Usage
from axiom.telemetry import traces
from tests.fakes.otlp import Collector, collecting

AT = datetime(2026, 1, 31, tzinfo=UTC)


def ended(state: RunState) -> Run:
    given = dict.fromkeys(Run.__dataclass_fields__) | {
        "id": "run-1", "pipeline": "graph", "state": state, "reason": "why", "trigger": "manual",
        "logical_at": AT, "created_at": AT, "ended_at": AT + timedelta(seconds=7),
    }  # fmt: skip
    return Run(**given)  # type: ignore[arg-type]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as made:
        traces.configure(made.url)
        yield made
    traces.configure("")
    monkeypatch.setattr(traces, "_made", None)


def test_nothing_is_imported_while_traces_are_off() -> None:
    code = (
        "import sys; from axiom.telemetry import traces\n"
        "with traces.step('p', {'axiom.step': 's'}) as seen: seen('done', '')\n"
        "with traces.claude_call('m', 1) as seen: seen(None)\n"
        "traces.end_run(lambda: 1 / 0); traces.flush()\n"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_failed_run_its_step_and_its_call_are_one_tree(collector: Collector) -> None:
    usage = Usage(input_tokens=5, cache_write_5m=2, output_tokens=3)
    message = SimpleNamespace(id="msg", model="claude-x", stop_reason="end_turn", usage=usage)
    facts = {"axiom.run": "run-1", "axiom.step": "analyse", "axiom.item": "AAPL"}
    with traces.step("graph", facts) as seen:
        with traces.claude_call("claude-x", 100) as answered:
            answered(message)
        with pytest.raises(TimeoutError), traces.claude_call("claude-x", 100):
            raise TimeoutError("with a secret")
        seen("failed", "why")
    traces.end_run(lambda: ended(RunState.FAILED))
    traces.flush()
    spans = {span.name: span for span in collector.spans}
    root, step = spans["run graph"], spans["graph.analyse"]
    assert (root.trace_id, root.span_id) == tuple(
        each.to_bytes(size) for each, size in zip(traces.ids_of("run-1"), (16, 8), strict=True)
    )
    assert (root.parent_id, step.parent_id) == (b"", root.span_id)
    assert {span.trace_id for span in collector.spans} == {root.trace_id}
    assert (root.seconds, root.failed, step.failed) == (7.0, True, True)
    calls = [span for span in collector.spans if span.name == "chat claude-x"]
    assert [call.parent_id for call in calls] == [step.span_id] * 2
    assert [call.failed for call in calls] == [False, True]
    assert calls[0].facts["gen_ai.usage.input_tokens"] == 7
    assert calls[0].facts["gen_ai.response.finish_reasons"] == ["end_turn"]
    assert calls[1].facts["error.type"] == "TimeoutError"
    assert b"secret" not in b"".join(collector.raw)


def test_a_collector_that_is_away_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_made", None)
    traces.configure("http://127.0.0.1:1")
    try:
        with traces.step("graph", {"axiom.run": "r", "axiom.step": "s"}) as seen:
            seen("done", "")
    finally:
        traces.configure("")
        monkeypatch.setattr(traces, "_made", None)

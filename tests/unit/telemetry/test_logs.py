"""Lines for a terminal are short; lines for machines are whole."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from axiom.telemetry import logs
from axiom.telemetry.observe import observed

RUN = "0c91f6f5-f0c8-491a-b7dd-fc9cd2c8607f"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def said(log_format: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What one step and its library write."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(log_format, "INFO")
    structlog.contextvars.bind_contextvars(task=RUN, worker="io@a-host-with-a-long-name.example")
    with observed(RUN, "graph", "analyse_company", "AAPL", 1) as seen:
        logging.getLogger("neo4j").warning("a library's %s", "words")
        seen("done", "")
    logging.getLogger("celery").info("outside")
    return stream.getvalue().splitlines()


def test_lines_for_a_terminal_fit_into_80_columns_and_say_whose_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library, ended, outside = said("console", monkeypatch)
    assert "0c91f6f5 graph.analyse_company/AAPL a library's words" in library
    assert "graph.analyse_company/AAPL step_succeeded" in ended
    assert "task=0c91f6f5" in outside
    assert max(map(len, (library, ended, outside))) <= 80


def test_lines_for_machines_have_what_they_belong_to_also_those_of_libraries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library, ended, outside = map(json.loads, said("json", monkeypatch))
    for line in (library, ended):
        assert (line["run"], line["pipeline"], line["step"]) == (RUN, "graph", "analyse_company")
        assert (line["item"], line["attempt"], line["task"]) == ("AAPL", 1, RUN)
    assert library["event"] == "a library's words"
    assert "run" not in outside


def test_the_last_words_of_a_process_are_a_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("json", "INFO", secrets=["Zq9secret"])
    try:
        raise RuntimeError("it ended with Zq9secret")
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    told = json.loads(stream.getvalue())
    assert (told["event"], told["level"]) == ("uncaught", "critical")
    assert "RuntimeError: it ended with [redacted]" in told["exception"]

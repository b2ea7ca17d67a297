"""Structured logs: one JSON object a line, or short lines with colours on a terminal.

Facts bound by `structlog.contextvars` (run, pipeline, step, item, attempt, task, worker) are on
every line, also on those of libraries; secrets are on none.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import structlog

from axiom.telemetry.redact import learn, redact_event

if TYPE_CHECKING:
    from structlog.types import Processor

SHORT = 8  # characters of an id that a person reads
_log = structlog.get_logger("axiom")


def configure(
    log_format: str, level: str, *, secrets: Iterable[str] = (), shown: str | None = None
) -> None:
    """Send every log record of this process to stderr in one form, and its last words too.

    `shown`: only those from this level on; other handlers get the rest too.
    """
    learn(secrets)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(shown or level)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact_event,
                *_renderers(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _say_last_words
    threading.excepthook = lambda args: _say_last_words(
        args.exc_type, args.exc_value, args.exc_traceback
    )


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def read_record(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record's facts without secrets, whether structlog made it or a library."""
    if isinstance(record.msg, dict):
        event = {k: v for k, v in record.msg.items() if not k.startswith("_")}
    else:
        event = structlog.contextvars.get_contextvars()
        event |= {"event": record.getMessage(), "logger": record.name}
        event["level"] = record.levelname.lower()
        if record.exc_info and record.exc_info[0]:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
    return dict(redact_event(None, "", event))


def _say_last_words(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
    else:
        _log.critical("uncaught", exc_info=(kind, error, trace))


def _renderers(log_format: str) -> list[Processor]:
    if log_format == "json":
        return [structlog.processors.JSONRenderer()]
    return [_shorten, _console()]


def _console() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False
    )


def _shorten(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Fit what a person reads into a line: the time of day, and first whose line it is."""
    event["timestamp"] = str(event.get("timestamp", ""))[11:19]
    event.pop("worker", None)  # each process has a terminal, or a file, of its own
    task = event.pop("task", None)
    if run := event.pop("run", None):
        event.pop("logger", None)
        names = (event.pop(name, "") for name in ("pipeline", "step", "item", "attempt"))
        pipeline, step, item, attempt = names
        place = ".".join(filter(None, (pipeline, step))) + (f"/{item}" if item else "")
        place += f"#{attempt}" if attempt not in ("", 1) else ""
        event["event"] = " ".join(filter(None, (str(run)[:SHORT], place, str(event["event"]))))
    elif task:
        event["task"] = str(task)[:SHORT]
    return event

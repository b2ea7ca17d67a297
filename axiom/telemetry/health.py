"""What every long-lived process serves: `/live`, `/ready`, `/health`, `/metrics`.

A thread with the standard library's HTTP server. `/live` asks whether the process should be
killed and started again, `/ready` whether what it needs answers: a dead store makes no process
unlive, since a restart would not help. The port is a setting, or a free one that is written to
`<data_dir>/health/<name>.json`, in the form of Prometheus' file_sd_configs.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import structlog

from axiom.errors import ConfigError

log = structlog.get_logger(__name__)
REQUEST_TIMEOUT_S = 10.0
TEXT = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "health"


def _nothing() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Process:
    """A process, as its probes see it.

    `ailment()` says why it must be started again, None while it is well; `missing()` what does
    not answer, by name; `metrics()` is the exposition; `facts()` is for people.
    """

    kind: str
    name: str
    ailment: Callable[[], str | None]
    missing: Callable[[], Mapping[str, str]]
    metrics: Callable[[], bytes]
    facts: Callable[[], dict[str, Any]] = _nothing


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer
    timeout = REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        page = _PAGES.get(self.path.partition("?")[0].rstrip("/"))
        if page is None:
            return self._say(404, b'{"error": "try /live /ready /health /metrics"}\n')
        try:
            status, body = page(self.server.process)
        except Exception as error:  # a probe must never end in a dropped connection
            log.warning("probe_failed", path=self.path, exc_info=True)
            status, body = 500, _json({"error": type(error).__name__})
        return self._say(status, body, TEXT if page is _metrics else "application/json")

    def _say(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: probes come every few seconds."""


def _live(process: Process) -> tuple[int, bytes]:
    ailment = process.ailment()
    return 503 if ailment else 200, _json({"live": ailment is None, "ailment": ailment})


def _ready(process: Process) -> tuple[int, bytes]:
    missing = dict(process.missing())
    return 503 if missing else 200, _json({"ready": not missing, "missing": missing})


def _health(process: Process) -> tuple[int, bytes]:
    ailment, missing = process.ailment(), dict(process.missing())
    told = {
        "kind": process.kind, "name": process.name, "pid": os.getpid(),
        "live": ailment is None, "ailment": ailment,
        "ready": not missing, "missing": missing,
    }  # fmt: skip
    return 200, _json(told | process.facts())


def _metrics(process: Process) -> tuple[int, bytes]:
    return 200, process.metrics()


_PAGES: dict[str, Callable[[Process], tuple[int, bytes]]] = {
    "/live": _live, "/ready": _ready, "/health": _health, "/metrics": _metrics,
}  # fmt: skip


def _json(value: Any) -> bytes:
    return json.dumps(value, default=str).encode() + b"\n"


class HealthServer(ThreadingHTTPServer):
    """The pages of one process, served by threads that end with it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, process: Process, host: str, port: int) -> None:
        self.process = process
        super().__init__((host, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""

    @property
    def target(self) -> str:
        """Where it listens, as Prometheus writes it."""
        host, port = self.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"


def serve(process: Process, host: str, port: int, data_dir: Path) -> HealthServer:
    """Serve a process' pages until it ends.

    Raises:
        ConfigError: the host or the port cannot be had.
    """
    try:
        server = HealthServer(process, host, port)
    except OSError as error:
        name = "AXIOM_HEALTH_PORT" if port else "AXIOM_HEALTH_HOST"
        raise ConfigError(name, f"cannot listen on {host}:{port}: {error.strerror}") from error
    # a child of the pool must not keep its dead parent's port
    os.register_at_fork(after_in_child=server.socket.close)
    _tell(process, server.target, data_dir)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def _tell(process: Process, target: str, data_dir: Path) -> None:
    labels = {"process": process.kind}
    path = data_dir / FOLDER / (re.sub(r"[^\w@.-]", "_", process.name) + ".json")
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps([{"targets": [target], "labels": labels}]) + "\n")
        part.replace(path)
    except OSError as error:  # where the port is set nobody needs the file
        log.warning("health_address_not_told", address=target, error=str(error))

"""A service over HTTP that answers as a test tells it, also what no API would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MESSAGE: dict[str, Any] = {
    "id": "msg_fake_x", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": '{"word":"x"}'}], "stop_reason": "end_turn",
    "stop_sequence": None, "usage": {"input_tokens": 100, "output_tokens": 100},
}  # fmt: skip
Reply = Callable[[BaseHTTPRequestHandler], None]


class ToldService:
    """`reply` is given each request's handler; `asked` counts them."""

    def __init__(self, reply: Reply) -> None:
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                outer.asked += 1
                with suppress(OSError):  # who asked has gone
                    reply(self)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def saying(status: int, body: bytes | dict[str, Any] = MESSAGE, **headers: str) -> Reply:
    """Return a reply: JSON, or any bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    return reply


def refusing(status: int, kind: str = "x", message: str = "x", **headers: str) -> Reply:
    """Return an error of the API."""
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return saying(status, error, **headers)


@contextmanager
def told_service(reply: Reply) -> Iterator[ToldService]:
    """Give a running one."""
    service = ToldService(reply)
    thread = threading.Thread(target=service.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()

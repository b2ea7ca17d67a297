"""A local webhook that checks that it is sent what Slack would take."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """Answers posts on a free port; `status` is its answer, `posts` what it took."""

    def __init__(self) -> None:
        self.status, self.posts, self.location = 200, list[dict[str, Any]](), ""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.status
                if status == 200:
                    assert self.headers["Content-Type"] == "application/json"
                    hook.posts.append(_checked(json.loads(body)))
                self.send_response(status)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/T0/sec-ret"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def texts(self) -> list[str]:
        return [post["text"] for post in self.posts]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _checked(post: dict[str, Any]) -> dict[str, Any]:
    """What Slack asks of an incoming webhook's message."""
    assert set(post) <= {"text", "attachments"}
    assert isinstance(post["text"], str)
    assert post["text"]
    for each in post["attachments"]:
        assert each["color"].startswith("#")
        assert isinstance(each["ts"], int)
    return post

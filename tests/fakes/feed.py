"""A local feed server that misbehaves on request, and checks what it is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FEED = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>Wire A</title>
<item><title>Apple unveils a phone</title><link>http://x/1</link>
<pubDate>Mon, 05 Jan 2026 14:30:00 GMT</pubDate><description>More</description></item>
<item><title>Undated</title></item></channel></rss>"""
ANSWERS = {
    "/ok": (200, FEED),
    "/429": (429, b"slow down"),
    "/500": (500, b"broken"),
    "/html": (200, b"<html><body>Sign in</body></html>"),
    "/empty": (200, b'<?xml version="1.0"?><rss version="2.0"><channel></channel></rss>'),
    "/nothing": (200, b""),
    "/untitled": (200, FEED.replace(b"<title>Wire A</title>", b"", 1)),
    "/cut": (200, FEED),
    "/drip": (200, FEED),
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        let_go = self.server.let_go  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        if path == "/slow":
            let_go.wait(10)
        status, body = ANSWERS.get(path, ANSWERS["/ok"])
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if path == "/drip":  # never silent for long, never done
            for n in range(len(body)):
                self.wfile.write(body[n : n + 1])
                if let_go.wait(0.1):
                    break
        else:
            self.wfile.write(body[: len(body) // (2 if path == "/cut" else 1)])

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        pass  # a client that does not wait is what the slow modes are about


@contextmanager
def feed_server() -> Iterator[str]:
    """Serve on loopback; give the address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.let_go = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.let_go.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()

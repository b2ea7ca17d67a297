"""Ask the servers that a process needs whether they answer: cheaply, and seldom.

Drivers of stores weigh tens of megabytes, and a worker's main process uses none: so what
each protocol says first is asked for here, and no driver is loaded. Postgres and Redis are
asked by their libraries, with the password that the process has.
"""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

TIMEOUT_S = 3
KEEP_S = 5.0
BOLT_PORT = 7687
# Bolt's magic, then the versions that we could speak: 5.0 to 5.4, 4.4
_BOLT_HELLO = bytes.fromhex("6060b017 00040405 00000404 00000000 00000000")


def check_redis(url: str) -> None:
    """Raise unless Redis answers PING."""
    import redis

    with redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    ) as client:
        client.ping()


def check_postgres(url: str) -> None:
    """Raise unless Postgres runs a statement."""
    import psycopg2

    connection = psycopg2.connect(
        url, connect_timeout=TIMEOUT_S, options=f"-c statement_timeout={TIMEOUT_S}s"
    )
    try:
        connection.cursor().execute("SELECT 1")
    finally:
        connection.close()


def check_graph(url: str) -> None:
    """Raise unless a Bolt server agrees to a version; with TLS, unless it listens."""
    parts = urlsplit(url)
    at = (parts.hostname or "127.0.0.1", parts.port or BOLT_PORT)
    with socket.create_connection(at, timeout=TIMEOUT_S) as connection:
        if "+" in parts.scheme:
            return
        connection.sendall(_BOLT_HELLO)
        if connection.recv(4) in (b"", b"\0\0\0\0"):
            raise OSError("it speaks no version of Bolt that we do")


def check_chroma(url: str) -> None:
    """Raise unless Chroma's heart beats."""
    with urllib.request.urlopen(f"{url.rstrip('/')}/api/v2/heartbeat", timeout=TIMEOUT_S) as answer:
        answer.read(1000)


CHECKS: dict[str, Callable[[str], None]] = {
    "redis": check_redis, "postgres": check_postgres,
    "graph": check_graph, "chroma": check_chroma,
}  # fmt: skip


class Dependencies:
    """The servers of a process. `urls()` tells where each is when it is asked."""

    def __init__(
        self, urls: Callable[[], Mapping[str, str]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._urls, self._clock = urls, clock
        self._lock = threading.Lock()
        self._asked_s: float | None = None
        self._missing: dict[str, str] = {}

    def missing(self) -> Mapping[str, str]:
        """Return what does not answer, and the kind of failure; kept for some seconds."""
        with self._lock:
            now = self._clock()
            if self._asked_s is None or now - self._asked_s > KEEP_S:
                self._missing = _ask(self._urls())
                self._asked_s = self._clock()
            return self._missing


def _ask(urls: Mapping[str, str]) -> dict[str, str]:
    with ThreadPoolExecutor(max_workers=len(CHECKS)) as threads:
        found = {name: threads.submit(_ailment, CHECKS[name], url) for name, url in urls.items()}
        return {name: ailment for name, each in found.items() if (ailment := each.result())}


def _ailment(check: Callable[[str], None], url: str) -> str | None:
    if not url:
        return "no address is set"
    try:
        check(url)
    except Exception as error:  # each library has errors of its own
        # its kind alone: messages may quote an address with a password
        return type(error).__name__
    return None

"""Ask servers for a sign of life, without their heavy clients: a second or two, all at once."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from axiom.config import Settings
from axiom.errors import AxiomError

TIMEOUT_S = 2.0  # of each step of a probe
PATIENCE_S = 2.5  # for all of it: a name that is looked up may take for ever
# Bolt's magic, and the four versions that are offered; https://neo4j.com/docs/bolt/current
_BOLT_HELLO = bytes.fromhex("6060b017 00000405 00000404 00000000 00000000")


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Whether a server answers."""

    name: str
    up: bool
    latency_s: float | None
    error: str | None = None
    up_s: float | None = None  # how long it has been up, where it says so


def probe_all(settings: Settings, names: Collection[str] = ()) -> list[ServiceState]:
    """Probe the named servers at once, or all four; what hangs is given up, and is not up."""
    wanted = list(names or PROBES)
    found: dict[str, ServiceState] = {}

    def ask(name: str) -> None:
        found[name] = probe(name, settings)

    threads = [threading.Thread(target=ask, args=[name], daemon=True) for name in wanted]
    for thread in threads:
        thread.start()
    give_up_s = time.monotonic() + PATIENCE_S
    for thread in threads:
        thread.join(max(give_up_s - time.monotonic(), 0))
    nothing = f"no answer in {PATIENCE_S} s"
    return [found.get(name) or ServiceState(name, False, None, nothing) for name in wanted]


def probe(name: str, settings: Settings) -> ServiceState:
    """Ask one server; what goes wrong is in the answer, without passwords."""
    began_s = time.monotonic()
    try:
        up_s = PROBES[name](settings.require(f"{name}_url"))
    except AxiomError as error:
        return ServiceState(name, False, None, str(error))
    except Exception as error:
        return ServiceState(name, False, None, _reason(error))
    return ServiceState(name, True, time.monotonic() - began_s, None, up_s)


def _reason(error: Exception) -> str:
    said = str(getattr(error, "reason", error)).strip().partition("\n")[0]
    return said[:200] or type(error).__name__


def _redis(url: str) -> float | None:
    from axiom.resilience.store import connect

    with connect(url) as client:
        return float(client.info("server")["uptime_in_seconds"])


def _postgres(url: str) -> float | None:
    import psycopg2

    timeout = f"-c statement_timeout={int(TIMEOUT_S * 1000)}"
    try:
        connection = psycopg2.connect(url, connect_timeout=int(TIMEOUT_S), options=timeout)
    except psycopg2.ProgrammingError:
        raise AxiomError("AXIOM_POSTGRES_URL cannot be read") from None  # it would be quoted
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT EXTRACT(epoch FROM now() - pg_postmaster_start_time())")
        [up_s] = cursor.fetchone() or [None]
    return None if up_s is None else float(up_s)


def _graph(url: str) -> float | None:
    parts = urlsplit(url)
    where = (parts.hostname or "", parts.port or 7687)
    with socket.create_connection(where, TIMEOUT_S) as plain:
        plain.settimeout(TIMEOUT_S)
        wrapped = _tls(plain, parts.scheme, where[0]) if "+s" in parts.scheme else plain
        wrapped.sendall(_BOLT_HELLO)
        if not any(wrapped.recv(4)):
            raise OSError("what answers there does not speak Bolt")
    return None


def _tls(plain: socket.socket, scheme: str, host: str) -> socket.socket:
    context = ssl.create_default_context()
    if scheme.endswith("+ssc"):  # its certificate is its own
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)


def _chroma(url: str) -> float | None:
    with urllib.request.urlopen(f"{url.rstrip('/')}/api/v2/heartbeat", timeout=TIMEOUT_S):
        return None


PROBES: Mapping[str, Callable[[str], float | None]] = {
    "redis": _redis, "postgres": _postgres, "graph": _graph, "chroma": _chroma,
}  # fmt: skip

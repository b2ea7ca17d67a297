"""Whether anything listens where a server of one's own should be."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from axiom.errors import ConfigError

HOST = "127.0.0.1"
_PORTS = {
    "redis": 6379, "rediss": 6379, "postgresql": 5432, "postgres": 5432, "bolt": 7687,
    "neo4j": 7687, "http": 80, "https": 443,
}  # fmt: skip


def check_reachable(name: str, url: str) -> None:
    """Find out early whether anything listens where a server of one's own should be.

    Raises:
        ConfigError: nothing does; names the setting, never the password.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return
    try:
        port = parts.port or _PORTS[parts.scheme.partition("+")[0]]
        socket.create_connection((parts.hostname or HOST, port), timeout=5).close()
    except (OSError, ValueError) as error:
        problem = f"nothing answers at {parts.hostname}:{parts.port or ''} ({error})"
        raise ConfigError(f"AXIOM_{name.upper()}_URL", problem) from None

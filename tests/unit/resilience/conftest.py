"""Every policy is tested over every backend by the same tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from axiom.embedded import servers
from axiom.resilience import store
from tests.conftest import real_url

REAL_URL = real_url("redis")
BACKENDS = ["memory", "redis", *(["real"] if REAL_URL else [])]


@pytest.fixture(params=BACKENDS)
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    if request.param == "memory":
        yield store.in_memory()
        return
    url = REAL_URL if request.param == "real" else request.getfixturevalue("redis_url")
    with store.connect(url) as connected:
        connected.flushdb()
        yield connected


class Outage:
    """A backend of its own that can be taken away and brought back."""

    def __init__(self, client: redis.Redis, away: Callable[[], None], back: Callable[[], None]):
        self.client, self.away, self.back = client, away, back


@pytest.fixture(params=["memory", "redis"])
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outage]:
    if request.param == "memory":
        yield _outage_in_memory()
        return
    server = servers.prepare(tmp_path, ["redis"])["redis"]
    with ExitStack() as stack:

        def start() -> None:
            process = servers.start(server, tmp_path)
            stack.callback(servers.stop, server, process)
            servers.wait_ready(server)

        start()
        with store.connect(server.url) as connected:
            yield Outage(connected, stack.pop_all().close, start)


def _outage_in_memory() -> Outage:
    client = store.in_memory()
    server = client.connection_pool.connection_kwargs["server"]

    def set_connected(connected: bool) -> Callable[[], None]:
        return lambda: setattr(server, "connected", connected)

    return Outage(client, set_connected(False), set_connected(True))

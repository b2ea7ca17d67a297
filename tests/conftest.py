"""Real servers for the tests: the embedded ones, and real ones where their URL is given.

They start when a test first asks, once a session. Postgres gives each test a
clone of a migrated template; Redis and the graph are emptied before each test;
Chroma is shared: each test names a market of its own.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from urllib.parse import urlsplit

import pytest

REAL = {
    "redis": "AXIOM_TEST_REDIS_URL",
    "postgres": "AXIOM_TEST_POSTGRES_URL",
    "graph": "AXIOM_TEST_GRAPH_URL",
}


def real_url(name: str) -> str | None:
    """The address of a real server; of Redis, a database for each of the tests' processes."""
    url = os.environ.get(REAL[name])
    if url and name == "redis":
        number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        return urlsplit(url)._replace(path=f"/{number}").geturl()
    return url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a contract test on the embedded server and on the real one."""
    if metafunc.definition.get_closest_marker("contract") is None:
        return
    for name, variable in REAL.items():
        if f"{name}_url" in metafunc.fixturenames:
            wanted = os.environ.get(variable) or os.environ.get("AXIOM_TEST_REQUIRE_REAL")
            metafunc.parametrize(
                f"{name}_server", ["embedded", "real"] if wanted else ["embedded"], indirect=True
            )


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("AXIOM_") and "TEST" not in n]:
            patch.delenv(name)
        patch.delenv("ANTHROPIC_API_KEY", raising=False)
        yield


class Embedded:
    """Starts each embedded server when it is first asked for."""

    def __init__(self, data_dir: Path, stack: ExitStack) -> None:
        self._data_dir, self._stack, self._urls = data_dir, stack, dict[str, str]()

    def url(self, name: str) -> str:
        from axiom.embedded.servers import running

        if name not in self._urls:
            started = self._stack.enter_context(running(self._data_dir / name, [name]))
            self._urls[name] = started[f"{name}_url"]
        return self._urls[name]


@pytest.fixture(scope="session")
def embedded() -> Iterator[Embedded]:
    # not below pytest's own directory: each pytest that starts closes that to other users,
    # and so to Postgres, which does not run as root
    with TemporaryDirectory(prefix="axiom-tests-", dir=_memory()) as made, ExitStack() as stack:
        yield Embedded(Path(made), stack)


def _memory() -> Path | None:
    # a database has 300 files: to copy one takes a disk up to twenty times as long
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and disk_usage(memory).free > 2**30 else None


def _server(name: str, embedded: Embedded, request: pytest.FixtureRequest) -> str:
    if getattr(request, "param", "embedded") == "embedded":
        return embedded.url(name)
    url = real_url(name)
    assert url, f"{REAL[name]} is required here (AXIOM_TEST_REQUIRE_REAL) and not set"
    return url


@contextmanager
def _alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the real graph, which tests empty, for this test alone: others run beside it."""
    if getattr(request, "param", "embedded") == "embedded":
        yield
        return
    with (Path(gettempdir()) / "axiom-tests-graph.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def redis_server(embedded: Embedded, request: pytest.FixtureRequest) -> str:
    return _server("redis", embedded, request)


@pytest.fixture
def postgres_server(embedded: Embedded, request: pytest.FixtureRequest) -> str:
    return _server("postgres", embedded, request)


@pytest.fixture
def graph_server(embedded: Embedded, request: pytest.FixtureRequest) -> Iterator[str]:
    with _alone(request):
        yield _server("graph", embedded, request)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    import redis

    with redis.Redis.from_url(redis_server) as client:
        client.flushdb()
    return redis_server


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    return {}


@pytest.fixture
def postgres_url(postgres_server: str, templates: dict[str, str]) -> Iterator[str]:
    from axiom.stores.schema import migrate

    if postgres_server not in templates:
        name = templates[postgres_server] = f"template_{uuid.uuid4().hex[:12]}"
        _administer(postgres_server, f"CREATE DATABASE {name}")
        migrate(_database(postgres_server, name))
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE {templates[postgres_server]}")
    yield _database(postgres_server, name)
    _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def _database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _administer(url: str, statement: str) -> None:
    import psycopg2

    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


@pytest.fixture
def graph_url(graph_server: str) -> str:
    from axiom.stores.graph import GraphStore

    store: Any = GraphStore(graph_server)
    store.prepare()
    store.query("MATCH (n) DETACH DELETE n")
    store.close()
    return graph_server


@pytest.fixture
def chroma_url(embedded: Embedded) -> str:
    """Shared by all tests: give collections a market name of your own."""
    return embedded.url("chroma")

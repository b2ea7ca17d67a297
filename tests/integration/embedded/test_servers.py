"""The embedded servers, as they start, stop and are found again."""

from __future__ import annotations

import json
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from axiom.config import SERVERS_FILE, load_settings
from axiom.embedded import servers
from axiom.errors import AxiomError, ConfigError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def urls(data_dir: Path) -> Iterator[dict[str, str]]:
    with servers.running(data_dir) as started:
        yield started


def passwords(data_dir: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((data_dir / "secrets.json").read_text())
    return found


def test_all_four_answer_their_drivers(urls: dict[str, str]) -> None:
    import chromadb
    import neo4j
    import psycopg2
    import redis

    from axiom.stores.graph import GraphStore

    with redis.Redis.from_url(urls["redis_url"]) as client:
        assert client.ping()
    with closing(psycopg2.connect(urls["postgres_url"])) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW timezone")
        assert cursor.fetchone() == ("UTC",)
    store = GraphStore(urls["graph_url"])
    assert store.query("RETURN 1 AS one") == [{"one": 1}]
    store.close()
    assert neo4j
    port = int(urls["chroma_url"].rpartition(":")[2])
    assert chromadb.HttpClient("127.0.0.1", port).heartbeat()


def test_no_command_line_shows_a_password(urls: dict[str, str], data_dir: Path) -> None:
    seen = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert len(seen) >= 4
    for secret in passwords(data_dir).values():
        assert not [line for line in seen if secret in line]


def test_nobody_else_can_read_the_data_or_the_passwords(
    urls: dict[str, str], data_dir: Path
) -> None:
    for name in (*servers.NAMES, "secrets.json", "graph/root.password", "redis/valkey.conf"):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) & 0o077 == 0, name


def test_they_listen_on_this_machine_alone(urls: dict[str, str]) -> None:
    heard = {
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {ip.removeprefix("::ffff:") for ip in heard} == {"127.0.0.1"}


def test_servers_see_no_key_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    assert "ANTHROPIC_API_KEY" not in servers.environment(
        servers.prepare(tmp_path, ["redis"])["redis"]
    )


def test_data_and_addresses_are_there_after_a_restart(tmp_path: Path) -> None:
    import redis

    with (
        servers.running(tmp_path, ["redis"]) as first,
        redis.Redis.from_url(first["redis_url"]) as client,
    ):
        client.set("kept", "yes")
    with servers.running(tmp_path, ["redis"]) as second:
        assert second == first
        with redis.Redis.from_url(second["redis_url"]) as client:
            assert client.get("kept") == b"yes"


def test_a_taken_port_is_worked_around_and_told(tmp_path: Path) -> None:
    before = servers.prepare(tmp_path, ["redis"])["redis"].url
    port = int(before.rpartition(":")[2].partition("/")[0])
    told: list[str] = []
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((servers.HOST, port))
        other.listen()
        after = servers.prepare(tmp_path, ["redis"], told.append)["redis"].url
    assert after != before
    assert [line.partition(";")[0] for line in told] == [f"port {port} is taken"]


def test_a_half_made_database_is_made_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    servers.prepare(tmp_path, ["postgres"])
    assert (tmp_path / "postgres" / "global" / "pg_control").exists()
    assert not half.exists()


def test_a_server_that_never_answers_is_named(tmp_path: Path) -> None:
    server = servers.Server("redis", ("true",), "redis://127.0.0.1:1", lambda: False)
    with pytest.raises(AxiomError, match="redis did not answer in 0 s; see its log"):
        servers.wait_ready(server, 0.01)


def test_a_missing_wheel_is_named_with_both_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(servers._WHEELS, "graph", "no_such_wheel")
    assert servers.prepare(tmp_path, ["redis"])  # what is not wanted is not missed
    with pytest.raises(AxiomError, match=r"axiom\[embedded\].*AXIOM_GRAPH_URL"):
        servers.prepare(tmp_path, ["graph"])


def test_a_data_directory_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ConfigError, match="AXIOM_DATA_DIR: /proc/axiom cannot be written"):
        servers.prepare(Path("/proc/axiom"), ["redis"])


def test_addresses_are_published_for_other_terminals_and_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AXIOM_REDIS_URL", raising=False)
    servers.publish(tmp_path, {"redis_url": "redis://127.0.0.1:1/0"})
    assert load_settings(data_dir=tmp_path).require("redis_url") == "redis://127.0.0.1:1/0"
    (tmp_path / SERVERS_FILE).unlink()  # as `axiom up` does at its end
    with pytest.raises(ConfigError, match="start one: axiom up"):
        load_settings(data_dir=tmp_path).require("redis_url")


def test_stopping_one_that_hangs_ends_its_whole_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    hangs = "trap '' TERM; sleep 60 & echo $!; wait"
    server = servers.Server("redis", ("sh", "-c", hangs), "", lambda: True)
    process = servers.start(server, tmp_path)
    log = tmp_path / "logs" / "redis.log"
    deadline = time.monotonic() + 10
    while not log.read_text().strip():
        assert time.monotonic() < deadline
    child = psutil.Process(int(log.read_text()))
    monkeypatch.setattr(servers, "STOP_TIMEOUT_S", 0.1)
    servers.stop(server, process)
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline

"""The pages of a process."""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from axiom.errors import ConfigError
from axiom.telemetry.health import HealthServer, Process, serve
from axiom.telemetry.metrics import Family, gauge, render


class Told:
    """What a process says of itself, to be changed."""

    ailment: str | None = None
    missing: dict[str, str] = {}  # noqa: RUF012

    def metrics(self) -> bytes:
        return b"axiom_x 1\n"


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def server(told: Told, tmp_path: Path) -> HealthServer:
    process = Process(
        "worker", "io@a/../b", lambda: told.ailment, lambda: told.missing, lambda: told.metrics(),
        lambda: {"pool": 3},
    )  # fmt: skip
    return serve(process, "127.0.0.1", 0, tmp_path)


def look(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{server.target}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_process_that_is_well_says_so(server: HealthServer) -> None:
    assert look(server, "/live")[0] == look(server, "/ready")[0] == 200
    status, body = look(server, "/health?all")
    assert status == 200
    assert json.loads(body) == {
        "kind": "worker", "name": "io@a/../b", "pid": os.getpid(), "live": True, "ailment": None,
        "ready": True, "missing": {}, "pool": 3,
    }  # fmt: skip
    assert look(server, "/metrics") == (200, "axiom_x 1\n")


def test_what_is_away_makes_it_unready_and_not_dead(server: HealthServer, told: Told) -> None:
    told.missing = {"redis": "refused"}
    assert look(server, "/live")[0] == 200
    assert look(server, "/ready") == (503, '{"ready": false, "missing": {"redis": "refused"}}\n')


def test_what_ails_it_makes_it_dead(server: HealthServer, told: Told) -> None:
    told.ailment = "hangs"
    assert look(server, "/live") == (503, '{"live": false, "ailment": "hangs"}\n')
    assert look(server, "/health")[0] == 200


def test_a_page_that_fails_says_that_much(
    server: HealthServer, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "metrics", lambda: 1 / 0)
    assert look(server, "/metrics")[0] == 500
    assert look(server, "/nothing")[0] == 404


def test_its_address_is_told_in_one_file_in_its_place(server: HealthServer, tmp_path: Path) -> None:
    [path] = (tmp_path / "health").iterdir()
    assert path.name == "io@a_.._b.json"
    assert json.loads(path.read_text()) == [
        {"targets": [server.target], "labels": {"process": "worker"}}
    ]


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = Process("w", "w", lambda: None, dict, bytes)
        with pytest.raises(ConfigError, match="AXIOM_HEALTH_PORT"):
            serve(process, "127.0.0.1", taken.getsockname()[1], tmp_path)


def test_a_forked_child_lets_go_of_its_parents_port(server: HealthServer) -> None:
    if (child := os.fork()) == 0:
        os._exit(0 if server.socket.fileno() == -1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_histogram_is_cumulative_and_has_its_sum_and_count() -> None:
    samples = [({"p": "a", "le": le}, n) for le, n in (("10", 1.0), ("0.5", 2.0), ("sum", 7.5))]
    said = render([
        Family("axiom_x_seconds", "How long.", "histogram", samples),
        gauge("axiom_y", "How many.", ({"q": 'a"b\n'}, 3)),
    ]).decode()  # fmt: skip
    for line in (
        'axiom_x_seconds_bucket{le="0.5",p="a"} 2.0', 'axiom_x_seconds_bucket{le="10",p="a"} 3.0',
        'axiom_x_seconds_bucket{le="+Inf",p="a"} 3.0', 'axiom_x_seconds_sum{p="a"} 7.5',
        'axiom_x_seconds_count{p="a"} 3.0', 'axiom_y{q="a\\"b\\n"} 3.0',
        "# TYPE axiom_x_seconds histogram",
    ):  # fmt: skip
        assert line in said.splitlines(), said
    assert "process_resident_memory_bytes" in said

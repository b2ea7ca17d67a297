"""`axiom up` when all is up: the same process, without what only starting needed.

Settings, tables and servers' drivers cost 20 MB, and from then on it only looks after its
children: it replaces itself by `exec`, which keeps process id, children and lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO, NoReturn

from axiom.embedded.supervisor import TICK_S, Supervisor

WORKERS = ("control", "io", "cpu", "claude")
STOPS = (signal.SIGINT, signal.SIGTERM)


class _Stopped(Exception):
    """A signal asked for the end."""


def become(supervisor: Supervisor, data_dir: Path, published: Path, lock_fd: int) -> NoReturn:
    """Go on as this module alone; signals wait until it is there.

    `published` is the file that tells other terminals where the servers are.
    """
    places = {"data_dir": str(data_dir), "published": str(published)}
    handed = os.memfd_create("axiom") if hasattr(os, "memfd_create") else _unnamed(data_dir)
    with os.fdopen(handed, "w", closefd=False) as out:
        json.dump(places | {"children": supervisor.hand_over()}, out)
    os.lseek(handed, 0, os.SEEK_SET)
    for each in (handed, lock_fd):
        os.set_inheritable(each, True)
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    os.execv(sys.executable, [sys.executable, "-m", __name__, str(handed), str(lock_fd)])


def _unnamed(data_dir: Path) -> int:
    path = data_dir / ".handed"
    made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    path.unlink()
    return made


def be_deaf() -> None:
    """Let further signals change nothing: it is stopping, and once is enough."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def stop(supervisor: Supervisor, published: Path) -> None:
    """Stop everything, in an order in which nothing is missed."""
    supervisor.stop(("beat", "flower", "console"))
    supervisor.stop(WORKERS)
    supervisor.stop()
    published.unlink(missing_ok=True)  # other terminals find none


def main(handed: IO[str], lock_fd: int) -> None:
    """Keep the children running until a signal comes, then stop them."""
    os.set_inheritable(lock_fd, False)  # this process holds it, and none that it starts
    with handed:
        told = json.load(handed)
    data_dir = Path(told["data_dir"])
    supervisor = Supervisor(data_dir, _say)
    supervisor.take_over(told["children"])
    try:
        for number in STOPS:
            signal.signal(number, _stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        while True:
            supervisor.tick()
            time.sleep(TICK_S)
    except _Stopped:
        pass
    finally:
        be_deaf()
        stop(supervisor, Path(told["published"]))
        with contextlib.suppress(OSError):  # the terminal may be closed
            print(f"Stopped; the data stays in {data_dir}", flush=True)  # noqa: T201


def _stop(number: int, frame: object) -> None:
    raise _Stopped


def _say(name: str, what: str) -> None:
    text = f"  {time.strftime('%H:%M:%S')} {name} {what}"
    with contextlib.suppress(OSError):
        print(f"\033[33m{text}\033[0m" if sys.stdout.isatty() else text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(os.fdopen(int(sys.argv[1])), int(sys.argv[2]))

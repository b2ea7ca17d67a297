"""`axiom monitor`: everything at a glance, in place; fits 80 columns and 24 lines.

Each source is asked by a thread of its own, so that one that is away holds up none of the
others: what it said last stays, and the top line says what is missing.
"""

from __future__ import annotations

import contextlib
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from axiom.cli import show
from axiom.errors import AxiomError
from axiom.model import to_json, utcnow

ONCE_S = 4.5
RUNS, ALERTS = 30, 30
Frame = dict[str, Any]


def _ledger() -> Frame:
    from axiom.cli.commands import standing
    from axiom.tasks.services import services

    runs = services().ledger.runs(limit=RUNS, backfilled=False)
    return {
        "pipelines": standing(utcnow()),
        "runs": [to_json(each) | {"duration_s": each.duration_s} for each in runs],
        "alerts": services().alerts.open_alerts(ALERTS),
    }


def _broker() -> Frame:
    from axiom.tasks import state

    workers = state.workers()
    alive = [each.memory_bytes or 0 for each in workers if each.alive]
    return {
        "queues": [asdict(each) for each in state.queues()],
        "processes": [asdict(each) for each in workers],
        "memory_bytes": sum(alive),
    }


def _servers() -> Frame:
    from axiom.tasks import state

    return {"services": [asdict(each) for each in state.services_up()]}


def _dollars() -> Frame:
    from axiom.config import settings
    from axiom.tasks import state
    from axiom.tasks.services import services

    if settings().analyst == "local":
        return {"analyst": "local", "budget": None, "breaker": None}
    [day] = [row for row in services().claude.standing() if row["budget"] == "day"]
    used = {name: float(day[name]) for name in ("limit_usd", "spent_usd", "left_usd")}
    return {"analyst": "claude", "budget": used, "breaker": state.breaker().state.value}


SOURCES: Mapping[str, Callable[[], Frame]] = {
    "servers": _servers, "ledger": _ledger, "broker": _broker, "dollars": _dollars,
}  # fmt: skip


@dataclass
class Watch:
    """What the sources said last."""

    sources: Mapping[str, Callable[[], Frame]] = field(default_factory=lambda: SOURCES)

    def __post_init__(self) -> None:
        self._said: dict[str, Frame] = {}
        self._errors: dict[str, str] = {}
        self._ended = threading.Event()

    def ask(self, name: str) -> None:
        """Ask one source."""
        try:
            self._said[name] = self.sources[name]()
            self._errors.pop(name, None)
        except AxiomError as error:
            self._errors[name] = str(error)
        except Exception as error:  # the frame says so, and the others go on
            self._errors[name] = f"{type(error).__name__}: {error}"

    def ask_all_once(self) -> None:
        """Ask each source once, for a while."""
        threads = [self._thread(self.ask, name) for name in self.sources]
        give_up_s = time.monotonic() + ONCE_S
        for name, thread in zip(self.sources, threads, strict=True):
            thread.join(max(give_up_s - time.monotonic(), 0))
            if thread.is_alive():
                self._errors[name] = f"no answer in {ONCE_S} s"

    def keep_asking(self, interval_s: float) -> None:
        """Ask each source again and again, until `end`."""
        for name in self.sources:
            self._thread(self._loop, name, interval_s)

    def _loop(self, name: str, interval_s: float) -> None:
        while not self._ended.is_set():
            self.ask(name)
            self._ended.wait(interval_s)

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()

    def _thread(self, run: Callable[..., None], *args: Any) -> threading.Thread:
        thread = threading.Thread(target=run, args=args, daemon=True)
        thread.start()
        return thread

    def frame(self) -> Frame:
        """Return what is known now; what nobody could say is missing, and told in `errors`."""
        found: Frame = {"at": utcnow(), "errors": dict(self._errors)}
        for said in list(self._said.values()):
            found |= said
        return found


def monitor(*, once: bool, interval_s: float, as_json: bool) -> None:
    """Show frames until somebody has seen enough; or one."""
    from axiom.cli.screen import draw

    watch = Watch()
    if once or as_json:
        watch.ask_all_once()
        if as_json:
            show.print_json(watch.frame())
            return
        out = show.console()
        out.print(draw(watch.frame(), out.width, max(out.height, 24)))
        return
    watch.keep_asking(interval_s)
    with contextlib.suppress(KeyboardInterrupt):
        _live(watch, interval_s)
    watch.end()


def _live(watch: Watch, interval_s: float) -> None:
    from rich.live import Live

    from axiom.cli.screen import draw

    out = show.console()
    with _keys() as pressed, Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            live.update(draw(watch.frame(), out.width, out.height), refresh=True)
            if pressed(interval_s) in ("q", "Q", "\x1b"):
                return


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Give what waits for a key for so many seconds, and returns it, or nothing."""
    if not sys.stdin.isatty():

        def sleep(seconds: float) -> str:
            time.sleep(seconds)
            return ""

        yield sleep
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield _key
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _key(seconds: float) -> str:
    import os

    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return os.read(sys.stdin.fileno(), 1).decode(errors="replace") if ready else ""

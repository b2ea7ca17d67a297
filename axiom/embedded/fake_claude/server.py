"""The process: two listeners on loopback, one for the API, one that outlives its outages."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from axiom.embedded.fake_claude.app import BATCH_BYTES, Api
from axiom.embedded.fake_claude.batches import Batches
from axiom.embedded.fake_claude.books import Books
from axiom.embedded.fake_claude.control import Control
from axiom.embedded.fake_claude.imitation import Imitation
from axiom.embedded.fake_claude.settings import Config, Down

HOST = "127.0.0.1"
BACKLOG = 512


class Listener:
    """The API's port. It can be closed, so that a connection is refused, and opened again."""

    def __init__(self, runner: web.AppRunner, port: int) -> None:
        self._runner = runner
        self._site: web.SockSite | None = None
        self._socket = _bound(port)
        self.port: int = self._socket.getsockname()[1]

    async def open(self) -> None:
        """Listen."""
        if self._site is None:
            if self._socket.fileno() < 0:
                self._socket = _bound(self.port)
            self._site = web.SockSite(self._runner, self._socket, backlog=BACKLOG)
            await self._site.start()

    async def close(self) -> None:
        """Refuse connections."""
        if self._site is not None:
            await self._site.stop()
            self._socket.close()
            self._site = None

    async def follow(self, down: Down | None) -> None:
        """Do what an outage asks for; answers that are under way get lost."""
        await (self.close() if down == "refused" else self.open())
        if down in ("closed", "refused"):
            self._cut()

    def _cut(self) -> None:
        server = self._runner.server
        for connection in server.connections if server else ():
            transport = connection.transport
            if transport and transport.get_extra_info("sockname")[1] == self.port:
                transport.abort()


async def serve(config: Config, options: argparse.Namespace) -> None:
    """Run until a signal."""
    books = Books(options.books)
    imitation = Imitation(config, books)
    batches = Batches(imitation)
    app = web.Application(client_max_size=BATCH_BYTES)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    listener, control = Listener(runner, options.port), Listener(runner, options.control_port)
    app.add_routes(Control(imitation, batches, listener.follow).routes())
    app.add_routes(Api(imitation, batches).routes())
    await runner.setup()
    try:
        await control.open()
        await listener.follow(config.down)
        _announce(listener, control, options.ready_file)
        await _told_to_stop(with_stdin=options.until_stdin_closes)
    finally:
        await runner.cleanup()
        books.close()


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    return made


def _announce(listener: Listener, control: Listener, path: Path | None) -> None:
    facts = {
        "fake_claude": "ready",
        "base_url": f"http://{HOST}:{listener.port}",
        "control_url": f"http://{HOST}:{control.port}",
        "pid": os.getpid(),
    }
    line = json.dumps(facts)
    if path:
        fresh = path.with_suffix(".new")
        fresh.write_text(line)
        fresh.replace(path)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _told_to_stop(*, with_stdin: bool) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_stdin:

        def readable() -> None:
            with suppress(BlockingIOError):
                if not os.read(0, 4096):
                    loop.remove_reader(0)
                    stop.set()

        loop.add_reader(0, readable)
    await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m axiom.embedded.fake_claude",
        description="An imitation of the Anthropic API on loopback. Its answers are made up.",
    )
    parser.add_argument("--port", type=int, default=0, help="of the API; 0: any that is free")
    parser.add_argument("--control-port", type=int, default=0, help="stays up when the API is down")
    parser.add_argument("--config", type=Path, help="a JSON file")
    parser.add_argument("--books", type=Path, help="append a JSON line per request to this file")
    parser.add_argument("--ready-file", type=Path, help="write the addresses here, too")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="stop when the starter is gone"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format="fake_claude: %(levelname)s %(message)s")
    try:
        text = options.config.read_text() if options.config else "{}"
        config = Config.model_validate_json(text)
    except (OSError, ValidationError) as error:
        parser.error(f"--config: {error}")
    asyncio.run(serve(config, options))

"""The app: pages, API, guard and the loop behind live pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from axiom import __version__
from axiom.config import Settings
from axiom.console import actions, api, doors, intelligence, notes, overview, pipelines, runs
from axiom.console.guard import Guard, wants_json
from axiom.console.live import Live
from axiom.console.web import Console, page
from axiom.errors import (
    AxiomError,
    NotNow,
    StoreUnavailable,
    UnknownAlert,
    UnknownPipeline,
    UnknownRun,
)
from axiom.login import built_in

log = structlog.get_logger(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
PAGES = (doors, overview, pipelines, runs, actions, notes, api)
AGAIN_S = 3.0


def create_app(settings: Settings) -> FastAPI:
    """Make the console; nothing is connected to yet.

    Raises:
        ConfigError: a server that it cannot do without has no address.
    """
    console = Console(settings)
    app = FastAPI(
        title="Axiom", version=__version__, lifespan=_lifespan,
        description="Runs, costs, alerts and actions. Send a token: `Authorization: Bearer axm_…`",
        docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
    )  # fmt: skip
    app.state.console, app.state.live, app.state.error_page = console, Live(console), _error_page
    for module in PAGES:
        app.include_router(module.router)
    for router in intelligence.routers():
        app.include_router(router)
    app.mount("/static", _Static(directory=str(files("axiom.console").joinpath("static"))))
    for kind in (AxiomError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _failed)
    app.add_middleware(Guard, access=console.access, threads=console.threads)
    names = {settings.console_host, *LOOPBACK, *settings.console_names} - {"0.0.0.0", "::"}
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=sorted(names), www_redirect=False)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    console: Console = app.state.console
    jobs = [asyncio.create_task(job) for job in (_have_login(console), app.state.live.run())]
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*jobs)
        console.threads.shutdown(wait=False, cancel_futures=True)


async def _have_login(console: Console) -> None:
    """Have the built-in account as soon as Postgres answers."""
    while True:
        try:
            await console.ask(console.access.ensure_built_in, built_in(console.settings))
            break
        except AxiomError as error:
            log.warning("login_not_ready", error=str(error))
            await asyncio.sleep(AGAIN_S)
    if path := console.settings.ready_file:
        path.touch()


class _Static(StaticFiles):
    """Files whose address changes with the version: browsers may keep them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "public, max-age=3600"
        return answer


_STATUS: dict[type[Exception], int] = {
    StoreUnavailable: 503, UnknownRun: 404, UnknownPipeline: 404,
    UnknownAlert: 404, NotNow: 409,
}  # fmt: skip


async def _failed(request: Request, error: Exception) -> Response:
    """Say in one sentence what went wrong."""
    if isinstance(error, HTTPException):
        status, what = error.status_code, str(error.detail)
        what = "There is nothing at this address." if what == "Not Found" else what
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        status, what = 422, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}"
    elif isinstance(error, AxiomError):
        status, what = _STATUS.get(type(error), 400), str(error)
    else:  # its traceback is in the log
        status, what = 500, "The console could not make this page; its log says why."
    if wants_json(request.scope):
        return JSONResponse({"error": what}, status)
    return _error_page(request.scope, status, what)


def _error_page(scope: Any, status: int, what: str) -> Response:
    return page(Request(scope), "error.html", status=status, what=what)

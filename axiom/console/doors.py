"""Logging in and out, the probes, and the stream that live pages listen to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from sse_starlette import EventSourceResponse, ServerSentEvent

from axiom.console.access import TooMany, Who
from axiom.console.guard import COOKIE, identify, session_of
from axiom.console.live import TOPICS, Live
from axiom.console.web import console, page
from axiom.errors import StoreUnavailable
from axiom.telemetry.health import TEXT

router = APIRouter(include_in_schema=False)
CHECKED_S = 30.0  # a stream ends so soon after its login or token


@router.get("/live", response_class=PlainTextResponse)
async def live() -> str:
    """Answer while the process does."""
    return "ok"


@router.get("/ready")
async def ready(request: Request) -> JSONResponse:
    """Answer whether pages can be shown."""
    here = console(request)
    try:
        await here.ask(here.postgres.query, "SELECT 1")
    except StoreUnavailable as error:
        return JSONResponse({"ready": False, "why": str(error)}, 503)
    return JSONResponse({"ready": True})


@router.get("/health")
async def health(request: Request) -> JSONResponse:
    """Tell what answers and what does not."""
    from axiom.tasks.state import services_up

    here = console(request)
    servers = await here.ask(services_up)
    missing = {each.name: each.error or "away" for each in servers if not each.up}
    live: Live = request.app.state.live
    return JSONResponse({"ready": not missing, "missing": missing, "pages": live.pages})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Expose what this process is and has, to Prometheus."""
    from axiom.telemetry.metrics import gauge, render

    live: Live = request.app.state.live
    pages = gauge("axiom_console_pages", "Pages that follow what changes.", ({}, live.pages))
    return Response(render([pages]), media_type=TEXT)


@router.get("/login", response_class=HTMLResponse)
async def login_page(request: Request, next: str = "/") -> Response:
    """Ask for name and password."""
    if getattr(request.state, "who", None):
        return RedirectResponse(_inside(next), 303)
    return page(request, "login.html", next=_inside(next), wrong=None, name="")


@router.post("/login")
async def log_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Open a session, or say that the login is wrong."""
    here = console(request)
    address = request.client.host if request.client else "unknown"
    browser = request.headers.get("user-agent", "")
    try:
        secret = await here.ask(
            here.access.log_in, name, password, address=address, browser=browser
        )
    except TooMany as error:
        refused = page(
            request, "login.html", status=429, next=_inside(next), wrong=str(error), name=name
        )
        refused.headers["Retry-After"] = f"{error.retry_in_s:.0f}"
        return refused
    if secret is None:
        wrong = "Name or password is wrong."
        return page(request, "login.html", status=401, next=_inside(next), wrong=wrong, name=name)
    answer = RedirectResponse(_inside(next), 303)
    answer.set_cookie(
        COOKIE, secret, max_age=int(here.settings.console_session_s), httponly=True,
        samesite="lax", secure=request.url.scheme == "https",
    )  # fmt: skip
    return answer


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End this login."""
    here = console(request)
    if secret := session_of(request.headers):
        await here.ask(here.access.log_out, secret)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.post("/logout/everywhere")
async def log_out_everywhere(request: Request) -> Response:
    """End every login of this account."""
    here, who = console(request), request.state.who
    await here.ask(here.access.log_out_everywhere, who.name)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


def _inside(where: str) -> str:
    """Only ever a page of ours: `//elsewhere` and `/\\elsewhere` are not."""
    return where if where.startswith("/") and not where.startswith(("//", "/\\")) else "/"


@router.get("/stream")
async def stream(request: Request, topic: str) -> Response:
    """Send what changes in a topic, as it changes."""
    if topic.partition(":")[0] not in TOPICS:
        return JSONResponse({"error": f"no topic {topic[:80]!r}"}, 404)
    return EventSourceResponse(_events(request, topic), ping=20, send_timeout=10)


async def _events(request: Request, topic: str) -> AsyncIterator[ServerSentEvent]:
    live: Live = request.app.state.live
    who: Who | None = getattr(request.state, "who", None)
    news = live.follow(topic, may_act=bool(who and who.may_act))
    loop = asyncio.get_running_loop()
    checked_s = loop.time()
    waiting = asyncio.ensure_future(anext(news))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=CHECKED_S)
            if loop.time() - checked_s >= CHECKED_S:
                checked_s = loop.time()
                if not await _still(request):
                    return
            if done:
                told = json.dumps(waiting.result(), ensure_ascii=False)
                waiting = asyncio.ensure_future(anext(news))
                yield ServerSentEvent(told)
    finally:
        waiting.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await waiting
        await news.aclose()


async def _still(request: Request) -> bool:
    """Whether the login or token of a stream is not over."""
    here = console(request)
    try:
        return await here.ask(identify, here.access, request.headers) is not None
    except StoreUnavailable:
        return True

"""What stands before every page: who asks, whether they may, and what the browser is told.

Plain ASGI, so that streams pass through. It fails closed: a page is open only when it is
listed here, and whatever changes something needs an operator and, from a browser, the
token that the login's forms carry.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import Executor
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

from axiom.console.access import Access, Who
from axiom.errors import AxiomError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "axiom_session"
OPEN = ("/live", "/ready", "/login")
OPEN_BELOW = ("/static/",)
ANYBODY = ("/logout", "/logout/everywhere")  # needs a login, not a role
ACTIONS = "/do/"  # the pages that ask whether to do something
SAFE = ("GET", "HEAD")
LARGEST_FORM = 1 << 20
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # never leaves; a form's origin must be told to us
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Lets those pass who may; `scope["state"]["who"]` says who it is."""

    def __init__(self, app: ASGIApp, access: Access, threads: Executor) -> None:
        self._app, self._access, self._threads = app, access, threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no web sockets here
        send = _with_headers(scope, send)
        headers = Headers(scope=scope)
        try:
            who = await self._who(scope, headers)
        except AxiomError as error:  # Postgres is away, or has no tables yet
            if not _is_open(scope["path"]):
                await _away(scope, str(error))(scope, receive, send)
                return
            who = None
        scope.setdefault("state", {})["who"] = who
        refusal = None
        if scope["method"] in SAFE:
            if who is None and not _is_open(scope["path"]):
                refusal = _log_in(scope)
            elif who and not who.may_act and scope["path"].startswith(ACTIONS):
                refusal = _say(scope, 403, f"{who.name} is a viewer: operators may do this")
        else:
            receive, refusal = await _refusal(scope, headers, receive, who)
        await (refusal or self._app)(scope, receive, send)

    async def _who(self, scope: Scope, headers: Headers) -> Who | None:
        if _is_open(scope["path"]) and scope["path"] != "/login":
            return None  # probes and styles need nobody, least of all Postgres
        ask = asyncio.get_running_loop().run_in_executor
        return await ask(self._threads, identify, self._access, headers)


def identify(access: Access, headers: Headers) -> Who | None:
    """Return whose token or login a request carries."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return access.by_token(token.strip())
    secret = session_of(headers)
    return access.by_session(secret) if secret else None


async def _refusal(
    scope: Scope, headers: Headers, receive: Receive, who: Who | None
) -> tuple[Receive, Response | None]:
    """Say why something may not be done, if it may not; the body can be read again."""
    open_ = _is_open(scope["path"])
    if not _same_origin(headers):
        return receive, _say(scope, 403, "this came from another site")
    if who is None and not open_:
        return receive, _log_in(scope)
    body, receive = await _buffered(receive)
    if len(body) > LARGEST_FORM:
        return receive, _say(scope, 413, "that is more than is taken here")
    if open_ or who is None:
        return receive, None
    if who.csrf and not hmac.compare_digest(_token(headers, body).encode(), who.csrf.encode()):
        return receive, _say(scope, 403, "this page is too old: reload it and try again")
    if not who.may_act and scope["path"] not in ANYBODY:
        return receive, _say(scope, 403, f"{who.name} is a viewer: operators may do this")
    return receive, None


def session_of(headers: Headers) -> str | None:
    """Return the secret that a browser's cookie holds."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except Exception:  # whatever somebody sent as a cookie
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_BELOW)


def _same_origin(headers: Headers) -> bool:
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site and site not in ("same-origin", "none"):
        return False
    return not origin or urlsplit(origin).netloc == headers.get("host", "")


async def _buffered(receive: Receive) -> tuple[bytes, Receive]:
    """Read a body, up to where it is too large; return it, and what gives it once more."""
    body, more, given = bytearray(), True, False
    while more and len(body) <= LARGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()  # that the client went away
        given = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return bytes(body), again


def _token(headers: Headers, body: bytes) -> str:
    if said := headers.get("x-csrf-token"):
        return said
    if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ""
    given: list[str] = parse_qs(body.decode("latin-1")).get("csrf", [""])
    return given[0]


def wants_json(scope: Scope) -> bool:
    """Whether a program asks rather than a person."""
    return bool(scope["path"].startswith(("/api/", "/stream", "/metrics", "/health")))


def _log_in(scope: Scope) -> Response:
    if wants_json(scope) or scope["method"] not in SAFE:
        say = "log in, or send a token: Authorization: Bearer axm_..."
        return JSONResponse({"error": say}, 401, {"WWW-Authenticate": 'Bearer realm="axiom"'})
    where = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
    return RedirectResponse(f"/login?next={quote(where)}", 303)


def _say(scope: Scope, status: int, what: str) -> Response:
    if wants_json(scope):
        return JSONResponse({"error": what}, status)
    return _page(scope, status, what)


def _away(scope: Scope, what: str) -> Response:
    what = f"{what}. Logins are kept there. Try: axiom up, or look at AXIOM_POSTGRES_URL"
    return JSONResponse({"error": what}, 503) if wants_json(scope) else _page(scope, 503, what)


def _page(scope: Scope, status: int, what: str) -> Response:
    page: Callable[[Scope, int, str], Response] = scope["app"].state.error_page
    return page(scope, status, what)


def _with_headers(scope: Scope, send: Send) -> Send:
    kept = scope["path"].startswith(OPEN_BELOW)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if not kept:
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending

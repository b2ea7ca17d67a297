"""What pages are made with: the console's parts, questions put aside to threads, templates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from axiom import __version__
from axiom.config import Settings
from axiom.console.access import Access
from axiom.console.intelligence import NAV as INTELLIGENCE
from axiom.errors import AxiomError
from axiom.ledger.history import History
from axiom.model import PIPELINES, utcnow
from axiom.stores.accounts import AccountStore
from axiom.stores.postgres import Postgres

if TYPE_CHECKING:
    from axiom.console.intelligence.reading import Reading
    from axiom.tasks.services import Services

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 6  # and so many connections to Postgres
STATEMENT_TIMEOUT_S = 5.0
ACTION_TIMEOUT_S = 60.0
SAID = "axiom_said"
THEMES = ("light", "dark")
NAV = (
    ("Overview", "/"),
    ("Runs", "/runs"),
    ("Alerts", "/alerts"),
    *INTELLIGENCE,
    ("Audit", "/audit"),
    ("Access", "/access"),
)


class Missing(str):
    """Why a part of a page is not there."""


class Console:
    """Everything that pages ask; made once, connects when it is first asked."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")

    @cached_property
    def postgres(self) -> Postgres:
        """The database, with a limit to how long a page may keep it busy."""
        url = self.settings.require("postgres_url")
        return Postgres(url, statement_timeout_s=STATEMENT_TIMEOUT_S)

    @cached_property
    def history(self) -> History:
        """Past and present runs."""
        return History(self.postgres)

    @cached_property
    def access(self) -> Access:
        """Accounts, logins and tokens."""
        limits = {"idle_s": self.settings.console_idle_s}
        longest_s = self.settings.console_session_s
        return Access(AccountStore(self.postgres, longest_s=longest_s, **limits))

    @cached_property
    def reading(self) -> Reading:
        """What the pages of Intelligence read."""
        from axiom.console.intelligence.reading import Reading

        return Reading(self.settings, self.postgres)

    @property
    def services(self) -> Services:
        """The stores and all else, for what is not a page's own."""
        from axiom.tasks.services import services

        return services()

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask in a thread: drivers wait for their answers."""
        asked = partial(question, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.threads, asked)

    async def act(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what a person asked for: that may take longer than a page, and is done whole."""

        def patiently() -> T:
            with self.postgres.patient(ACTION_TIMEOUT_S):
                return action(*args, **kwargs)

        return await self.ask(patiently)

    async def part(self, question: Callable[[], T]) -> T | Missing:
        """Ask for a part of a page that can do without it."""
        try:
            return await self.ask(question)
        except AxiomError as error:
            return Missing(error)


def console(request: Request) -> Console:
    """Return the console of a request's app."""
    found: Console = request.app.state.console
    return found


# --- templates ---


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {left:02} s" if left else f"{minutes} min"


def _usd(value: Any) -> str:
    dollars = float(value or 0)
    return f"${dollars:,.2f}" if dollars >= 1 or not dollars else f"${dollars:.4f}"


def _when(moment: datetime | None, none: str = "–") -> Markup:
    """A time that the page keeps telling as `3 min ago`; without scripts it is UTC."""
    if moment is None:
        return Markup(none)
    at = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S} UTC", f"{at:%Y-%m-%d %H:%M:%S}"
    )


def _since(begin: datetime | None, end: datetime | None) -> Markup:
    """How long something took, or takes: the page counts on."""
    if begin is None:
        return Markup("–")
    if end is None:
        shown = _duration((utcnow() - begin).total_seconds())
        return Markup('<span data-since="{}">{}</span>').format(begin.isoformat(), shown)
    return Markup(_duration((end - begin).total_seconds()))


def _clock(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if moment else "–"


TEMPLATES = Environment(
    loader=PackageLoader("axiom.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
TEMPLATES.filters |= {"duration": _duration, "usd": _usd, "clock": _clock}
TEMPLATES.globals |= {
    "when": _when, "since": _since, "nav": NAV, "pipelines": list(PIPELINES),
    "version": __version__, "Missing": Missing,
}  # fmt: skip
TEMPLATES.tests["missing"] = lambda value: isinstance(value, Missing)


def render(template: str, **facts: Any) -> str:
    """Fill in a template."""
    return TEMPLATES.get_template(template).render(**facts)


def page(request: Request, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
    """Answer with a page: the template's, in the layout.

    A page is live when it names its `topic`; see `axiom.console.live`.
    """
    who, theme = getattr(request.state, "who", None), request.cookies.get("theme", "")
    said = request.cookies.get(SAID, "")
    shell = {
        "who": who, "may_act": bool(who and who.may_act), "path": request.url.path,
        "theme": theme if theme in THEMES else "", "said": _unquoted(said), "topic": None,
        "status": status,
    }  # fmt: skip
    answer = HTMLResponse(render(template, **shell | facts), status)
    if said:
        answer.delete_cookie(SAID)
    return answer


def _unquoted(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)[:500]

"""Alerts, the audit, and access: who may come in, and who did what."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from axiom.console.now import open_alerts
from axiom.console.web import Console, console, page

router = APIRouter(include_in_schema=False)
PAGE = 100


@router.get("/alerts", response_class=HTMLResponse)
async def alerts_page(request: Request) -> HTMLResponse:
    """Show what wants a person."""
    here = console(request)
    return page(request, "alerts.html", alerts=await here.part(lambda: open_alerts(here)))


def audit_rows(before: int | None = None) -> Any:
    """Return who did what, newest first."""
    from axiom.tasks import operate

    return operate.audit(PAGE, before)


@router.get("/audit", response_class=HTMLResponse)
async def audit_page(request: Request, before: int | None = None) -> HTMLResponse:
    """Show who did what, and when."""
    rows = await console(request).part(lambda: audit_rows(before))
    return page(request, "audit.html", rows=rows, size=PAGE)


async def _of(here: Console, name: str) -> Any:
    from axiom.stores.accounts import AccountStore

    limits = {"idle_s": here.settings.console_idle_s, "longest_s": here.settings.console_session_s}
    store = AccountStore(here.postgres, **limits)
    return {
        "sessions": await here.part(lambda: store.sessions(name)),
        "accounts": await here.part(store.all),
        "tokens": await here.part(store.tokens),
    }


@router.get("/access", response_class=HTMLResponse)
async def access_page(request: Request) -> HTMLResponse:
    """Show accounts, tokens and one's own logins."""
    here = console(request)
    return page(request, "access.html", **await _of(here, request.state.who.name))

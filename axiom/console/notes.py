"""Alerts, the audit, and access: who may come in, and who did what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from axiom.console.live import TOPICS, Topic
from axiom.console.web import Console, console, page

router = APIRouter(include_in_schema=False)
PAGE = 100


@router.get("/alerts", response_class=HTMLResponse)
async def alerts_page(request: Request) -> HTMLResponse:
    """Show what wants a person."""
    here = console(request)
    return page(request, "alerts.html", topic="alerts:", **await alert_facts(here))


async def alert_facts(here: Console, _: str = "") -> dict[str, Any]:
    """Gather what is open, what is muted, and what there was."""
    return {
        "alerts": await here.part(lambda: here.services.alerts.open_alerts()),
        "mutes": await here.part(lambda: here.services.alerts.mutes()),
        "past": await here.part(lambda: here.services.alerts.history(limit=50)),
    }


TOPICS["alerts"] = Topic(
    alert_facts, {"alerts": "alerts_table.html"}, follows=lambda pulse, name: True, slow=True
)


def audit_rows(before: int | None = None) -> Any:
    """Return who did what, newest first."""
    from axiom.tasks import operate

    return operate.audit(PAGE, before)


@router.get("/audit", response_class=HTMLResponse)
async def audit_page(
    request: Request, before: Annotated[int | None, Query(le=2**63 - 1)] = None
) -> HTMLResponse:
    """Show who did what, and when."""
    rows = await console(request).part(lambda: audit_rows(before))
    return page(request, "audit.html", rows=rows, size=PAGE)


@router.get("/api", response_class=HTMLResponse)
async def api_page(request: Request) -> HTMLResponse:
    """Describe the API, from its own description."""
    from axiom.console.api import operations

    return page(request, "api.html", groups=operations(request.app.openapi()))


async def access_facts(here: Console, name: str) -> dict[str, Any]:
    """Gather who may come in, and the logins of one of them."""
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
    return page(request, "access.html", **await access_facts(here, request.state.who.name))

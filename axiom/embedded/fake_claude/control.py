"""The hand on the imitation: no part of the API, and only for this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from axiom.embedded.fake_claude.batches import Batches
from axiom.embedded.fake_claude.imitation import Imitation
from axiom.embedded.fake_claude.settings import Down, split

LOOPBACK = frozenset(("127.0.0.1", "localhost", "[::1]"))


class Control:
    """`/_control` and `/_books`."""

    def __init__(
        self,
        imitation: Imitation,
        batches: Batches,
        went_down: Callable[[Down | None], Awaitable[None]],
    ) -> None:
        self._imitation, self._batches, self._went_down = imitation, batches, went_down

    def routes(self) -> list[web.RouteDef]:
        """Its routes."""
        return [
            web.get("/_control", self._show),
            web.put("/_control", self._change),
            web.get("/_books", self._books),
            web.get("/_books/summary", self._summary),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        _check_host(request)
        return web.json_response(self._settings())

    async def _change(self, request: web.Request) -> web.Response:
        _check_host(request)
        try:
            settings, actions = split(await request.json())
            self._imitation.change(settings, actions)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            return web.json_response({"errors": problems}, status=400)
        except (ValueError, AttributeError, TypeError) as error:
            return web.json_response({"errors": str(error)}, status=400)
        if actions.finish_batches or actions.expire_batches:
            self._batches.finish(expire=actions.expire_batches)
        if "down" in settings:
            await self._went_down(self._imitation.behaviour.down)
        return web.json_response(self._settings())

    async def _books(self, request: web.Request) -> web.Response:
        _check_host(request)
        since = int(request.query.get("since", 0))
        rows = self._imitation.books.rows
        return web.json_response(
            {"rows": [row.as_dict() for row in rows[since:]], "next": len(rows)}
        )

    async def _summary(self, request: web.Request) -> web.Response:
        _check_host(request)
        return web.json_response(self._imitation.books.summary())

    def _settings(self) -> dict[str, Any]:
        left = [step.model_dump() for step in self._imitation.faults.script]
        return self._imitation.behaviour.model_dump() | {"script": left}


def _check_host(request: web.Request) -> None:
    # a page in a browser may reach loopback under a name of its own
    if request.host.rsplit(":", 1)[0] not in LOOPBACK:
        raise web.HTTPForbidden(text="only by a loopback address")

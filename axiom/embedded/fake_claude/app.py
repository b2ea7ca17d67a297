"""The API over HTTP. aiohttp, since a fault has to reach down to the connection."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from axiom.embedded.fake_claude.batches import Batches
from axiom.embedded.fake_claude.books import Row
from axiom.embedded.fake_claude.errors import ApiError, as_api_error, invalid
from axiom.embedded.fake_claude.faults import Turn, refusal_of
from axiom.embedded.fake_claude.imitation import Imitation
from axiom.embedded.fake_claude.settings import Endpoint
from axiom.embedded.fake_claude.validate import check_count, check_message

MESSAGE_BYTES = 32 * 2**20
BATCH_BYTES = 256 * 2**20


class ConnectionBroken(Exception):
    """End the connection without a word."""


@dataclass
class Reply:
    """What is to be sent, and whose delivery it is."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delivers: list[Row] = field(default_factory=list)


Work = Callable[[web.Request, Row], Awaitable[Reply]]


class Api:
    """The routes of the API."""

    def __init__(self, imitation: Imitation, batches: Batches) -> None:
        self._imitation, self._batches = imitation, batches

    def routes(self) -> list[web.RouteDef]:
        """All routes, the catch-all last."""
        one = "/v1/messages/batches/{id}"
        return [
            web.post("/v1/messages", self._handler("messages", self._message)),
            web.post("/v1/messages/count_tokens", self._handler("count_tokens", self._count)),
            web.post("/v1/messages/batches", self._handler("batches", self._create_batch)),
            web.get("/v1/messages/batches", self._handler("batches", self._list_batches)),
            web.get(one, self._handler("batches", self._get_batch)),
            web.delete(one, self._handler("batches", self._delete_batch)),
            web.post(f"{one}/cancel", self._handler("batches", self._cancel_batch)),
            web.get(f"{one}/results", self._handler("batches", self._results)),
            web.route("*", "/{path:.*}", self._handler("messages", self._unknown)),
        ]

    def _handler(self, endpoint: Endpoint, work: Work) -> Callable[[web.Request], Awaitable[Any]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            books = self._imitation.books
            name = f"req_fake_{uuid.uuid4().hex[:24]}"
            row = books.open(Row(self._imitation.clock.now(), name, endpoint))
            try:
                return await self._exchange(request, row, work)
            finally:
                books.close_row(row)

        return handle

    async def _exchange(self, request: web.Request, row: Row, work: Work) -> web.StreamResponse:
        try:
            self._check_up()
            self._check_headers(request)
            reply = await work(request, row)
        except ConnectionBroken:
            return _broken(request)
        except Exception as error:
            refusal = as_api_error(error)
            row.error = refusal.kind
            reply = _json(refusal.body(row.request_id), refusal.status, refusal.headers)
        return await self._send(request, row, reply)

    async def _send(self, request: web.Request, row: Row, reply: Reply) -> web.StreamResponse:
        if row.fault == "lost" or _gone(request):
            return _broken(request)
        row.status = reply.status
        response = web.StreamResponse(
            status=reply.status, headers=self._headers(row) | reply.headers
        )
        response.content_type = reply.content_type
        response.content_length = len(reply.body)
        if row.fault == "cut_off":
            return await _cut_off(request, response, reply.body)
        try:
            await response.prepare(request)
            await response.write_eof(reply.body)  # head and body in one segment
        except ConnectionError:
            return response
        if not _gone(request):
            self._imitation.books.arrived(row, *reply.delivers)
        return response

    def _headers(self, row: Row) -> dict[str, str]:
        said = {"request-id": row.request_id, "server": "fake_claude"}
        if row.model and row.endpoint == "messages":
            said |= self._imitation.limits(row.model).headers(self._imitation.clock.now())
        return said

    def _check_up(self) -> None:
        match self._imitation.behaviour.down:
            case "unavailable":
                raise ApiError("api_error", "Service unavailable", status=503)
            case "closed" | "refused":
                raise ConnectionBroken

    def _check_headers(self, request: web.Request) -> None:
        config, headers = self._imitation.config, request.headers
        bearer = headers.get("authorization", "")
        key = headers.get("x-api-key", bearer.removeprefix("Bearer ")).strip()
        if not key:
            raise ApiError("authentication_error", "x-api-key header is required")
        if config.keys and key not in config.keys:
            raise ApiError("authentication_error", "invalid x-api-key")
        version = headers.get("anthropic-version")
        if version is None:
            raise invalid("anthropic-version: header is required")
        if version not in config.versions:
            raise invalid(f"anthropic-version: {version!r} is not a valid version")

    async def _prepared(self, row: Row, endpoint: Endpoint, model: str | None = None) -> Turn:
        turn = self._imitation.faults.turn(endpoint, model)
        row.fault = turn.fault
        if turn.fault == "closed":
            raise ConnectionBroken
        if error := refusal_of(turn.fault, self._imitation.behaviour.retry_after_s):
            raise error
        if endpoint != "messages" and turn.delay_s:
            await asyncio.sleep(turn.delay_s)
        return turn

    async def _message(self, request: web.Request, row: Row) -> Reply:
        imitation = self._imitation
        body = await _body(request, MESSAGE_BYTES)
        check_message(body, imitation.models, strict_schema=imitation.behaviour.strict_schema)
        row.model = body["model"]
        imitation.books.asks(row, body)
        turn = await self._prepared(row, "messages", row.model)
        plan = imitation.plan(body)
        imitation.limits(body["model"]).admit(plan.limited, imitation.clock.now())
        if turn.delay_s:
            await asyncio.sleep(turn.delay_s)
        return _json(imitation.produce(body, row, plan, turn))

    async def _count(self, request: web.Request, row: Row) -> Reply:
        imitation = self._imitation
        body = await _body(request, MESSAGE_BYTES)
        check_count(body, imitation.models, strict_schema=imitation.behaviour.strict_schema)
        row.model = body["model"]
        await self._prepared(row, "count_tokens", row.model)
        return _json({"input_tokens": imitation.count(body)})

    async def _create_batch(self, request: web.Request, row: Row) -> Reply:
        body = await _body(request, BATCH_BYTES)
        await self._prepared(row, "batches")
        return _json(self._batches.create(body).as_api(_base_url(request)))

    async def _list_batches(self, request: web.Request, row: Row) -> Reply:
        await self._prepared(row, "batches")
        return _json(self._batches.page(request.query, _base_url(request)))

    async def _get_batch(self, request: web.Request, row: Row) -> Reply:
        await self._prepared(row, "batches")
        return _json(self._batches.get(request.match_info["id"]).as_api(_base_url(request)))

    async def _delete_batch(self, request: web.Request, row: Row) -> Reply:
        await self._prepared(row, "batches")
        return _json(self._batches.delete(request.match_info["id"]))

    async def _cancel_batch(self, request: web.Request, row: Row) -> Reply:
        await self._prepared(row, "batches")
        return _json(self._batches.cancel(request.match_info["id"]).as_api(_base_url(request)))

    async def _results(self, request: web.Request, row: Row) -> Reply:
        await self._prepared(row, "batches")
        lines, rows = self._batches.results(request.match_info["id"])
        return Reply(lines, content_type="application/x-jsonl", delivers=rows)

    async def _unknown(self, request: web.Request, row: Row) -> Reply:
        raise ApiError("not_found_error", f"Not found: {request.method} {request.path}")


async def _body(request: web.Request, most: int) -> Any:
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raw = None
    if raw is None or len(raw) > most:
        raise ApiError("invalid_request_error", "Request exceeds the maximum size", status=413)
    try:
        return json.loads(raw)
    except ValueError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from None


async def _cut_off(
    request: web.Request, response: web.StreamResponse, body: bytes
) -> web.StreamResponse:
    try:
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
    except ConnectionError:
        return response
    if request.transport:
        request.transport.close()  # after what was written
    return response


def _broken(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response()  # goes nowhere


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _base_url(request: web.Request) -> str:
    return f"http://{request.host}"


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(json.dumps(body).encode(), status, headers or {})

"""Message batches: half the price, later, and in no order."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from axiom.embedded.fake_claude.books import Row
from axiom.embedded.fake_claude.clock import rfc3339
from axiom.embedded.fake_claude.errors import ApiError, as_api_error, invalid
from axiom.embedded.fake_claude.faults import BROKEN, refusal_of
from axiom.embedded.fake_claude.imitation import Imitation
from axiom.embedded.fake_claude.validate import check_batch, check_message

DAY_S = 24 * 3600.0
OUTCOMES = ("succeeded", "errored", "canceled", "expired")
_TURNS = 50  # items between two looks at other work


@dataclass
class Item:
    """One question of a batch."""

    custom_id: str
    params: dict[str, Any]
    result: dict[str, Any] | None = None
    row: Row | None = None


@dataclass
class Batch:
    """Questions that were handed in together."""

    id: str
    created_at: float
    items: list[Item]
    cancelled_at: float | None = None
    ended_at: float | None = None
    expired: bool = False
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def as_api(self, base_url: str) -> dict[str, Any]:
        """As the API shows it."""
        status = "canceling" if self.cancelled_at else "in_progress"
        ended = self.ended_at is not None
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else status,
            "request_counts": self._counts(),
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.created_at + DAY_S),
            "ended_at": rfc3339(self.ended_at) if self.ended_at else None,
            "cancel_initiated_at": rfc3339(self.cancelled_at) if self.cancelled_at else None,
            "archived_at": None,
            "results_url": f"{base_url}/v1/messages/batches/{self.id}/results" if ended else None,
        }

    def _counts(self) -> dict[str, int]:
        if self.ended_at is None:  # all are processing until the whole batch has ended
            return {"processing": len(self.items)} | dict.fromkeys(OUTCOMES, 0)
        kinds = [item.result["type"] for item in self.items if item.result]
        return {"processing": 0} | {name: kinds.count(name) for name in OUTCOMES}


class Batches:
    """All batches."""

    def __init__(self, imitation: Imitation) -> None:
        self._imitation = imitation
        self._batches: dict[str, Batch] = {}
        self._running = set[asyncio.Task[None]]()

    def create(self, body: Any) -> Batch:
        """Take a batch in."""
        check_batch(body)
        items = [Item(item["custom_id"], item["params"]) for item in body["requests"]]
        name = f"msgbatch_fake_{uuid.uuid4().hex[:20]}"
        batch = self._batches[name] = Batch(name, self._imitation.clock.now(), items)
        task = asyncio.get_running_loop().create_task(self._run(batch))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return batch

    def get(self, name: str) -> Batch:
        """A batch by its id."""
        if name not in self._batches:
            raise ApiError("not_found_error", f"Batch {name} not found")
        return self._batches[name]

    def cancel(self, name: str) -> Batch:
        """Stop what was not begun."""
        batch = self.get(name)
        if batch.ended_at is not None:
            raise invalid(f"Batch {name} has ended and cannot be canceled")
        batch.cancelled_at = batch.cancelled_at or self._imitation.clock.now()
        batch.go.set()
        return batch

    def delete(self, name: str) -> dict[str, str]:
        """Forget a batch that ended."""
        if self.get(name).ended_at is None:
            raise invalid(f"Batch {name} is still being processed; cancel it first")
        del self._batches[name]
        return {"id": name, "type": "message_batch_deleted"}

    def page(self, query: Mapping[str, str], base_url: str) -> dict[str, Any]:
        """Some batches, the newest first."""
        limit = int(query.get("limit", 20)) if query.get("limit", "20").isdecimal() else 0
        if not 1 <= limit <= 1000:
            raise invalid("limit: must be between 1 and 1000")
        names = list(reversed(self._batches))
        if (after := query.get("after_id")) in names:
            names = names[names.index(str(after)) + 1 :]
        if (before := query.get("before_id")) in names:
            names = names[max(0, names.index(str(before)) - limit) : names.index(str(before))]
        shown = names[:limit]
        return {
            "data": [self._batches[name].as_api(base_url) for name in shown],
            "has_more": len(names) > limit,
            "first_id": shown[0] if shown else None,
            "last_id": shown[-1] if shown else None,
        }

    def results(self, name: str) -> tuple[bytes, list[Row]]:
        """The results as JSON lines, shuffled, and the rows that they deliver."""
        batch = self.get(name)
        if batch.ended_at is None:
            raise ApiError("not_found_error", f"Batch {name} has no results yet")
        items = list(batch.items)
        random.Random(name).shuffle(items)
        lines = [json.dumps({"custom_id": i.custom_id, "result": i.result}) for i in items]
        return "".join(f"{line}\n" for line in lines).encode(), [i.row for i in items if i.row]

    def finish(self, *, expire: bool) -> None:
        """End every batch that waits; `expire` ends it without answers."""
        for batch in self._batches.values():
            batch.expired = batch.expired or (expire and batch.ended_at is None)
            batch.go.set()

    async def _run(self, batch: Batch) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(batch.go.wait(), self._imitation.behaviour.batch_delay_s)
        for at, item in enumerate(batch.items, 1):
            if batch.cancelled_at:
                item.result = {"type": "canceled"}
            elif batch.expired:
                item.result = {"type": "expired"}
            else:
                self._process(batch, item)
            if at % _TURNS == 0:
                await asyncio.sleep(0)
        batch.ended_at = self._imitation.clock.now()

    def _process(self, batch: Batch, item: Item) -> None:
        imitation = self._imitation
        request_id = f"req_fake_{uuid.uuid4().hex[:24]}"
        row = Row(imitation.clock.now(), request_id, "batch_item",
                  batch_id=batch.id, custom_id=item.custom_id)  # fmt: skip
        item.row = imitation.books.open(row)
        try:
            item.result = {"type": "succeeded", "message": self._answered(item.params, row)}
            row.status = 200
        except Exception as error:
            refusal = as_api_error(error)
            item.result = {"type": "errored", "error": refusal.body(request_id)}
            row.status, row.error = refusal.status, refusal.kind
        imitation.books.close_row(row)

    def _answered(self, params: dict[str, Any], row: Row) -> dict[str, Any]:
        imitation = self._imitation
        check_message(params, imitation.models, strict_schema=imitation.behaviour.strict_schema)
        row.model = params["model"]
        imitation.books.asks(row, params)
        turn = imitation.faults.turn("batch_item", row.model)
        row.fault = None if turn.fault in BROKEN else turn.fault  # there is no connection
        if error := refusal_of(turn.fault, 0):
            raise error
        return imitation.produce(params, row, imitation.plan(params), turn, batch=True)

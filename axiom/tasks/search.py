"""Search, for processes that must stay small: a worker embeds the question and asks Chroma.

The answer comes by a list of Redis that nobody else knows, and goes with whoever takes it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from axiom.celery import app
from axiom.errors import AxiomError
from axiom.stores.redis import connect, translated
from axiom.tasks.services import services

KEPT_S = 60
WAIT_S = 8.0  # a worker's first question loads the model; below the client's timeout


@app.task(name="axiom.tasks.search.find", ignore_result=True)
def find(reply: str, text: str, market: str, kinds: list[str], limit: int) -> None:
    """Look for what is near to a question, and answer to `reply`."""
    try:
        told: dict[str, Any] = {"rows": services().search(text, market, kinds, limit)}
    except AxiomError as error:
        told = {"error": str(error)}
    with translated(), _redis() as redis:
        redis.rpush(reply, json.dumps(told, default=datetime.isoformat))
        redis.expire(reply, KEPT_S)


def ask(
    text: str,
    market: str,
    kinds: Collection[str] | None = None,
    limit: int = 10,
    wait_s: float | None = None,
) -> list[dict[str, Any]]:
    """Have a worker of the `cpu` queue search; see `axiom.stores.search.Search`.

    Raises:
        AxiomError: no worker answered in time, or what it says went wrong.
        StoreUnavailable: Redis cannot be reached.
    """
    from axiom.stores.search import (
        KINDS,
    )  # with Postgres' driver, which workers' main processes lack
    from axiom.tasks.client import send

    wait_s = WAIT_S if wait_s is None else wait_s
    reply = f"axiom:reply:{uuid.uuid4().hex}"
    asked = {
        "reply": reply,
        "text": text,
        "market": market,
        "kinds": list(kinds or KINDS),
        "limit": limit,
    }
    send("axiom.tasks.search.find", asked, expires=wait_s)
    told = _take(reply, wait_s)
    if told is None:
        raise AxiomError(
            f"no worker of the cpu queue answered within {wait_s:.0f} s; it may be busy: ask "
            "again, or see whether one runs: axiom workers"
        )
    if "error" in told:
        raise AxiomError(told["error"])
    return [_dated(row) for row in told["rows"]]


def _take(reply: str, wait_s: float) -> dict[str, Any] | None:
    with translated(), _redis() as redis:
        taken: Any = redis.blpop([reply], timeout=wait_s)
    return json.loads(taken[1]) if taken else None


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"at": datetime.fromisoformat(row["at"])} if "at" in row else row


def _redis() -> Any:
    return connect(services().settings.require("redis_url"))

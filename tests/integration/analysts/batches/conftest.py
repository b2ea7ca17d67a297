"""Batches on real stores, against the imitation: its books are compared with ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from axiom.analysts.batches import Batches
from axiom.analysts.question import Answer, Question
from axiom.config import Settings
from axiom.errors import InBatch
from axiom.flow import CURRENT, Context
from axiom.stores.artifacts import MemoryArtifacts
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude
from tests.integration.analysts.conftest import spent_usd

Make = Callable[..., Settings]


def forget_batches(fake: FakeClaude) -> None:
    """Those of other tests asked the same."""
    fake.control(finish_batches=True)
    batches = fake.client().messages.batches
    for batch in batches.list():
        while batches.retrieve(batch.id).processing_status != "ended":
            time.sleep(0.01)
        batches.delete(batch.id)
    fake.reset()


@pytest.fixture(autouse=True)
def _no_batches_of_other_tests(fake: FakeClaude) -> None:
    forget_batches(fake)


@pytest.fixture
def make(settings: Make) -> Callable[..., Claude]:
    return lambda **changed: Claude(settings(claude_batch="on", **changed))


@pytest.fixture
def claude(make: Callable[..., Claude]) -> Claude:
    return make()


@contextmanager
def step_of(pipeline: str, run_id: str = "run-1") -> Iterator[None]:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    here: Context[Any] = Context(run_id, pipeline, now, None, MemoryArtifacts(), step="analyse")
    token = CURRENT.set(here)
    try:
        yield
    finally:
        CURRENT.reset(token)


def ask(claude: Claude, asked: Question, pipeline: str = "graph") -> Answer:
    with step_of(pipeline):
        return claude.ask(asked)


def put(claude: Claude, *asked: Question) -> None:
    for each in asked:
        with pytest.raises(InBatch):
            ask(claude, each)


def desk(claude: Claude, **policy: Any) -> Batches:
    """One that waits for nothing, unless it is told to."""
    quick = {"quiet_s": 0.0, "unsure_s": 0.0, "retry_s": 0.0} | policy
    return replace(claude.batches, policy=replace(claude.batches.policy, **quick))


def elsewhere(work: Callable[[], None]) -> None:
    """In a thread, and so on a connection, of its own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def calls(claude: Claude) -> list[dict[str, Any]]:
    return claude.book._db.query("SELECT * FROM calls ORDER BY started_at, id")


def rows(claude: Claude) -> list[dict[str, Any]]:
    return claude.book._db.query("SELECT * FROM batch_questions ORDER BY question_hash")


def items(fake: FakeClaude) -> list[dict[str, Any]]:
    return [row for row in fake.books() if row["endpoint"] == "batch_item"]


def creations(fake: FakeClaude) -> list[dict[str, Any]]:
    """The batches that were made; a request for one has a row of its own."""
    return sorted({row["batch_id"] for row in items(fake)})


def until_ended(claude: Claude) -> None:
    deadline = time.monotonic() + 10
    for batch in claude._client.sdk.messages.batches.list():
        while claude._client.sdk.messages.batches.retrieve(batch.id).processing_status != "ended":
            assert time.monotonic() < deadline


def work(claude: Claude, rounds: int = 2, **policy: Any) -> None:
    for _ in range(rounds):
        desk(claude, **policy).work()
        until_ended(claude)


def assert_books_agree(claude: Claude, fake: FakeClaude) -> None:
    """Every question was paid once, at half the price, and nothing is held any more."""
    paid = [row for row in calls(claude) if row["state"] == "answered"]
    assert len({row["question_hash"] for row in paid}) == len(paid)
    assert len({row["custom_id"] for row in items(fake) if row["answered"]}) == len(
        [row for row in items(fake) if row["answered"]]
    )
    assert sum((row["usd"] for row in calls(claude)), Decimal(0)) == spent_usd(fake)
    spending = claude.budget.spent(f"day:{datetime.now(UTC).date()}")
    assert spending.reserved_usd == 0
    assert spending.settled_usd == pytest.approx(float(spent_usd(fake)), abs=1e-4)

"""What was paid, by group: every group adds up to the same dollars, tokens and calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from axiom.paid import Call, Usage
from axiom.stores.calls import CallBook, Group
from axiom.stores.postgres import Postgres

pytestmark = pytest.mark.contract
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
CALL = Call(
    id="q-1", question_hash="q", attempt=1, pipeline="graph", run_id="r", step="analyse_company",
    subjects=("AAPL",), prompt="company-1", model="claude-haiku-5-5", worst_usd=Decimal("0.05"),
    imitation=False,
)  # fmt: skip


@pytest.fixture
def db(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture
def book(db: Postgres) -> CallBook:
    book = CallBook(db)
    pair = replace(
        CALL, id="p-1", question_hash="p", pipeline="correlation", subjects=("AAPL", "V")
    )
    news = replace(
        CALL, id="n-1", question_hash="n", pipeline="events", subjects=("h1", "h2", "h3")
    )
    for call in (CALL, pair, news):
        book.begin(call)
        book.finish(
            call, Usage(input_tokens=101, output_tokens=7), Decimal("0.01"), text="{}",
            stop_reason="end_turn", model=call.model, request_id=None,
        )  # fmt: skip
    return book


def by_key(rows: Any) -> dict[str, Mapping[str, Any]]:
    return {row["key"]: row for row in rows}


@pytest.mark.parametrize("by", ["pipeline", "model", "company", "day"])
def test_every_group_adds_up_to_the_same(book: CallBook, by: Group) -> None:
    rows = book.costs(by, LONG_AGO)
    assert sum(row["usd"] for row in rows) == Decimal("0.03")
    assert abs(sum(row["input_tokens"] for row in rows) - 303) <= 1  # each is a whole number


def test_a_call_about_two_companies_is_shared_out_and_headlines_are_one_group(
    book: CallBook,
) -> None:
    found = by_key(book.costs("company", LONG_AGO))
    assert {key: row["usd"] for key, row in found.items()} == {
        "AAPL": Decimal("0.015"), "V": Decimal("0.005"), "headlines": Decimal("0.01"),
    }  # fmt: skip
    assert {key: row["calls"] for key, row in found.items()} == {"AAPL": 2, "V": 1, "headlines": 1}


def test_the_dearest_come_first_and_days_newest_first(book: CallBook, db: Postgres) -> None:
    assert [row["key"] for row in book.costs("company", LONG_AGO)] == ["AAPL", "headlines", "V"]
    db.execute("UPDATE calls SET started_at = '2026-01-05T23:59:00Z' WHERE id = 'q-1'")
    days = [row["key"] for row in book.costs("day", LONG_AGO)]
    assert len(days) == 2
    assert days[1] == "2026-01-05"

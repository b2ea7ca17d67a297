"""What steps said is kept, found by run and step, and forgotten by month."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from axiom.errors import StoreUnavailable
from axiom.stores.log_lines import LogLines
from axiom.stores.postgres import Postgres
from axiom.telemetry.log_lines import Line

pytestmark = pytest.mark.contract
AT = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
LATER = datetime(2026, 2, 1, 0, 1, tzinfo=UTC)


def said(text: str, step: str = "fetch", item: str = "", at: datetime = AT) -> Line:
    return Line("run-1", step, item, 1, at, "info", text, "io@here", {"n": 1, "bad": "\0"})


@pytest.fixture
def store(postgres_url: str) -> LogLines:
    return LogLines(Postgres(postgres_url))


def texts(found: list[object]) -> list[str]:
    return [each.text for each in found]  # type: ignore[attr-defined]


def test_lines_come_back_in_their_order_whole_also_over_the_end_of_a_month(store: LogLines) -> None:
    store.keep([said("one"), said("two\nlines", at=LATER)])
    store.keep([said("three", at=AT)])
    found = store.lines("run-1")
    assert texts(found) == ["one", "three", "two\nlines"]  # type: ignore[arg-type]
    assert (found[0].at, found[0].level, found[0].worker, found[0].attempt) == (
        AT, "info", "io@here", 1,
    )  # fmt: skip
    assert found[0].facts == {"n": 1, "bad": "\ufffd"}


def test_lines_are_found_by_step_and_item_and_page_by_page(store: LogLines) -> None:
    store.keep([said(f"{step}{item}", step, item) for step in "ab" for item in "xyz"])
    assert texts(store.lines("run-1", "a")) == ["ax", "ay", "az"]  # type: ignore[arg-type]
    assert texts(store.lines("run-1", "b", "y")) == ["by"]  # type: ignore[arg-type]
    first = store.lines("run-1", limit=4)
    rest = store.lines("run-1", limit=4, after=first[-1].n)
    assert texts([*first, *rest]) == ["ax", "ay", "az", "bx", "by", "bz"]
    assert store.lines("another run") == []


def test_the_newest_lines_come_last(store: LogLines) -> None:
    now = datetime.now(UTC)
    store.keep([said(str(n), at=now) for n in range(5)])
    assert texts(store.newest(limit=2)) == ["3", "4"]  # type: ignore[arg-type]
    assert texts(store.newest("run-1", "fetch", limit=3)) == ["2", "3", "4"]  # type: ignore[arg-type]


def test_months_that_are_over_are_dropped_with_their_lines(store: LogLines) -> None:
    store.keep([said("old"), said("new", at=LATER)])
    assert store.months.drop_before(LATER) == ["log_lines_2026_01"]
    assert texts(store.lines("run-1")) == ["new"]  # type: ignore[arg-type]


def test_a_server_that_is_away_is_a_store_unavailable() -> None:
    away = LogLines(Postgres("postgresql://axiom:x@127.0.0.1:1/axiom"))
    with pytest.raises(StoreUnavailable):
        away.keep([said("lost")])

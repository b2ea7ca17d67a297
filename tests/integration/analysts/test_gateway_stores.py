"""The gateway when Redis or Postgres does what it should not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import redis

from axiom.config import Settings
from axiom.errors import BudgetSpent, Refused
from axiom.tasks.claude import Claude
from benchmarks.harness.waiting import until
from tests.fakes.claude import FakeClaude
from tests.fakes.time_limit import ended_after
from tests.integration.analysts.conftest import question, spent_usd
from tests.integration.analysts.test_gateway import booked_usd, calls

Make = Callable[..., Settings]
MODEL = question().model


# --- Redis ---


def spend_all(claude: Claude, tag: str) -> int:
    """Put questions until the budget is spent; return how many went."""
    for n in range(50):
        try:
            claude.gateway(
                question(f"{tag} {n}", system=f"{tag}{n}" + "long " * 400, max_tokens=50)
            )
        except BudgetSpent:
            return n
    raise AssertionError("the budget never ends")


def test_a_redis_that_forgot_everything_does_not_have_the_day_spent_again(
    settings: Make, fake: FakeClaude, redis_url: str
) -> None:
    claude = Claude(settings(claude_day_usd="0.0012"))
    assert spend_all(claude, "a") > 0
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    claude.sweep()
    assert spend_all(Claude(claude._settings), "b") <= 1  # the rest of a cent
    assert spent_usd(fake) == booked_usd(claude) <= Decimal("0.0012")
    spending = claude.budget.spent("day:*")
    assert spending.settled_usd == pytest.approx(float(booked_usd(claude)), abs=1e-5)


def test_what_was_in_flight_when_redis_forgot_counts_until_it_is_settled(
    settings: Make, fake: FakeClaude, redis_url: str
) -> None:
    claude = Claude(settings(claude_timeout_s=30))
    fake.control(latency_s=1.5)
    asking = threading.Thread(target=claude.gateway, args=(question("slow"),))
    asking.start()
    until(fake.books, "a call in flight")
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    fake.control(latency_s=0)
    assert claude.gateway(question("quick")).text
    [slow] = [row for row in calls(claude) if row["state"] == "open"]
    assert claude.budget.spent("day:*").reserved_usd >= float(slow["worst_usd"])
    asking.join()
    spending = claude.budget.spent("day:*")
    assert spending.reserved_usd == 0
    assert spending.settled_usd == pytest.approx(float(spent_usd(fake)), abs=1e-5)


def test_a_run_that_was_paid_by_a_redis_of_old_is_remembered(
    settings: Make, fake: FakeClaude, redis_url: str
) -> None:
    claude = Claude(settings(claude_run_usd="0.0012"))
    spend_all(claude, "a")
    with redis.Redis.from_url(redis_url) as client:
        client.delete("axiom:limits:{budget}:scope:run:none")
    assert spend_all(claude, "b") <= 1
    assert spent_usd(fake) <= Decimal("0.0012")


def test_the_day_of_a_budget_is_the_servers(claude: Claude, fake: FakeClaude) -> None:
    claude.gateway(question())
    today = datetime.now(UTC).date()
    names = [key.split(":scope:")[1] for key in claude._redis.keys("*:scope:*")]
    assert sorted(names) == [f"day:{today}", f"pipeline:none:{today}", "run:none"]


# --- Postgres ---


def drop_connections(claude: Claude) -> None:
    claude.book._db.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_a_session_that_ended_while_it_was_idle_costs_no_question(claude: Claude) -> None:
    assert claude.gateway(question("one")).text
    others = (
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )

    def drop() -> None:
        drop_connections(claude)
        until(lambda: not claude.book._db.query(others)[0]["n"], "the sessions' end")
        claude.book._db.close()

    dropping = threading.Thread(target=drop)
    dropping.start()
    dropping.join()
    assert claude.gateway(question("two")).text


def test_postgres_dropping_its_connections_has_no_question_paid_twice(
    settings: Make, fake: FakeClaude
) -> None:
    fake.control(latency_s=1.5)
    claude = Claude(settings(claude_timeout_s=30))
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(claude.gateway(question()).text))
    asking.start()
    until(fake.books, "a call in flight")
    drop_connections(claude)
    with pytest.raises(Refused, match="another worker") as told:
        Claude(claude._settings).gateway(question())
    assert 0 < told.value.retry_in_s <= 60
    asking.join()
    assert len(answers) == len(fake.books()) == 1
    assert [row["state"] for row in calls(claude)] == ["answered"]
    assert claude.gateway(question()).known


def test_two_that_came_to_the_same_attempt_do_not_share_its_row(
    settings: Make, fake: FakeClaude
) -> None:
    claude = Claude(settings())
    claude.gateway(question("other"))
    first = calls(claude)[0]
    taken = first | {"id": f"{claude.gateway.name_of(question())}-2", "attempt": 2}
    fake.control(script=[{"fault": "api_error"}])

    def take(*_: Any) -> None:  # another, whose attempt has ended
        columns = ", ".join(taken)
        values = ", ".join(f"%({name})s" for name in taken)
        claude.book._db.execute(f"INSERT INTO calls ({columns}) VALUES ({values})", taken)

    gateway = claude.gateway
    object.__setattr__(gateway, "sleep", take)
    with pytest.raises(Refused, match="another worker"):
        gateway(question())
    assert len(fake.books()) == 2


def test_who_asks_what_another_asks_does_not_wait_for_the_whole_call(
    settings: Make, fake: FakeClaude
) -> None:
    claude = Claude(settings(claude_timeout_s=30))
    claude.book._sql["ask"] = claude.book._sql["ask"].replace("'5s'", "'200ms'")
    fake.control(latency_s=1.5)
    asking = threading.Thread(target=claude.gateway, args=(question(),))
    asking.start()
    until(fake.books, "a call in flight")
    with pytest.raises(Refused, match="another worker"):
        claude.gateway(question())
    asking.join()
    assert claude.gateway(question()).known
    assert len(fake.books()) == 1


def test_who_is_ended_while_it_waits_to_ask_keeps_no_other_from_it(
    settings: Make, fake: FakeClaude
) -> None:
    claude, other = Claude(settings()), Claude(settings())
    claude.gateway(question("what has all be imported"))
    claude.book._sql["ask"] += ", pg_sleep(0.3)"
    claude.book._db.close()  # with what it has planned
    with pytest.raises(TimeoutError), ended_after(0.1):
        claude.gateway(question())
    with pytest.raises(Refused, match="may be asking"):  # it was booked: that is told at once
        other.gateway(question())
    other.book._db.execute("DELETE FROM calls WHERE state = 'open'")
    assert other.gateway(question()).text


def test_a_call_that_was_lost_with_its_row_is_booked_all_the_same(
    claude: Claude, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.control(script=[{"fault": "lost"}])
    lose = claude.book.lose

    def forgetful(call: Any, outcome: str) -> None:
        claude.book._db.execute("DELETE FROM calls")
        lose(call, outcome)

    monkeypatch.setattr(claude.book, "lose", forgetful)
    assert claude.gateway(question()).text
    assert [row["state"] for row in calls(claude)] == ["lost", "answered"]
    assert booked_usd(claude) >= spent_usd(fake)

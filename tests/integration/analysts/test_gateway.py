"""The gateway on real stores, against the imitation: its books are compared with ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from axiom.analysts.prices import compute_usd
from axiom.analysts.question import Answer
from axiom.config import Settings
from axiom.errors import (
    AxiomError,
    BreakerOpen,
    BudgetSpent,
    ConfigError,
    Refused,
    ServiceDown,
    StoreUnavailable,
)
from axiom.paid import Usage
from axiom.resilience.guard import Guard
from axiom.tasks.claude import Claude
from benchmarks.harness.waiting import until
from tests.fakes.claude import FakeClaude
from tests.integration.analysts.conftest import question, spent_usd

Make = Callable[..., Settings]


def booked_usd(claude: Claude) -> Decimal:
    rows = claude.book.costs("model", datetime(2000, 1, 1, tzinfo=UTC))
    return sum((Decimal(row["usd"]) for row in rows), Decimal(0))


def calls(claude: Claude) -> list[dict[str, Any]]:
    return claude.book._db.query("SELECT * FROM calls ORDER BY started_at, attempt")


def test_a_question_is_answered_booked_and_never_paid_again(
    claude: Claude, fake: FakeClaude
) -> None:
    first = claude.gateway(question())
    again = claude.gateway(question())
    assert (first.text, first.known, again.known) == (again.text, False, True)
    assert first.model == "imitation of claude-haiku-5-5"
    assert len(fake.books()) == 1
    [row] = calls(claude)
    assert (row["state"], row["outcome"], row["subjects"]) == ("answered", "end_turn", ["AAPL"])
    assert row["usd"] == spent_usd(fake) > 0
    assert row["usd"] <= row["worst_usd"]
    assert row["request_id"] == fake.books()[0]["request_id"]


def test_the_system_prompt_is_read_from_the_cache_the_second_time(
    claude: Claude, fake: FakeClaude
) -> None:
    for text in ("one", "two"):
        claude.gateway(question(text))
    first, second = calls(claude)
    assert (first["cache_write_5m"] > 500, first["cache_read"]) == (True, 0)
    assert second["cache_read"] == first["cache_write_5m"]
    assert booked_usd(claude) == spent_usd(fake)


def test_a_prompt_that_is_to_stay_cached_for_an_hour_does(claude: Claude, fake: FakeClaude) -> None:
    for text in ("one", "two"):
        claude.gateway(question(text, ttl="1h"))
        fake.control(advance_s=3500)
    first, second = calls(claude)
    assert (first["cache_write_1h"] > 500, first["cache_write_5m"]) == (True, 0)
    assert second["cache_read"] == first["cache_write_1h"]
    assert booked_usd(claude) == spent_usd(fake)
    assert claude.gateway(question("one")).known  # how long it stays cached decides no answer


def test_what_is_made_where_it_costs_more_is_booked_at_that(
    claude: Claude, fake: FakeClaude
) -> None:
    fake.control(geo="us")
    claude.gateway(question())
    [row] = calls(claude)
    usage = Usage(**{name: row[name] for name in Usage.__dataclass_fields__})
    assert row["usd"] == spent_usd(fake)
    assert float(row["usd"] / compute_usd(row["model"], usage)) == pytest.approx(1.1, abs=1e-4)


def test_many_threads_with_the_same_question_pay_once(claude: Claude, fake: FakeClaude) -> None:
    fake.control(latency_s=0.2)

    def put(_: int) -> Answer:
        while True:  # who waits for another's answer for long is asked to come back
            with suppress(Refused):
                return claude.gateway(question())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(put, range(8)))
    assert len({answer.text for answer in answers}) == 1
    assert len(fake.books()) == 1


def test_a_spent_budget_asks_nothing_and_a_raised_one_goes_on(
    settings: Make, fake: FakeClaude
) -> None:
    claude = Claude(settings(claude_day_usd="0.0000001"))
    with pytest.raises(BudgetSpent, match=r"budget of day:.* axiom budget") as told:
        claude.gateway(question())
    assert told.value.retry_in_s
    assert fake.books() == []
    assert calls(claude) == []
    claude.book.set_limit("day", Decimal(1), by="test")
    assert claude.gateway(question()).text


def test_what_the_worst_case_leaves_is_given_back(settings: Make, fake: FakeClaude) -> None:
    worst = Decimal("0.001")
    claude = Claude(settings(claude_day_usd=worst * 2))
    for n in range(12):  # each costs a fraction of its worst case
        claude.gateway(question(str(n)))
    assert booked_usd(claude) == spent_usd(fake) <= worst * 2
    spending = claude.budget.spent(f"day:{datetime.now(UTC).date()}")
    assert Decimal(str(spending.settled_usd)) == pytest.approx(spent_usd(fake), abs=Decimal("1e-4"))
    assert spending.reserved_usd == 0


@pytest.mark.parametrize("fault", ["overloaded", "api_error", "closed", "rate_limit"])
def test_a_passing_fault_is_retried_and_costs_nothing(
    claude: Claude, fake: FakeClaude, fault: str
) -> None:
    fake.control(script=[{"next": 1, "fault": fault}], retry_after_s=0.1)
    assert claude.gateway(question()).text
    states = [row["state"] for row in calls(claude)]
    # a connection that was closed may have been paid: it counts at its worst
    assert states == (["lost", "answered"] if fault == "closed" else ["failed", "answered"])
    assert booked_usd(claude) >= spent_usd(fake)


@pytest.mark.parametrize("fault", ["lost", "cut_off"])
def test_an_answer_that_was_lost_counts_as_paid(
    claude: Claude, fake: FakeClaude, fault: str
) -> None:
    fake.control(script=[{"next": 1, "fault": fault}])
    assert claude.gateway(question()).text
    first, second = calls(claude)
    assert (first["state"], first["usd"]) == ("lost", first["worst_usd"])
    assert second["usd"] == Decimal(fake.books()[1]["nano_dollars"]) / 10**9
    assert booked_usd(claude) >= spent_usd(fake)


def test_a_service_that_stays_down_opens_the_breaker_and_puts_work_off(
    claude: Claude, fake: FakeClaude
) -> None:
    fake.control(down="unavailable")
    with pytest.raises(ServiceDown, match="status 503"):
        claude.gateway(question("first"))
    with pytest.raises(Refused):  # by its second attempt the breaker is open
        claude.gateway(question("second"))
    with pytest.raises(BreakerOpen) as told:
        claude.gateway(question())
    asked = len(fake.books())
    assert told.value.retry_in_s
    with pytest.raises(BreakerOpen):
        claude.gateway(question("another"))
    assert len(fake.books()) == asked
    assert booked_usd(claude) == 0
    spending = claude.budget.spent(f"day:{datetime.now(UTC).date()}")
    assert (spending.settled_usd, spending.reserved_usd) == (0, 0)


def test_a_wrong_key_or_question_is_told_and_not_repeated(
    settings: Make, claude: Claude, fake: FakeClaude
) -> None:
    wrong = Claude(settings(ANTHROPIC_API_KEY="sk-ant-other"))
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY"):
        wrong.gateway(question())
    with pytest.raises(AxiomError, match="Claude refused the request"):
        claude.gateway(
            question(schema={"type": "object", "properties": {}, "additionalProperties": True})
        )
    assert [row["state"] for row in calls(claude)] == ["failed", "failed"]
    assert claude.guard("claude-haiku-5-5").breaker.status().failures == 0


def test_what_cannot_be_priced_is_not_asked(claude: Claude, fake: FakeClaude) -> None:
    with pytest.raises(ConfigError, match="claude-next has no price"):
        claude.gateway(question(model="claude-next"))
    assert fake.books() == []


def test_without_redis_nothing_is_asked(settings: Make, fake: FakeClaude) -> None:
    claude = Claude(settings(redis_url="redis://127.0.0.1:1/0"))
    with pytest.raises(StoreUnavailable, match="Redis"):
        claude.gateway(question())
    assert fake.books() == []


def test_without_postgres_nothing_is_asked(settings: Make, fake: FakeClaude) -> None:
    claude = Claude(settings(postgres_url="postgresql://x@127.0.0.1:1/x"))
    with pytest.raises(StoreUnavailable, match="Postgres"):
        claude.gateway(question())
    assert fake.books() == []


def test_a_refusal_is_kept_and_not_asked_again(claude: Claude, fake: FakeClaude) -> None:
    fake.control(script=[{"next": 1, "fault": "refusal"}])
    assert claude.gateway(question()).stop_reason == "refusal"
    assert claude.gateway(question()).stop_reason == "refusal"
    assert len(fake.books()) == 1


def test_a_repair_round_is_another_question(claude: Claude, fake: FakeClaude) -> None:
    first = claude.gateway(question())
    claude.gateway(replace(question(), earlier=(first.text, "Not so.")))
    assert len(fake.books()) == 2


def test_an_imitation_is_not_taken_for_claude(settings: Make, fake: FakeClaude) -> None:
    with pytest.raises(ConfigError, match="an imitation answers there"):
        Claude(settings(claude_imitation=False)).gateway(question())


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from axiom.config import load_settings
from axiom.paid import Usage
from axiom.resilience.guard import Guard
from axiom.tasks.claude import Claude
from tests.integration.analysts.conftest import question
Claude(load_settings()).gateway(question("killed"))
"""


def test_a_call_killed_in_flight_is_booked_as_lost_and_asked_again(
    settings: Make, fake: FakeClaude
) -> None:
    claude = Claude(settings(claude_timeout_s=0.5))
    fake.control(latency_s=3)
    given = claude._settings
    env = os.environ | {
        "AXIOM_REDIS_URL": given.redis_url, "AXIOM_POSTGRES_URL": given.postgres_url,
        "ANTHROPIC_API_KEY": fake.key, "ANTHROPIC_BASE_URL": fake.base_url,
        "AXIOM_CLAUDE_IMITATION": "true", "AXIOM_DATA_DIR": str(given.data_dir),
    }  # fmt: skip
    worker = subprocess.Popen([sys.executable, "-c", KILLED, os.getcwd()], env=env)
    day = f"day:{datetime.now(UTC).date()}"
    until(lambda: claude.budget.spent(day).reserved_usd > 0, "a call that is let through")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert [row["state"] for row in calls(claude)] == ["open"]
    assert claude.sweep() == []  # it may still be under way, for all we know
    [row] = calls(claude)
    claude.book._db.execute(
        "UPDATE calls SET started_at = started_at - %s", (timedelta(minutes=3),)
    )
    assert claude.book.lose_old(timedelta(minutes=1)) == [row["id"]]
    [row] = calls(claude)
    assert (row["state"], row["usd"]) == ("lost", row["worst_usd"])
    fake.control(latency_s=0)
    assert Claude(settings()).gateway(question("killed")).text
    assert [row["state"] for row in calls(claude)] == ["lost", "answered"]
    assert booked_usd(claude) >= spent_usd(fake)


def test_what_a_dead_process_reserved_is_settled_or_given_back(
    settings: Make, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude = Claude(settings())
    day = f"day:{datetime.now(UTC).date()}"
    monkeypatch.setattr("axiom.tasks.claude.GRACE_S", -5.0)
    run = {day: 1, "pipeline:graph:2026-11-23": 1, "run:r7": 1}
    claude.budget.reserve("unbooked-3", run, Decimal("0.25"))  # Postgres lost its row
    claude.budget.reserve("unbooked-batch-1", run, Decimal("0.25"))  # which it never does of these
    with monkeypatch.context() as patch:  # dies before it settles
        patch.setattr(Guard, "_settling", lambda *args: lambda: None)
        claude.gateway(question())
    assert claude.budget.spent(day).reserved_usd > 0.25
    claude.sweep()
    spending = claude.budget.spent(day)
    assert spending.reserved_usd == 0
    assert Decimal(str(spending.settled_usd)) == pytest.approx(
        spent_usd(fake) + Decimal("0.25"), abs=Decimal("1e-6")
    )
    [lost] = [row for row in calls(claude) if row["state"] == "lost"]
    assert (lost["id"], lost["pipeline"], lost["run_id"], lost["attempt"]) == (
        "unbooked-3", "graph", "r7", 3,
    )  # fmt: skip
    assert lost["usd"] == Decimal("0.25")


def test_a_book_that_is_away_after_the_call_does_not_unspend_it(
    settings: Make, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude, day = Claude(settings()), f"day:{datetime.now(UTC).date()}"

    def fail(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("away for a moment")

    with monkeypatch.context() as patch:
        patch.setattr(type(claude.book), "finish", fail)
        with pytest.raises(StoreUnavailable):
            claude.gateway(question())
    assert claude.budget.spent(day).settled_usd > 0
    monkeypatch.setattr("axiom.tasks.claude.GRACE_S", -5.0)
    claude.sweep()
    spending = claude.budget.spent(day)
    assert spending.reserved_usd == 0
    # the limits know what was spent, and the book its worst
    assert Decimal(str(spending.settled_usd)) == pytest.approx(spent_usd(fake), abs=Decimal("1e-6"))
    assert booked_usd(claude) >= spent_usd(fake) > 0


def test_a_question_that_waits_or_is_refused_leaves_nothing_in_the_book(
    settings: Make, fake: FakeClaude
) -> None:
    """A call is booked with the look for its answer; who is held up strikes it out again."""
    claude = Claude(settings(claude_run_usd=Decimal(0)))
    with pytest.raises(BudgetSpent):
        claude.gateway(question())
    assert calls(claude) == []
    assert fake.books() == []
    claude.book.set_limit("run", Decimal(1), by="test")
    assert claude.gateway(question()).text
    assert [row["attempt"] for row in calls(claude)] == [1]


def test_a_call_that_waits_in_its_thread_is_not_in_the_book_meanwhile(
    settings: Make, fake: FakeClaude
) -> None:
    """Who dies while it waits for its turn has made no call."""
    claude, seen = Claude(settings()), []
    guard = claude.guard(question().model)
    guard.rate.pause(2.0)
    object.__setattr__(guard, "sleep", lambda s: (seen.append(len(calls(claude))), time.sleep(s)))
    assert claude.gateway(question()).text
    assert seen
    assert not any(seen)
    assert [row["state"] for row in calls(claude)] == ["answered"]

"""What goes into a batch, when, at what price and within which budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from axiom.analysts.batch_api import Unsure
from axiom.analysts.gateway import make_call, numbered
from axiom.analysts.question import Question
from axiom.analysts.sdk import make_request
from axiom.errors import BudgetSpent, InBatch
from axiom.paid import is_of_batch
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude
from tests.fakes.told_service import refusing, told_service
from tests.integration.analysts.batches.conftest import (
    ask,
    assert_books_agree,
    calls,
    creations,
    desk,
    elsewhere,
    items,
    put,
    rows,
    work,
)
from tests.integration.analysts.conftest import question, spent_usd


def test_a_question_that_can_wait_is_deferred_and_then_answered(
    claude: Claude, fake: FakeClaude
) -> None:
    with pytest.raises(InBatch) as told:
        ask(claude, question())
    assert told.value.retry_in_s == 30
    assert fake.books() == []
    work(claude, rounds=1)
    put(claude, question())  # it is out
    work(claude)
    answer = ask(claude, question())
    assert (answer.known, answer.model) == (True, "imitation of claude-haiku-5-5")
    assert answer.text
    [call] = calls(claude)
    assert (call["pipeline"], call["run_id"], call["step"]) == ("graph", "run-1", "analyse")
    assert call["batch_id"].startswith("msgbatch_fake_")
    assert rows(claude) == []
    assert_books_agree(claude, fake)


def test_the_request_and_so_the_answer_are_those_of_the_live_way(
    claude: Claude, fake: FakeClaude
) -> None:
    put(claude, question())
    # in the order in which the schema names its fields, which is that of the answer
    assert json.dumps(rows(claude)[0]["request"]) == json.dumps(make_request(question()))
    work(claude)
    batched = ask(claude, question())
    claude.book._db.execute("TRUNCATE answers")
    assert claude.gateway(question()).text == batched.text
    first, second = items(fake)[0], fake.books()[-1]
    assert first["prompt_hash"] == second["prompt_hash"]


def test_the_questions_of_a_run_go_in_one_batch_at_half_the_price(
    claude: Claude, fake: FakeClaude
) -> None:
    # of many lengths: half a price may be half a nano-dollar
    put(claude, *(question(str(n), system="In a word. " * (300 + n)) for n in range(30)))
    desk(claude, quiet_s=5.0).work()
    assert creations(fake) == []  # the last came just now
    work(claude)
    assert len(creations(fake)) == 1
    assert len(items(fake)) == 30
    ours = {row["question_hash"].removeprefix("imitation-"): row["usd"] for row in calls(claude)}
    theirs = {row["custom_id"]: Decimal(row["nano_dollars"]) / 10**9 for row in items(fake)}
    assert ours == theirs
    assert_books_agree(claude, fake)
    [total] = claude.book.costs("pipeline", datetime(2000, 1, 1, tzinfo=UTC))
    assert (total["calls"], total["usd"]) == (30, spent_usd(fake))


def test_many_or_old_questions_do_not_wait_for_quiet(claude: Claude, fake: FakeClaude) -> None:
    put(claude, question("one"), question("two"))
    desk(claude, quiet_s=60.0, many=3).work()
    assert rows(claude)[0]["state"] == "queued"
    desk(claude, quiet_s=60.0, many=2).work()
    assert {row["state"] for row in rows(claude)} == {"submitted"}
    put(claude, question("three"))
    desk(claude, quiet_s=60.0, patience_s=0.0).work()
    assert "queued" not in {row["state"] for row in rows(claude)}


def test_a_batch_has_at_most_so_many_questions(claude: Claude, fake: FakeClaude) -> None:
    put(claude, *(question(str(n)) for n in range(5)))
    work(claude, rounds=4, most=2)
    assert len(creations(fake)) == 3
    assert_books_agree(claude, fake)


def test_headlines_are_never_put_off(claude: Claude, fake: FakeClaude) -> None:
    assert ask(claude, question(), pipeline="events").known is False
    assert claude.ask(question("from nowhere")).known is False
    assert [row["endpoint"] for row in fake.books()] == ["messages", "messages"]
    assert rows(claude) == []


def test_what_is_out_in_a_batch_is_not_asked_live(make: Any, fake: FakeClaude) -> None:
    claude = make()
    put(claude, question())
    assert claude.gateway(question("another")).text
    work(claude, rounds=1)
    with pytest.raises(InBatch):
        claude.gateway(question())
    work(claude, rounds=1)
    assert claude.gateway(question()).known


def test_what_is_asked_live_at_this_moment_is_left_out(claude: Claude, fake: FakeClaude) -> None:
    put(claude, question())
    other = Claude(claude._settings)
    name = claude.gateway.name_of(question())
    draft = make_call(question(), name, attempt=0, imitation=True)
    with other.book.asking(draft, 150):
        elsewhere(desk(claude).work)
        assert rows(claude)[0]["state"] == "queued"
        assert not any(is_of_batch(call.call_id) for call in claude.budget.open_calls())
        other.book.withdraw(numbered(draft, 1))
    claude.gateway(question())
    work(claude)
    assert (rows(claude), items(fake)) == ([], [])


def test_what_was_answered_live_and_cannot_be_seen_yet_is_left_out(
    claude: Claude, fake: FakeClaude
) -> None:
    put(claude, question())
    other = Claude(claude._settings)
    name = claude.gateway.name_of(question())
    with other.book._db.transaction() as cursor:  # as `:kept`, before it is committed
        key = f"kept/question/{name}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))
        elsewhere(desk(claude).work)
    assert [row["state"] for row in rows(claude)] == ["queued"]
    work(claude)
    assert_books_agree(claude, fake)


def test_a_live_call_that_was_withdrawn_meanwhile_does_not_have_two_calls_named_alike(
    claude: Claude, fake: FakeClaude
) -> None:
    put(claude, question())
    name = claude.gateway.name_of(question())
    live = make_call(question(), name, attempt=1, imitation=True)
    claude.book.begin(live)
    [waiting] = claude.queue.queued()  # its number is counted while a live call is booked
    claude.book.withdraw(live)
    claude.queue.begin("submission-1", [waiting.call])
    desk(claude)._again(waiting.call, "expired")
    [again] = claude.queue.queued()
    assert again.call.id != waiting.call.id
    work(claude)
    assert ask(claude, question()).text


def test_the_budget_holds_back_and_a_raised_one_lets_go(make: Any, fake: FakeClaude) -> None:
    enough_for_one = Decimal("0.00044")
    claude = make(claude_run_usd=enough_for_one)
    put(claude, *(question(str(n)) for n in range(10)))
    work(claude, rounds=4)
    assert len(items(fake)) == 1
    assert spent_usd(fake) <= enough_for_one
    held = [question(str(n)) for n in range(10) if not is_answered(claude, question(str(n)))]
    assert len(held) == 9
    for each in held:
        with pytest.raises(BudgetSpent, match=r"budget of run:run-1 .* axiom budget") as told:
            ask(claude, each)
        assert told.value.retry_in_s
    claude.book.set_limit("run", Decimal(1), by="test")
    work(claude)
    assert len(items(fake)) == 10
    assert_books_agree(claude, fake)


def is_answered(claude: Claude, asked: Question) -> bool:
    return claude.queue.answer(claude.gateway.name_of(asked)) is not None


@pytest.mark.parametrize("fault", ["rate_limit", "overloaded", "lost", "closed", "cut_off"])
def test_a_batch_that_could_not_be_handed_in_is_tried_later(
    claude: Claude, fake: FakeClaude, fault: str
) -> None:
    put(claude, question("one"), question("two"))
    fake.control(script=[{"on": "batches", "fault": fault}], retry_after_s=0)
    work(claude, rounds=4)
    assert all(ask(claude, question(text)).text for text in ("one", "two"))
    assert len(items(fake)) == 2
    assert_books_agree(claude, fake)


def test_what_nobody_asks_any_more_is_not_paid(claude: Claude, fake: FakeClaude) -> None:
    put(claude, question())
    claude.book._db.execute("UPDATE batch_questions SET asked_at = asked_at - interval '1 hour'")
    work(claude)
    assert (rows(claude), items(fake)) == ([], [])


def test_a_batch_that_is_too_large_goes_in_parts_and_refuses_no_question(
    make: Any, fake: FakeClaude
) -> None:
    sizes: list[int] = []

    def reply(handler: Any) -> None:
        refusing(413, "request_too_large")(handler)

    with told_service(reply) as service:
        claude = make(ANTHROPIC_BASE_URL=service.url)
        create = claude.batches.api.create

        def limited(requests: Any) -> Any:
            sizes.append(len(requests))
            return create(requests) if len(requests) > 2 else Unsure("it is small enough")

        put(claude, *(question(str(n)) for n in range(5)))
        work = desk(claude)
        object.__setattr__(work, "api", replace_api(work.api, limited))
        work.work()
    assert sizes == [5, 2, 3, 1, 2]
    assert {row["state"] for row in rows(claude)} == {"submitting"}


def replace_api(api: Any, create: Callable[..., Any]) -> Any:
    class Limited(type(api)):  # type: ignore[misc]
        def create(self, requests: Any) -> Any:
            return create(requests)

    return Limited(api._client)

"""What comes back of a batch: items that fail, expire, are cut off or have an odd shape."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from axiom.analysts import batch_api
from axiom.analysts.batches import Batches
from axiom.errors import AxiomError, ConfigError
from axiom.paid import Call
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude
from tests.integration.analysts.batches.conftest import (
    ask,
    assert_books_agree,
    calls,
    creations,
    desk,
    items,
    put,
    rows,
    until_ended,
    work,
)
from tests.integration.analysts.conftest import question, spent_usd


@pytest.mark.parametrize("fault", ["api_error", "overloaded"])
def test_an_item_that_failed_cost_nothing_and_goes_again(
    claude: Claude, fake: FakeClaude, fault: str
) -> None:
    fake.control(script=[{"on": "batch_item", "fault": fault}])
    put(claude, question("one"), question("two"))
    work(claude, rounds=3)
    assert sorted(row["state"] for row in calls(claude)) == ["answered", "answered", "failed"]
    assert all(ask(claude, question(text)).text for text in ("one", "two"))
    assert_books_agree(claude, fake)


def test_a_batch_that_expired_or_was_cancelled_goes_again(claude: Claude, fake: FakeClaude) -> None:
    fake.control(batch_delay_s=None)
    put(claude, question())
    desk(claude).work()
    fake.control(expire_batches=True)
    until_ended(claude)
    desk(claude).work()  # settles, and hands in again
    [batch_id] = [row["batch_id"] for row in rows(claude)]
    claude._client.sdk.messages.batches.cancel(batch_id)
    fake.control(batch_delay_s=0)
    work(claude, rounds=3)
    assert [row["outcome"] for row in calls(claude)] == ["expired", "canceled", "end_turn"]
    assert_books_agree(claude, fake)


def test_a_wrong_question_ends_its_step_and_may_be_asked_later(
    claude: Claude, fake: FakeClaude
) -> None:
    wrong = question(schema={"type": "object", "properties": {}, "additionalProperties": True})
    put(claude, wrong, question("good"))
    work(claude)
    assert ask(claude, question("good")).text
    for _ in range(2):
        with pytest.raises(AxiomError, match="Claude refused the request") as told:
            ask(claude, wrong)
        assert type(told.value) is AxiomError
    work(claude)
    assert len(items(fake)) == 2
    assert_books_agree(claude, fake)
    claude.book._db.execute("UPDATE batch_questions SET due_at = due_at - interval '31 minutes'")
    put(claude, wrong)


def test_an_answer_that_was_cut_short_is_kept_as_what_it_is(
    claude: Claude, fake: FakeClaude
) -> None:
    fake.control(script=[{"on": "batch_item", "text": "x" * 4000}])
    put(claude, question())
    work(claude)
    assert ask(claude, question()).stop_reason == "max_tokens"
    assert_books_agree(claude, fake)


def test_results_that_were_cut_off_are_read_again(claude: Claude, fake: FakeClaude) -> None:
    put(claude, *(question(str(n)) for n in range(20)))
    work(claude, rounds=1)
    fake.control(script=[{"on": "batches", "next": 1}, {"on": "batches", "fault": "cut_off"}])
    desk(claude).work()
    assert 0 < len(rows(claude)) <= 20
    work(claude)
    assert rows(claude) == []
    assert_books_agree(claude, fake)


def test_a_batch_that_is_gone_counts_at_its_worst_and_goes_again(
    claude: Claude, fake: FakeClaude
) -> None:
    put(claude, question())
    work(claude, rounds=1)
    claude._client.sdk.messages.batches.delete(creations(fake)[0])
    work(claude, rounds=3)
    assert ask(claude, question()).text
    first, second = calls(claude)
    assert (first["state"], first["usd"]) == ("lost", first["worst_usd"])
    assert second["usd"] + first["usd"] >= spent_usd(fake)


def test_a_result_of_an_odd_shape_holds_up_no_other(
    claude: Claude, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(claude, *(question(str(n)) for n in range(4)))
    desk(claude).work()
    until_ended(claude)
    told, odd = batch_api._told, calls(claude)[0]["question_hash"].removeprefix("imitation-")

    def flat(name: str, result: Any) -> Any:
        return told(name, SimpleNamespace(type="errored", error=None) if name == odd else result)

    monkeypatch.setattr(batch_api, "_told", flat)
    desk(claude).work(submit=False)
    assert Counter(row["state"] for row in calls(claude)) == {"answered": 3, "lost": 1}


def test_a_question_whose_results_cannot_be_read_is_not_paid_for_again_and_again(
    claude: Claude, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable = SimpleNamespace(type="succeeded", message=SimpleNamespace(id="msg"))
    told = batch_api._told
    monkeypatch.setattr(batch_api, "_told", lambda name, _: told(name, unreadable))
    put(claude, question())
    work(claude, rounds=5)
    assert [row["outcome"] for row in calls(claude)] == ["unreadable: content: missing"] * 3
    assert len(creations(fake)) == 3
    with pytest.raises(AxiomError, match="unreadable: content"):
        ask(claude, question())


def test_what_one_result_raises_holds_up_no_other(
    claude: Claude, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(claude, *map(question, ("one", "two", "three")))
    desk(claude).work()
    until_ended(claude)
    answered, first = Batches._answered, calls(claude)[0]["id"]

    def unpriced(self: Batches, call: Call, message: Any) -> None:
        if call.id == first:
            raise ConfigError("AXIOM_CLAUDE_SMALL", "has no price")
        answered(self, call, message)

    monkeypatch.setattr(Batches, "_answered", unpriced)
    desk(claude).work()
    assert Counter(row["state"] for row in calls(claude)) == {"answered": 2, "open": 1}

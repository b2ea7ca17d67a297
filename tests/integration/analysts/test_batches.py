"""Batches on real stores, against the imitation: its books are compared with ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from axiom.analysts import batch_api
from axiom.analysts.batch_api import Unsure
from axiom.analysts.batches import Batches
from axiom.analysts.gateway import make_call, numbered
from axiom.analysts.question import Answer, Question
from axiom.analysts.sdk import make_request
from axiom.config import Settings
from axiom.errors import AxiomError, BudgetSpent, ConfigError, InBatch, Refused, StoreUnavailable
from axiom.flow import CURRENT, Context
from axiom.paid import Call, is_of_batch
from axiom.stores.artifacts import MemoryArtifacts
from axiom.stores.batches import BatchStore
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude
from tests.fakes.told_service import refusing, told_service
from tests.integration.analysts.conftest import question, spent_usd

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
    for batch in claude._client.messages.batches.list():
        while claude._client.messages.batches.retrieve(batch.id).processing_status != "ended":
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


def test_an_address_that_knows_nothing_has_no_batch_given_up(make: Any, fake: FakeClaude) -> None:
    claude = make()
    put(claude, question())
    work(claude, rounds=1)
    wrong = make(ANTHROPIC_BASE_URL=f"{fake.base_url}/elsewhere")
    desk(wrong).work()
    assert [row["state"] for row in rows(claude)] == ["submitted"]
    work(claude)
    assert len(items(fake)) == 1
    assert_books_agree(claude, fake)


def test_the_budget_holds_back_and_a_raised_one_lets_go(make: Any, fake: FakeClaude) -> None:
    enough_for_one = Decimal("0.0004")
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
    claude._client.messages.batches.cancel(batch_id)
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


def test_while_it_is_not_known_what_became_of_a_batch_it_is_not_made_again(
    claude: Claude, fake: FakeClaude
) -> None:
    put(claude, question())
    fake.control(down="unavailable")
    for _ in range(5):
        desk(claude).work()
    assert rows(claude)[0]["state"] == "submitting"
    assert len(calls(claude)) == 1
    fake.control(down=None)
    work(claude, rounds=4)
    assert ask(claude, question()).text
    assert_books_agree(claude, fake)


def test_a_service_that_is_down_opens_the_breaker_and_does_not_fill_the_book(
    claude: Claude, fake: FakeClaude
) -> None:
    put(claude, question())
    fake.control(down="refused")
    for _ in range(20):
        desk(claude).work()
    assert claude.batches.breaker.status().state == "open"
    assert 0 < len(calls(claude)) < 10
    assert {row["usd"] for row in calls(claude)} == {0}
    assert rows(claude)[0]["state"] == "queued"


def test_a_wrong_key_is_told_and_fails_no_question(make: Any, fake: FakeClaude) -> None:
    claude = make(ANTHROPIC_API_KEY="sk-ant-other")
    put(claude, question())
    desk(claude).work()
    with pytest.raises(Refused, match="ANTHROPIC_API_KEY"):
        ask(claude, question())
    assert [(row["state"], row["usd"]) for row in calls(claude)] == [("failed", 0)]
    mended = make()
    mended.book._db.execute("UPDATE batch_questions SET due_at = clock_timestamp()")
    work(mended)
    assert ask(mended, question()).text


def test_an_imitation_is_not_taken_for_claude(make: Any, fake: FakeClaude) -> None:
    claude = make(claude_imitation=False)
    put(claude, question())
    desk(claude).work()
    with pytest.raises(AxiomError, match="an imitation answers there"):
        ask(claude, question())


def test_a_batch_that_is_gone_counts_at_its_worst_and_goes_again(
    claude: Claude, fake: FakeClaude
) -> None:
    put(claude, question())
    work(claude, rounds=1)
    claude._client.messages.batches.delete(creations(fake)[0])
    work(claude, rounds=3)
    assert ask(claude, question()).text
    first, second = calls(claude)
    assert (first["state"], first["usd"]) == ("lost", first["worst_usd"])
    assert second["usd"] + first["usd"] >= spent_usd(fake)


def test_what_nobody_asks_any_more_is_not_paid(claude: Claude, fake: FakeClaude) -> None:
    put(claude, question())
    claude.book._db.execute("UPDATE batch_questions SET asked_at = asked_at - interval '1 hour'")
    work(claude)
    assert (rows(claude), items(fake)) == ([], [])


def test_the_sweep_leaves_what_is_out_alone(
    claude: Claude, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axiom.tasks.claude.GRACE_S", -5.0)  # everything is old
    fake.control(batch_delay_s=None, script=[{"on": "batches", "fault": "lost"}])
    put(claude, question("submitting"))
    desk(claude).work()  # made, and the answer got lost
    put(claude, question("submitted"))
    desk(claude, unsure_s=60).work()
    assert sorted(row["state"] for row in rows(claude)) == ["submitted", "submitting"]
    assert claude.sweep() == []
    assert claude.book.lose_old(timedelta(0)) == []
    assert len(claude.budget.open_calls()) == 2
    fake.control(batch_delay_s=0, finish_batches=True)
    work(claude, rounds=3)
    assert_books_agree(claude, fake)


def test_one_at_a_time_looks_after_the_batches(claude: Claude, fake: FakeClaude) -> None:
    put(claude, question())
    other = Claude(claude._settings).queue
    with other.alone() as alone:
        assert alone
        elsewhere(desk(claude).work)
    assert [row["state"] for row in rows(claude)] == ["queued"]
    assert other.queued()


def test_switched_off_what_is_out_comes_back_and_nothing_goes(
    make: Any, settings: Make, fake: FakeClaude
) -> None:
    claude = make()
    put(claude, question("out"))
    work(claude, rounds=1)
    put(claude, question("queued"))
    off = Claude(settings(claude_batch="off"))
    with pytest.raises(InBatch):
        ask(off, question("out"))
    assert ask(off, question("queued")).known is False
    desk(off).work(submit=False)
    assert ask(off, question("out")).known
    assert rows(claude) == []
    assert len(items(fake)) == 1


def test_without_redis_nothing_is_handed_in(make: Any, fake: FakeClaude) -> None:
    claude = make(redis_url="redis://127.0.0.1:1/0")
    put(claude, question())
    with pytest.raises(StoreUnavailable, match="Redis"):
        desk(claude).work()
    assert fake.books() == []


def test_a_crowd_of_workers_and_a_bad_line_pay_each_question_once(
    claude: Claude, fake: FakeClaude
) -> None:
    faults = ["closed", "lost", None, "overloaded", "cut_off", "rate_limit", None, "cut_off"] * 3
    fake.control(
        script=[{"on": "batches", "fault": each} for each in faults],
        batch_rates={"api_error": 0.3}, retry_after_s=0,
    )  # fmt: skip
    texts = [f"Company {n}" for n in range(20)]
    workers = [Claude(claude._settings) for _ in range(4)]

    def run(worker: Claude) -> None:
        deadline = time.monotonic() + 20
        while not all(knows(worker, question(text)) for text in texts):
            assert time.monotonic() < deadline
            desk(worker).work()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, workers))
    work(claude)
    assert len([row for row in items(fake) if row["answered"]]) == 20
    assert_books_agree(claude, fake)


def knows(claude: Claude, asked: Question) -> bool:
    try:
        return ask(claude, asked).known
    except InBatch:
        return False


def test_a_worker_that_lost_its_lock_unawares_does_no_harm(
    claude: Claude, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchStore, "alone", lambda _: nullcontext(True))
    put(claude, *(question(str(n)) for n in range(12)))

    def run(worker: Claude) -> None:
        for _ in range(8):
            desk(worker, most=3, unsure_s=60.0).work()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, [Claude(claude._settings) for _ in range(4)]))
    until_ended(claude)
    work(claude)
    assert len(items(fake)) == 12
    assert_books_agree(claude, fake)


WORKER = """
import json, time
from axiom.celery import app
from axiom.tasks.services import in_process_engine
app.loader.import_default_modules()
task = app.tasks["axiom.tasks.batches.work"]
for _ in range(2):
    task.apply(throw=True)
    time.sleep(0.3)
with in_process_engine(dry_run=False) as engine:
    at_once = engine.services.settings.claude_batch
print(json.dumps({
    "at_once": at_once,
    "queue": app.amqp.router.route({}, task.name)["queue"].name,
    "every_s": app.conf.beat_schedule.get("batches", {}).get("schedule"),
}))
"""


@pytest.mark.parametrize(("switch", "every_s"), [("on", 10), ("off", 60)])
def test_a_task_of_its_own_looks_after_batches(
    claude: Claude, fake: FakeClaude, switch: str, every_s: float
) -> None:
    put(claude, question())
    claude.book._db.execute("UPDATE batch_questions SET due_at = due_at - interval '10 seconds'")
    given = claude._settings
    env = os.environ | {
        "AXIOM_REDIS_URL": given.redis_url, "AXIOM_POSTGRES_URL": given.postgres_url,
        "AXIOM_ANALYST": "claude", "AXIOM_CLAUDE_BATCH": switch, "ANTHROPIC_API_KEY": fake.key,
        "ANTHROPIC_BASE_URL": fake.base_url, "AXIOM_CLAUDE_IMITATION": "true",
        "AXIOM_DATA_DIR": str(given.data_dir), "PYTHONPATH": os.getcwd(),
    }  # fmt: skip
    worker = subprocess.run(
        [sys.executable, "-c", WORKER], env=env, check=True, capture_output=True, text=True
    )
    told = json.loads(worker.stdout.splitlines()[-1])
    assert told == {"at_once": "off", "queue": "control", "every_s": every_s}
    assert len(items(fake)) == (1 if switch == "on" else 0)
    if switch == "on":
        assert ask(claude, question()).known


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

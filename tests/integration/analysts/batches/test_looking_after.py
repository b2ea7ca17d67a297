"""Who looks after the batches: one at a time, whatever the service, a lock or a switch does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

from axiom.analysts.question import Question
from axiom.errors import AxiomError, InBatch, Refused, StoreUnavailable
from axiom.stores.batches import BatchStore
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude
from tests.integration.analysts.batches.conftest import (
    Make,
    ask,
    assert_books_agree,
    calls,
    desk,
    elsewhere,
    items,
    put,
    rows,
    until_ended,
    work,
)
from tests.integration.analysts.conftest import question


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

"""The work on batches, ended at every line where it leaves the process: nothing is paid twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import redis

from axiom.errors import StoreUnavailable
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude
from tests.integration.analysts.batches.conftest import (
    Make,
    ask,
    assert_books_agree,
    calls,
    creations,
    desk,
    forget_batches,
    items,
    put,
    rows,
    until_ended,
)
from tests.integration.analysts.conftest import question

TEXTS = ("one", "two")
KILLED = 9


class Lines:
    """Counts what leaves the process, and ends at one place."""

    def __init__(self, ends_at: int | None = None, end: Callable[[], Any] = lambda: None) -> None:
        self.names: list[str] = []
        self._ends_at, self._end = ends_at, end

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) - 1 == self._ends_at:
            self._end()


class Watched:
    """A store or the API, each of whose methods is told of before and after."""

    def __init__(self, real: Any, kind: str, line: Callable[[str], None]) -> None:
        self._real, self._kind, self._line = real, kind, line

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name == "alone":
            return method
        told = f"{self._kind}.{name}"

        def call(*args: Any, **kwargs: Any) -> Any:
            self._line(f"before {told}")
            found = method(*args, **kwargs)
            if name == "results":
                return self._each(found)
            self._line(f"after {told}")
            return found

        return call

    def _each(self, results: Iterator[Any]) -> Iterator[Any]:
        for n, result in enumerate(results):
            self._line(f"result {n}")
            yield result


def two_rounds(claude: Claude, line: Lines) -> None:
    """Hand in, and settle."""
    work = replace(desk(claude), **{
        kind: Watched(getattr(claude.batches, kind), kind, line)
        for kind in ("queue", "book", "purse", "budget", "api")
    })  # fmt: skip
    work.work()
    until_ended(claude)
    work.work()


@pytest.fixture
def make(settings: Make, fake: FakeClaude, redis_url: str) -> Callable[[], Claude]:
    """Everything as at the start, and a worker of its own."""

    def fresh() -> Claude:
        forget_batches(fake)
        claude = Claude(settings(claude_batch="on"))
        claude.book._db.execute("TRUNCATE calls, answers, batch_questions")
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        put(claude, *map(question, TEXTS))
        return claude

    return fresh


def lines(make: Callable[[], Claude]) -> list[str]:
    line = Lines()
    two_rounds(make(), line)
    return line.names


def killed(claude: Claude, at: int) -> None:
    """Work in a process that ends, without a word, at a line."""
    child = os.fork()
    if not child:
        with suppress(BaseException):
            two_rounds(Claude(claude._settings), Lines(at, lambda: os._exit(KILLED)))
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == KILLED


def cut_off_from_its_stores(claude: Claude, at: int) -> None:
    def end() -> None:
        raise StoreUnavailable("Postgres: restarts")

    with pytest.raises(StoreUnavailable):
        two_rounds(Claude(claude._settings), Lines(at, end))


@pytest.mark.parametrize("ended", [killed, cut_off_from_its_stores])
def test_wherever_it_ends_each_question_is_paid_once(
    make: Callable[[], Claude], fake: FakeClaude, ended: Callable[[Claude, int], None]
) -> None:
    names = lines(make)
    assert {"before api.create", "after api.create", "result 0", "result 1"} <= set(names)
    assert len(names) > 35
    for at, name in enumerate(names):
        claude = make()
        ended(claude, at)
        try:
            go_on(Claude(claude._settings))
            assert all(ask(claude, question(text)).known for text in TEXTS)
            assert len(items(fake)) == len(TEXTS)
            assert len(creations(fake)) == 1
            assert_books_agree(claude, fake)
        except AssertionError as error:
            raise AssertionError(f"ended {name} ({at})") from error


def go_on(claude: Claude) -> None:
    deadline = time.monotonic() + 10  # the dead one's lock goes with its connection
    while rows(claude):
        assert time.monotonic() < deadline, "it is not settled"
        desk(claude).work()
        until_ended(claude)


def test_killed_twice_it_still_pays_once(make: Callable[[], Claude], fake: FakeClaude) -> None:
    names = lines(make)
    for first in ("after api.create", "result 1"):
        for second in ("before queue.created", "after book.finish", "before queue.done"):
            claude = make()
            killed(claude, names.index(first))
            with suppress(AssertionError):  # the second may have nothing left to do there
                killed(claude, names.index(second))
            go_on(claude)
            assert len(items(fake)) == len(TEXTS)
            assert_books_agree(claude, fake)


def test_an_older_batch_of_the_same_questions_is_not_taken_for_the_one_that_was_never_made(
    make: Callable[[], Claude], fake: FakeClaude
) -> None:
    def die(line: str) -> None:
        if line == "before api.create":
            raise StoreUnavailable("dies here")

    claude = make()
    fake.control(batch_rates={"api_error": 1})
    desk(claude).work()
    until_ended(claude)
    fake.control(batch_rates={})
    with pytest.raises(StoreUnavailable):  # it settles the first, and begins a second
        replace(desk(claude), api=Watched(claude.batches.api, "api", die)).work()
    go_on(claude)
    outcomes = [row["outcome"].partition(":")[0] for row in calls(claude)]
    assert outcomes == ["api_error"] * 2 + ["never handed in"] * 2 + ["end_turn"] * 2
    assert_books_agree(claude, fake)


def test_a_batch_of_someone_else_is_not_taken_for_ours(
    make: Callable[[], Claude], fake: FakeClaude
) -> None:
    names = lines(make)
    claude = make()
    fake.control(batch_delay_s=None)
    others = [
        {"custom_id": f"theirs-{n}", "params": {
            "model": "claude-haiku-5-5", "max_tokens": 10,
            "messages": [{"role": "user", "content": "theirs"}],
        }} for n in range(len(TEXTS))
    ]  # fmt: skip
    killed(claude, names.index("before api.create"))
    fake.client().messages.batches.create(requests=others)
    desk(claude).work()
    assert {row["state"] for row in rows(claude)} == {"submitting"}  # it may be ours
    fake.control(batch_delay_s=0, finish_batches=True)
    until_ended(claude)
    go_on(claude)
    assert len(creations(fake)) == 2
    ours = [row for row in items(fake) if not row["custom_id"].startswith("theirs")]
    assert len(ours) == len(TEXTS)
    assert all(ask(claude, question(text)).known for text in TEXTS)

"""Lines of steps reach their store in batches; none is lost because the store is away."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from axiom.telemetry import log_lines
from axiom.telemetry.log_lines import Buffer, Line, Sink

AT = datetime(2026, 1, 31, tzinfo=UTC)


def line(text: str, attempt: int = 1) -> Line:
    return Line("run", "step", "", attempt, AT, "info", text, None, {})


class Store:
    """Keeps lines, unless it is away."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.away = False
        self.came = threading.Event()

    def keep(self, lines: Sequence[Line]) -> None:
        if self.away:
            raise OSError("away")
        self.kept += [each.text for each in lines]
        self.came.set()


@pytest.fixture
def store() -> Store:
    return Store()


def test_lines_are_handed_over_soon_without_being_asked_for(store: Store) -> None:
    buffer = Buffer(Sink(store.keep, lambda: None), every_s=0.01)
    buffer.add(line("one"))
    buffer.add(line("two"))
    assert store.came.wait(10)
    assert buffer.flush()
    assert store.kept == ["one", "two"]


def test_the_end_of_a_step_hands_over_long_before_the_time_is_up(store: Store) -> None:
    buffer = Buffer(Sink(store.keep, lambda: None), every_s=3600)
    buffer.add(line("one"))
    buffer.end(line("").key)
    assert store.came.wait(10)


def test_lines_wait_in_their_order_while_the_store_is_away(store: Store) -> None:
    buffer = Buffer(Sink(store.keep, lambda: None), every_s=3600)
    store.away = True
    buffer.add(line("one"))
    assert not buffer.flush()
    buffer.add(line("two"))
    store.away = False
    assert buffer.flush()
    assert store.kept == ["one", "two"]


def test_only_so_many_wait_and_the_oldest_go_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_lines, "MOST_WAITING", 3)
    buffer = Buffer(Sink(store.keep, lambda: None), every_s=3600)
    for n in range(5):
        buffer.add(line(str(n), attempt=n))
    buffer.flush()
    assert store.kept == ["2", "3", "4"]


def test_an_attempt_keeps_so_many_lines_and_says_how_many_more_there_were(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_lines, "MOST_LINES", 2)
    buffer = Buffer(Sink(store.keep, lambda: None), every_s=3600)
    for n in range(5):
        buffer.add(line(str(n)))
    buffer.add(line("of another attempt", attempt=2))
    buffer.end(line("").key)
    buffer.flush()
    assert store.kept == ["0", "1", "of another attempt", "… 3 more lines"]


def test_a_forked_child_has_none_of_its_parents_lines(store: Store) -> None:
    buffer = Buffer(Sink(store.keep, lambda: None), every_s=3600)
    buffer.add(line("the parent's"))
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        buffer.add(line("the child's"))
        buffer.flush()
        os.write(write, "|".join(store.kept).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1000).decode() == "the child's"
    buffer.flush()
    assert store.kept == ["the parent's"]

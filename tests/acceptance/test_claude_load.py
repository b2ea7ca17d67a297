"""The gateway under load, in short: real workers, the imitation's limits, faults and books."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.claude_load import Figure, budget, crashes, limits, outage
from benchmarks.harness.load import Load, loading

pytestmark = [pytest.mark.timeout(120), pytest.mark.alone]


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    with loading() as started:
        yield started


def broken(figures: list[Figure]) -> list[str]:
    return [f"{each.name}: {each.value}, not {each.bound}" for each in figures if not each.holds]


def test_a_crowd_uses_the_limits_up_overruns_none_and_waits_fairly(load: Load) -> None:
    # a machine that stops for a moment makes one task wait; twice in a row is no accident
    wrong = broken(limits(load, short=True)) and broken(limits(load, short=True))
    assert wrong == []


def test_what_a_budget_cannot_pay_waits_until_it_is_raised(load: Load) -> None:
    assert broken(budget(load, short=True)) == []


def test_books_agree_whoever_dies_and_no_answer_is_paid_twice(load: Load) -> None:
    assert broken(crashes(load, short=True)) == []


def test_workers_fall_silent_in_an_outage_and_lose_nothing(load: Load) -> None:
    assert broken(outage(load, short=True)) == []

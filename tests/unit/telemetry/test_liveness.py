"""A worker is silent when its canary stays away, unless there is a good reason for it."""

from __future__ import annotations

import pytest
import redis

from axiom.telemetry.liveness import (
    BEAT_TOO_OLD_S,
    EVERY_S,
    TOO_OLD_S,
    BeatLife,
    WorkerLife,
    is_down,
)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def life(clock: Clock) -> WorkerLife:
    made = WorkerLife(clock)
    made.connected = True
    return made


def test_a_worker_lives_while_its_canary_comes(life: WorkerLife, clock: Clock) -> None:
    for _ in range(20):
        clock.now_s += EVERY_S
        life.heard()
        assert life.ailment is None


def test_without_its_canary_it_lives_no_longer(life: WorkerLife, clock: Clock) -> None:
    clock.now_s += TOO_OLD_S + 1
    assert "26 s" in (life.ailment or "")


def test_a_full_pool_lives_for_hours_while_its_loop_turns_and_the_broker_answers(
    life: WorkerLife, clock: Clock
) -> None:
    for _ in range(3600):
        clock.now_s += 3
        life.sent()
        life.turned(full=True)
        assert life.ailment is None


def test_a_full_pool_whose_loop_hangs_does_not_live(life: WorkerLife, clock: Clock) -> None:
    for _ in range(10):
        clock.now_s += 3
        life.sent()
    assert life.ailment


def test_a_full_pool_whose_broker_hangs_does_not_live_for_45_seconds(
    life: WorkerLife, clock: Clock
) -> None:
    life.sent()
    for _ in range(15):
        clock.now_s += 3
        life.turned(full=True)
    assert life.ailment


def test_a_loop_that_turns_with_free_slots_is_not_enough(life: WorkerLife, clock: Clock) -> None:
    for _ in range(10):
        clock.now_s += 3
        life.sent()
        life.turned(full=False)
    assert life.ailment


def test_a_broker_thatis_down_is_no_ailment_and_after_it_there_is_time_to_connect(
    life: WorkerLife, clock: Clock
) -> None:
    life.connected = False
    for _ in range(100):
        clock.now_s += EVERY_S
        life.refused()
        assert life.ailment is None
    clock.now_s += 34 + TOO_OLD_S
    assert life.ailment is None
    clock.now_s += 2
    assert life.ailment


def _wrapped(error: Exception) -> Exception:
    outer = RuntimeError("kombu's")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "down"),
    [
        (redis.ConnectionError("refused"), True),
        (ConnectionRefusedError(), True),
        (redis.BusyLoadingError(), True),
        (redis.TimeoutError(), False),
        (redis.AuthenticationError(), False),
        (ValueError(), False),
    ],
)
def test_a_brokeris_down_when_it_refuses_and_not_when_it_hangs(
    error: Exception, down: bool
) -> None:
    assert is_down(error) == is_down(_wrapped(error)) == down


def test_beat_lives_while_it_looks_at_its_schedule_or_waits_for_its_turn(clock: Clock) -> None:
    ticks = BeatLife(clock)
    clock.now_s += 3600
    assert ticks.ailment is None  # another beat leads
    assert ticks.counting(lambda: 5.0)() == 5.0
    clock.now_s += BEAT_TOO_OLD_S
    assert ticks.ailment is None
    clock.now_s += 1
    assert "schedule" in (ticks.ailment or "")

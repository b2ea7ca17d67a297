"""The brake before guessing."""

from __future__ import annotations

import pytest

from axiom.console.access import Brake, TooMany


def test_what_goes_wrong_too_often_is_refused_until_the_window_is_over() -> None:
    now_s = 0.0
    brake = Brake(limit=3, window_s=60, clock=lambda: now_s)
    for at_s in (0.0, 10.0, 20.0):
        now_s = at_s
        brake.check("here")
        brake.count("here")
    with pytest.raises(TooMany) as refused:
        brake.check("here")
    assert refused.value.retry_in_s == 40
    brake.check("elsewhere")
    now_s = 60.5
    brake.check("here")


def test_keys_that_are_over_do_not_pile_up() -> None:
    now_s = 0.0
    brake = Brake(limit=3, window_s=60, clock=lambda: now_s)
    for n in range(100):
        now_s = float(n * 10)
        brake.count(f"address {n}")
    assert len(brake._wrong) <= 7

"""How long to wait before another attempt."""

from itertools import starmap

from axiom.engines.execute import BACKOFF_MAX_S, backoff_s, describe
from axiom.errors import ProviderUnavailable, RateLimited


def longest(low: float, high: float) -> float:
    return high


def test_waits_double_up_to_a_ceiling() -> None:
    waits = [backoff_s(n, ProviderUnavailable("down"), longest) for n in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_waits_are_jittered_between_almost_nothing_and_the_bound() -> None:
    asked: list[tuple[float, float]] = []
    backoff_s(3, ProviderUnavailable("down"), lambda *bounds: asked.append(bounds) or 0.0)
    assert list(starmap(lambda low, high: (low, high), asked)) == [(0.1, 4.0)]


def test_what_the_server_asked_for_is_obeyed_up_to_the_ceiling() -> None:
    assert backoff_s(1, RateLimited("slow down", retry_after_s=7.5)) == 7.5
    assert backoff_s(1, RateLimited("slow down", retry_after_s=3600)) == BACKOFF_MAX_S


def test_an_error_is_told_in_one_line() -> None:
    assert describe(ProviderUnavailable("Yahoo is down\nmore")) == "Yahoo is down"
    assert describe(KeyError("x")) == "KeyError: 'x'"

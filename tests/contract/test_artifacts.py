"""What steps hand on: in memory, on the embedded Redis and on a real one."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import redis

from axiom.errors import ArtifactMissing, StoreUnavailable
from axiom.flow import Artifacts
from axiom.model import Json
from axiom.stores.artifacts import TTL_S, MemoryArtifacts, RedisArtifacts
from tests.fakes.threads import at_once

pytestmark = pytest.mark.contract
Make = Callable[[str], Artifacts]
each_kind = pytest.mark.parametrize(
    "make", [RedisArtifacts, lambda url: MemoryArtifacts()], ids=["redis", "memory"]
)


@each_kind
@pytest.mark.parametrize(
    "value",
    [None, 0, "", "Zoë 株 🍏\0", [], {"a": [1, 2.5, None, True]}, "x" * 1_000_000, "half \ud83c"],
    ids=["none", "zero", "blank", "unicode", "empty", "nested", "long", "surrogate"],
)
def test_a_value_comes_back_as_it_was(make: Make, redis_url: str, value: Json) -> None:
    kept = make(redis_url)
    assert kept.get(kept.put("run-1", "quotes", value)) == value


@each_kind
def test_a_number_that_is_not_finite_comes_back(make: Make, redis_url: str) -> None:
    kept = make(redis_url)
    [nan, infinite] = kept.get(kept.put("run-1", "returns", [math.nan, -math.inf]))
    assert math.isnan(nan)
    assert infinite == -math.inf


@each_kind
def test_what_comes_out_is_json_and_not_what_went_in(make: Make, redis_url: str) -> None:
    kept, value = make(redis_url), {"rows": (1, 2)}
    assert kept.get(kept.put("run-1", "rows", value)) == {"rows": [1, 2]}
    with pytest.raises(TypeError):
        kept.put("run-1", "rows", object())


@each_kind
def test_arrays_come_back_to_the_last_bit(make: Make, redis_url: str) -> None:
    kept = make(redis_url)
    arrays = {
        "r": np.array([0.1, math.nan, -math.inf, 5e-324]), "tickers": np.array(["A", "BRK.B"]),
        "n": np.arange(6, dtype=np.int32).reshape(2, 3), "none": np.empty((0, 4)),
    }  # fmt: skip
    found = kept.get_arrays(kept.put_arrays("run-1", "table", arrays))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


@each_kind
def test_arrays_hold_numbers_and_text_and_nothing_that_could_run(
    make: Make, redis_url: str
) -> None:
    kept = make(redis_url)
    with pytest.raises(ValueError, match="allow_pickle"):
        kept.put_arrays("run-1", "table", {"x": np.array([object()])})
    with pytest.raises(ArtifactMissing):
        kept.get_arrays("axiom:artifact:run-1:table")


@each_kind
def test_one_put_twice_is_replaced_under_the_same_reference(make: Make, redis_url: str) -> None:
    kept = make(redis_url)
    assert kept.put("run-1", "quotes", 1) == (ref := kept.put("run-1", "quotes", 2))
    assert kept.get(ref) == 2


@each_kind
def test_runs_and_names_do_not_mix(make: Make, redis_url: str) -> None:
    kept = make(redis_url)
    asked = [(run, name) for run in ("run-1", "run-2") for name in ("quotes", "profile-Zoë")]
    refs = [kept.put(*each, list(each)) for each in asked]
    assert [kept.get(ref) for ref in refs] == [list(each) for each in asked]


@each_kind
def test_what_was_never_kept_is_missing_and_named(make: Make, redis_url: str) -> None:
    with pytest.raises(ArtifactMissing, match="run-1:quotes"):
        make(redis_url).get("axiom:artifact:run-1:quotes")


def test_what_redis_lost_is_missing_and_says_what_to_do(redis_url: str) -> None:
    kept = RedisArtifacts(redis_url)
    ref = kept.put("run-1", "quotes", 1)
    with redis.Redis.from_url(redis_url) as client:
        assert TTL_S - 60 < client.ttl(ref) <= TTL_S
        client.delete(ref)
    with pytest.raises(ArtifactMissing, match="trigger the run again"):
        kept.get(ref)


def test_two_who_put_the_same_at_once_leave_one_whole_value(redis_url: str) -> None:
    def put(n: int) -> str:
        return RedisArtifacts(redis_url).put("run-1", "quotes", [n] * 100_000)

    [ref, same] = at_once(lambda: put(1), lambda: put(2))
    assert ref == same
    assert RedisArtifacts(redis_url).get(ref) in ([1] * 100_000, [2] * 100_000)


def test_a_server_that_is_away_is_told_without_the_password() -> None:
    away = RedisArtifacts("redis://:sec-ret@127.0.0.1:1/0")
    for ask in (lambda: away.put("run-1", "quotes", 1), lambda: away.get("x")):
        with pytest.raises(StoreUnavailable, match=r"Redis: .*connect") as told:
            ask()
        assert "sec-ret" not in str(told.value)

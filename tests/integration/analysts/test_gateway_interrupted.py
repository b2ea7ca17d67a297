"""A step that is ended on its way to Claude leaves nothing held, and nothing unread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from redis.connection import AbstractConnection

from axiom.analysts import sdk
from axiom.analysts.batch_api import BatchApi, NotCreated
from axiom.config import Settings
from axiom.errors import BreakerOpen, StoreUnavailable
from axiom.resilience.breaker import Outcome
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude
from tests.fakes.time_limit import ended_after
from tests.fakes.told_service import saying, told_service
from tests.integration.analysts.conftest import question
from tests.integration.analysts.test_gateway import calls

Make = Callable[..., Settings]
MODEL = question().model


def held(claude: Claude) -> dict[str, Any]:
    """What the limits think is under way, and the pool."""
    redis, rate = claude._redis, f"axiom:limits:{{rate:{MODEL}}}"
    return {
        "granted": redis.hlen(f"{rate}:granted"), "queue": redis.zcard(f"{rate}:queue"),
        "in flight": redis.zcard("axiom:limits:{bulkhead:claude}"),
        "probe": redis.hget("axiom:limits:{breaker:claude}:state", "probe") or "",
        "reserved": [call.call_id for call in claude.budget.open_calls()],
        "connections": len(redis.connection_pool._in_use_connections),
        "rows": [row["id"] for row in calls(claude) if row["state"] == "open"],
    }  # fmt: skip


NOTHING = {
    "granted": 0, "queue": 0, "in flight": 0, "probe": "", "reserved": [], "connections": 0,
    "rows": [],
}  # fmt: skip


def half_open(claude: Claude) -> None:
    for n in range(20):
        claude.breaker.record(f"x{n}", Outcome.SERVICE_FAILURE)
    claude._redis.hset("axiom:limits:{breaker:claude}:state", "until", 0)


def end_once(monkeypatch: pytest.MonkeyPatch, name: str, *, afterwards: bool = False) -> None:
    """End the step where Redis is spoken to, as a signal would."""
    real, ended = getattr(AbstractConnection, name), []

    def interrupted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if ended:
            return real(self, *args, **kwargs)
        ended.append(True)
        if afterwards:
            real(self, *args, **kwargs)
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(AbstractConnection, name, interrupted)


@pytest.fixture
def warm(settings: Make) -> Callable[..., Claude]:
    def make(**changed: Any) -> Claude:
        claude = Claude(settings(**changed))
        claude.gateway(question("what has all be imported"))
        return claude

    return make


@pytest.mark.parametrize("is_half_open", [False, True])
@pytest.mark.parametrize("where", ["request is made", "answer is read"])
def test_before_the_request_leaves_all_is_given_back(
    warm: Callable[..., Claude], fake: FakeClaude, monkeypatch: pytest.MonkeyPatch,
    where: str, is_half_open: bool,
) -> None:  # fmt: skip
    claude = warm()
    if is_half_open:
        half_open(claude)
    if where == "request is made":
        monkeypatch.setattr(sdk, "make_request", lambda asked: 1 / 0)
    else:
        end_once(monkeypatch, "read_response")
    with pytest.raises((ZeroDivisionError, SoftTimeLimitExceeded)):
        claude.gateway(question())
    assert held(claude) == NOTHING
    monkeypatch.undo()
    assert claude.gateway(question()).text
    assert len(fake.books()) == 2


def test_while_it_waits_for_a_place_all_is_given_back(
    warm: Callable[..., Claude], fake: FakeClaude
) -> None:
    claude = warm(claude_in_flight=1)
    claude.guard(MODEL).bulkhead.enter("somebody", 60)
    with pytest.raises(SoftTimeLimitExceeded), ended_after(0.3, SoftTimeLimitExceeded):
        claude.gateway(question())
    claude.guard(MODEL).bulkhead.leave("somebody")
    assert held(claude) == NOTHING


@pytest.mark.parametrize("name", ["send_packed_command", "read_response"])
def test_an_answer_that_nobody_read_is_not_taken_for_the_next_ones(
    warm: Callable[..., Claude], fake: FakeClaude, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    claude = warm()
    end_once(monkeypatch, name, afterwards=name == "send_packed_command")
    with pytest.raises(SoftTimeLimitExceeded):
        claude.gateway(question())
    other = Claude(claude._settings)
    for n in range(20):
        other.breaker.record(f"x{n}", Outcome.SERVICE_FAILURE)
    for n in range(3):
        with pytest.raises(BreakerOpen):
            claude.gateway(question(f"the {n}th"))
    assert held(claude)["connections"] == 0
    assert len(fake.books()) == 1


def test_a_call_that_cannot_be_booked_again_costs_nothing(
    warm: Callable[..., Claude], fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude = warm(claude_in_flight=1)
    claude.guard(MODEL).bulkhead.enter("somebody", 0.2)  # so that the row is struck out meanwhile

    def begin(self: Any, call: Any) -> None:
        raise StoreUnavailable("Postgres")

    monkeypatch.setattr(type(claude.book), "begin", begin)
    with pytest.raises(StoreUnavailable, match="Postgres"):
        claude.gateway(question())
    assert held(claude) == NOTHING
    assert len(fake.books()) == 1


def test_no_question_leaves_but_by_the_gateway(
    warm: Callable[..., Claude], fake: FakeClaude
) -> None:
    claude = warm()
    with pytest.raises(anthropic.APIConnectionError) as error:
        claude._client.sdk.messages.create(**sdk.make_request(question()))
    assert "leaves by the gateway" in str(error.value.__cause__)
    assert len(fake.books()) == 1


def test_no_batch_follows_a_redirect() -> None:
    with (
        told_service(saying(200)) as other,
        told_service(saying(307, b"", location=f"{other.url}/v1/messages/batches")) as service,
    ):
        client = sdk.Client("sk-ant-x", service.url, timeout_s=5, connect_s=5, body_s=5)
        request = {"custom_id": "a", "params": sdk.make_request(question())}
        assert isinstance(BatchApi(lambda: client.sdk).create([request]), NotCreated)
        assert (service.asked, other.asked) == (1, 0)

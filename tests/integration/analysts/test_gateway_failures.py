"""The gateway when the service, or a person, does what it should not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from axiom.analysts.prices import compute_usd, compute_worst_usd
from axiom.cli import costs
from axiom.config import Settings, load_settings
from axiom.errors import AxiomError, BreakerOpen, BudgetSpent, ConfigError, Refused, ServiceDown
from axiom.paid import Usage
from axiom.resilience.rate_limit import Costs, Wait
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude
from tests.fakes.time_limit import ended_after
from tests.fakes.told_service import MESSAGE, Reply, ToldService, refusing, saying, told_service
from tests.integration.analysts.conftest import question
from tests.integration.analysts.test_gateway import calls

Make = Callable[..., Settings]
MODEL = question().model


@pytest.fixture
def told(settings: Make) -> Iterator[Callable[..., tuple[Claude, ToldService]]]:
    """A gateway to a service that says what it is told."""
    with ExitStack() as stack:

        def make(reply: Reply, **changed: Any) -> tuple[Claude, ToldService]:
            service = stack.enter_context(told_service(reply))
            return Claude(settings(ANTHROPIC_BASE_URL=service.url, **changed)), service

        yield make


# --- what the service says ---


@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>", b"{broken", b"{}", b"null",
        MESSAGE | {"content": None}, MESSAGE | {"usage": None}, MESSAGE | {"model": 7},
        MESSAGE | {"usage": {"input_tokens": None, "output_tokens": 1}},
        MESSAGE | {"usage": {"input_tokens": -5, "output_tokens": 1}},
        MESSAGE | {"usage": {"input_tokens": 1, "output_tokens": 3_000_000_000}},
        MESSAGE | {"usage": {"input_tokens": 1, "output_tokens": "1"}},
        MESSAGE | {"content": [{"type": "text", "text": None}]},
    ],
)  # fmt: skip
def test_an_answer_that_is_no_message_counts_as_paid_and_is_put_off(told: Any, body: Any) -> None:
    claude, service = told(saying(200, body))
    with pytest.raises(ServiceDown, match="cannot be read"):
        claude.gateway(question())
    [row] = calls(claude)
    assert (row["state"], row["usd"]) == ("lost", row["worst_usd"])
    assert claude.breaker.status().failures == service.asked == 1
    spending = claude.budget.spent("day:*")
    assert spending.reserved_usd == 0
    assert spending.settled_usd == pytest.approx(float(row["worst_usd"]), abs=1e-6)


def test_a_question_whose_answers_cannot_be_read_is_not_paid_for_again_and_again(
    told: Any,
) -> None:
    claude, service = told(saying(200, MESSAGE | {"content": None}))
    for _ in range(3):
        with pytest.raises(ServiceDown, match="cannot be read"):
            claude.gateway(question())
    with pytest.raises(AxiomError, match="asked again tomorrow"):
        claude.gateway(question())
    assert service.asked == 3
    assert {row["outcome"] for row in calls(claude)} == {"unreadable: content: list_type"}


def test_a_service_that_talks_nonsense_opens_the_breaker(told: Any) -> None:
    claude, service = told(saying(200, b"<html>maintenance</html>"))
    for n in range(5):
        with pytest.raises(ServiceDown):
            claude.gateway(question(f"the {n}th"))
    with pytest.raises(BreakerOpen):
        claude.gateway(question())
    assert service.asked == 5


@pytest.mark.parametrize("status", [429, 503, 529])
def test_who_is_told_when_to_come_back_tells_everyone(told: Any, status: int) -> None:
    claude, _ = told(refusing(status, retry_after="30"))
    with pytest.raises(ServiceDown) as error:
        claude.gateway(question())
    assert error.value.retry_in_s == 30
    turn = claude.guard(MODEL).rate.acquire("another", Costs(1, 1))
    assert isinstance(turn, Wait)
    assert 20 < turn.seconds <= 60


@pytest.mark.parametrize("told_s", ["inf", "nan", "-5", "1e9", "soon"])
def test_an_absurd_retry_after_stops_nobody_for_long(told: Any, told_s: str) -> None:
    claude, _ = told(refusing(429, retry_after=told_s))
    with pytest.raises(AxiomError):
        claude.gateway(question())
    state = claude._redis.hgetall(f"axiom:limits:{{rate:{MODEL}}}:state")
    assert float(state["paused_until"]) < time.time() + 700


@pytest.mark.parametrize(
    ("status", "state", "failures"),
    [(408, "failed", True), (429, "failed", False), (502, "lost", True), (504, "lost", True)],
)
def test_what_may_pass_is_put_off_and_what_may_be_paid_is_booked(
    told: Any, status: int, state: str, failures: bool
) -> None:
    claude, service = told(refusing(status, retry_after="30"))
    with pytest.raises(ServiceDown):
        claude.gateway(question())
    assert [row["state"] for row in calls(claude)] == [state]
    assert bool(claude.breaker.status().failures) is failures
    assert service.asked == 1


def test_the_key_is_taken_nowhere_else(told: Any) -> None:
    _, other = told(saying(200))
    claude, service = told(saying(307, b"", location=f"{other.url}/v1/messages"))
    with pytest.raises(AxiomError, match="status 307"):
        claude.gateway(question())
    assert (service.asked, other.asked) == (1, 0)
    assert [row["state"] for row in calls(claude)] == ["failed"]


def test_a_key_without_credit_fails_no_step(told: Any) -> None:
    claude, _ = told(refusing(400, "invalid_request_error", "Your credit balance is too low"))
    with pytest.raises(ServiceDown, match="credit"):
        claude.gateway(question())


def test_an_answer_that_trickles_ends_in_time(told: Any) -> None:
    body, ended = json.dumps(MESSAGE).encode(), threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        try:
            for n in range(len(body)):
                handler.wfile.write(body[n : n + 1])
                time.sleep(0.1)
        finally:
            ended.set()

    claude, _ = told(drip, claude_timeout_s=0.4)
    with pytest.raises(ServiceDown):
        claude.gateway(question())
    assert {row["outcome"] for row in calls(claude)} == {"APITimeoutError"}
    assert ended.wait(5)  # long before the whole of it would have come


def test_a_step_that_is_ended_while_claude_answers_asks_no_second_time(
    claude: Claude, fake: FakeClaude
) -> None:
    claude.gateway(question("what has all be imported"))
    fake.control(latency_s=0.5)
    with pytest.raises(SoftTimeLimitExceeded), ended_after(0.2, SoftTimeLimitExceeded):
        claude.gateway(question())
    row = calls(claude)[-1]
    assert (row["state"], row["outcome"]) == ("lost", "SoftTimeLimitExceeded")
    assert row["usd"] == row["worst_usd"]
    assert claude.breaker.status().failures == 0


# --- the limits ---


def test_the_headers_of_an_answer_correct_the_rate_limit(told: Any) -> None:
    said = {
        "anthropic-ratelimit-requests-limit": "7",
        "anthropic-ratelimit-requests-remaining": "0",
    }
    claude, _ = told(saying(200, **said))
    claude.gateway(question())
    state = claude._redis.hgetall(f"axiom:limits:{{rate:{MODEL}}}:state")
    assert float(state["requests:adopted"]) == 7
    assert float(state["requests:level"]) < 1


def test_what_a_call_cost_replaces_what_it_took_from_the_limit(told: Any) -> None:
    claude, _ = told(saying(200), claude_output_tokens_per_minute=60_000)
    claude.gateway(question())
    state = claude._redis.hgetall(f"axiom:limits:{{rate:{MODEL}}}:state")
    assert float(state["output:ratio"]) == 100 / question().max_tokens
    assert claude._redis.hlen(f"axiom:limits:{{rate:{MODEL}}}:granted") == 0


def test_every_call_takes_a_place_in_flight_and_leaves_it(
    settings: Make, fake: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude = Claude(settings(claude_in_flight=1))
    assert claude.gateway(question("first")).text
    assert claude.gateway(question("second")).text
    guard = claude.guard(MODEL)
    guard.bulkhead.enter("somebody", 60)
    object.__setattr__(guard, "sleep", lambda s: None)
    with pytest.raises(Refused, match="in flight"):
        claude.gateway(question("third"))
    assert len(fake.books()) == len(calls(claude)) == 2


@pytest.mark.parametrize("scope", ["day", "pipeline", "run"])
def test_each_scope_has_a_limit_of_its_own(settings: Make, fake: FakeClaude, scope: str) -> None:
    claude = Claude(settings(**{f"claude_{scope}_usd": Decimal(0)}))
    with pytest.raises(BudgetSpent, match=f"budget of {scope}"):
        claude.gateway(question())
    assert fake.books() == []


def test_the_worst_case_pays_whatever_becomes_of_a_prompt() -> None:
    worst = compute_worst_usd(MODEL, 1000, 10)
    for kind in ("input_tokens", "cache_write_5m", "cache_write_1h", "cache_read"):
        usage = Usage(output_tokens=10, **{kind: 1000})
        assert compute_usd(MODEL, usage) < compute_usd(MODEL, usage, geo="us") <= worst
        assert compute_usd(MODEL, usage, geo="who knows") == compute_usd(MODEL, usage, geo="us")


def test_who_cannot_pay_does_not_stand_in_the_way_of_who_can(
    settings: Make, fake: FakeClaude
) -> None:
    claude = Claude(settings(claude_output_tokens_per_minute=6000, claude_run_usd=Decimal(0)))
    for n in range(8):
        with pytest.raises(BudgetSpent):
            claude.gateway(question(str(n)))
    rate = claude.guard(MODEL).rate
    assert rate.waiting().tickets == 0
    rate.acquire("takes all", Costs(1, 1000))
    for n in range(8):
        with pytest.raises(BudgetSpent):
            claude.gateway(question(str(n)))
    assert rate.waiting().tickets == 0


def test_whoever_decides_the_answer_is_in_the_name_of_the_question() -> None:
    asked = question()
    others = [
        question(schema=dict(asked.schema) | {"description": "x"}), question(effort="low"),
        question(system="x"), question(prompt="test-2"), question(max_tokens=201),
        question(model="claude-sonnet-5-5"), question("x"), question(earlier=("a", "b")),
    ]  # fmt: skip
    assert len({each.hash for each in [asked, *others]}) == 9
    assert question(ttl="1h", subjects=("MSFT",)).hash == asked.hash


# --- what a person sets ---


def test_a_key_with_a_line_end_is_a_key_and_one_that_cannot_be_sent_stops_the_start(
    settings: Make, fake: FakeClaude
) -> None:
    claude = Claude(settings(ANTHROPIC_API_KEY=f" {fake.key}\n"))
    assert claude.gateway(question()).text
    with pytest.raises(ConfigError, match=r"ANTHROPIC_API_KEY: .* copy it again$"):
        load_settings(ANTHROPIC_API_KEY="sk-first\nsk-second")


def test_a_model_without_a_price_stops_the_start(settings: Make) -> None:
    with pytest.raises(ConfigError, match=r"AXIOM_CLAUDE_SMALL: claude-next has no price"):
        settings(analyst="claude", claude_small="claude-next")


@pytest.mark.parametrize(
    "text", ["1e30", "1e7", "1_000", "\u0663", "NaN", "", "-1", "0x10", " 5 ", "5\n", "1000000"]
)
def test_an_odd_amount_changes_no_budget(
    claude: Claude, fake: FakeClaude, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_claude", lambda: claude)
    with pytest.raises(ConfigError, match="--run"):
        costs.budget({"day": "1000", "run": text}, reset=False, as_json=True)
    with pytest.raises(ConfigError, match="--reset"):
        costs.budget({"day": "3"}, reset=True, as_json=True)
    assert claude.book.limits() == {}

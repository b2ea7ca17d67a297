"""The one way to Claude: nothing is asked but through here.

In this order: the answer store (was this very question answered?), the budget, retry, and
for each attempt the breaker, the global rate limit, the bulkhead, and the call. A call is
booked at its worst before it is made and at its cost together with its answer, so that a
process may die on any line: nothing is paid twice that was answered, and the books never
say less than what was spent.

Waiting that is long is not done here: `Refused` is raised, and the step's message comes back
later. It keeps its turn, because a ticket is named by its question and attempt. What each
part does when Redis or Postgres is away is the same: `StoreUnavailable`, and no call.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

import structlog

from axiom.analysts.prices import compute_usd, compute_worst_usd
from axiom.analysts.question import Answer, Question
from axiom.errors import AxiomError, BudgetSpent, ConfigError, ServiceDown
from axiom.flow import CURRENT
from axiom.model import Json
from axiom.paid import Call, Standing, Usage
from axiom.resilience import retry
from axiom.resilience.breaker import Outcome
from axiom.resilience.budget import Budget, Spent
from axiom.resilience.guard import Attempt, Guard
from axiom.resilience.rate_limit import Costs

log = structlog.get_logger(__name__)
BYTES_PER_TOKEN = 4  # an estimate; the limiter learns how far it is off
REQUEST_BYTES = 400  # what frames a question, at most
SERVICE_RETRY_S = 10.0
IMITATION_ID = "msg_fake_"
# a thread is held for seconds; what takes longer comes back as a message
RETRY = retry.Policy(attempts=3, base_s=0.5, ceiling_s=5.0, total_s=15.0)
_rng = random.Random()


class Book(Protocol):
    """Keeps calls and answers; see `axiom/stores/calls.py`."""

    def asking(self, question_hash: str) -> AbstractContextManager[Standing]: ...  # noqa: D102
    def begin(self, call: Call) -> None: ...  # noqa: D102
    def finish(  # noqa: D102
        self, call: Call, usage: Usage, usd: Decimal, *,
        text: str, stop_reason: str, model: str, request_id: str | None,
    ) -> None: ...  # fmt: skip
    def fail(self, call: Call, outcome: str, request_id: str | None = None) -> None: ...  # noqa: D102
    def lose(self, call: Call, outcome: str) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Limits:
    """Dollars that may be spent: in a UTC day, by a pipeline in a day, by a run."""

    day_usd: Decimal
    pipeline_usd: Decimal
    run_usd: Decimal


@dataclass(frozen=True)
class Gateway:
    """Puts questions to Claude. `client` makes the SDK's client, `guard` the limits of a model.

    `imitation` says that what answers is not Anthropic's: answers are kept apart and every
    model's name is marked.
    """

    book: Book
    budget: Budget
    guard: Callable[[str], Guard]
    client: Callable[[], Any]
    limits: Limits
    imitation: bool = False
    budget_retry_s: float = 60.0  # until a question that could not be paid is put again
    policy: retry.Policy = RETRY
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, question: Question) -> Answer:
        """Return the answer, from the store or from Claude.

        Raises:
            BudgetSpent: the worst case of this question cannot be paid now.
            BreakerOpen, ServiceDown: the service is down.
            Refused: its turn has not come.
            StoreUnavailable: Redis or Postgres is away.
            AxiomError: Claude says that the question is wrong; asking again would not help.
        """
        name = self.name_of(question)
        with self.book.asking(name) as standing:
            if standing.answer:
                return self._known(name, standing.answer)
            return self._ask(name, question, standing)

    def name_of(self, question: Question) -> str:
        """Return what a question's calls and answer are kept under."""
        return f"imitation-{question.hash}" if self.imitation else question.hash

    def model_name(self, model: str) -> str:
        """Return what results are to call the model that answered."""
        return f"imitation of {model}" if self.imitation else model

    def _known(self, name: str, found: Mapping[str, Any]) -> Answer:
        model = self.model_name(found["model"])
        return Answer(found["text"], found["stop_reason"], model, name, known=True)

    def _ask(self, name: str, question: Question, standing: Standing) -> Answer:
        asked = _Asked(self, name, question, standing)
        asked.reserve()
        retrying = retry.retrying(
            self.policy, worth_it=_worth_it, retry_after_s=_retry_after_s,
            clock=time.monotonic, sleep=self.sleep, rng=_rng,
        )  # fmt: skip
        try:
            return retrying(asked.attempt)
        except Exception as error:
            asked.release()
            raise _translated(error) from error


class _Asked:
    """One question on its way: its reservation and its attempts."""

    def __init__(self, gateway: Gateway, name: str, question: Question, standing: Standing) -> None:
        self._gateway, self._name, self._question = gateway, name, question
        self._attempts, self._set_by_hand = standing.attempts, standing.limits
        self._call = self._next_call()
        self._is_reserved = self._may_be_paid = False

    def _next_call(self) -> Call:
        here, question = CURRENT.get(), self._question
        self._attempts += 1
        return Call(
            # who comes after a crash before the call finds the same reservation and turn
            id=f"{self._name}-{self._attempts}",
            attempt=self._attempts,
            question_hash=self._name,
            pipeline=here.pipeline if here else "none",
            run_id=here.run_id if here else "none",
            step=here.step if here else "none",
            subjects=question.subjects or ("none",),
            prompt=question.prompt,
            model=question.model,
            worst_usd=compute_worst_usd(question.model, self._request_bytes, question.max_tokens),
            imitation=self._gateway.imitation,
        )

    # --- budget ---

    def reserve(self) -> None:
        if self._is_reserved:
            return
        limits = self._scopes()
        reserved = self._gateway.budget.reserve(self._call.id, limits, self._call.worst_usd)
        if isinstance(reserved, Spent):
            raise BudgetSpent(
                f"the budget of {reserved.scope} ({reserved.limit_usd:.2f} USD) has "
                f"{max(reserved.limit_usd - reserved.spent_usd, 0):.4f} USD left; this question "
                f"may cost {self._call.worst_usd:.4f}; raise it: axiom budget --help",
                self._gateway.budget_retry_s,
            )
        self._is_reserved = True

    def _scopes(self) -> dict[str, Any]:
        gateway, call = self._gateway, self._call
        set_by_hand, today = self._set_by_hand, datetime.now(UTC).date()
        return {
            f"day:{today}": set_by_hand.get("day", gateway.limits.day_usd),
            f"pipeline:{call.pipeline}:{today}": set_by_hand.get(
                "pipeline", gateway.limits.pipeline_usd
            ),
            f"run:{call.run_id}": set_by_hand.get("run", gateway.limits.run_usd),
        }

    def release(self) -> None:
        # what may be paid stays reserved until the book says what became of it: the sweep asks
        if self._is_reserved and not self._may_be_paid:
            self._gateway.budget.release(self._call.id)
            self._is_reserved = False

    def _spend(self, usd: Decimal) -> None:
        self._gateway.budget.settle(self._call.id, usd)
        self._is_reserved = self._may_be_paid = False

    # --- attempts ---

    def attempt(self) -> Answer:
        if not self._is_reserved:  # the attempt before was lost, and paid
            self._call = self._next_call()
            self.reserve()
        question, call = self._question, self._call
        costs = Costs(self._request_bytes // BYTES_PER_TOKEN, question.max_tokens)
        with self._gateway.guard(question.model).attempt(call.id, costs) as attempt:
            self._may_be_paid = True
            self._gateway.book.begin(call)
            return self._called(attempt, costs)

    def _called(self, attempt: Attempt, costs: Costs) -> Answer:
        import anthropic

        try:
            raw = self._gateway.client().messages.with_raw_response.create(**self.request)
            message = raw.parse()
        except anthropic.APIStatusError as error:
            self._failed(attempt, error)
            raise
        except anthropic.APIConnectionError as error:
            self._unanswered(attempt, error, costs)
            raise
        except anthropic.AnthropicError as error:  # an answer that cannot be read was paid
            self._lost(attempt, f"unreadable: {type(error).__name__}", costs)
            raise
        return self._answered(attempt, message, dict(raw.headers))

    def _answered(self, attempt: Attempt, message: Any, headers: Mapping[str, str]) -> Answer:
        usage, call = read_usage(message.usage), self._call
        if message.id.startswith(IMITATION_ID) and not self._gateway.imitation:
            raise ConfigError(
                "ANTHROPIC_BASE_URL", "an imitation answers there; start it with --fake-claude"
            )
        text = "".join(block.text for block in message.content if block.type == "text")
        usd = compute_usd(call.model, usage)
        self._gateway.book.finish(
            call, usage, usd, text=text, stop_reason=message.stop_reason or "none",
            model=message.model, request_id=headers.get("request-id"),
        )  # fmt: skip
        attempt.outcome = Outcome.OK
        attempt.costs = Costs(
            usage.input_tokens + usage.cache_write_5m + usage.cache_write_1h, usage.output_tokens
        )
        attempt.headers = _limits_of(headers)
        self._spend(usd)
        model = self._gateway.model_name(message.model)
        return Answer(text, message.stop_reason or "none", model, self._name)

    def _failed(self, attempt: Attempt, error: Any) -> None:
        headers = dict(error.response.headers)
        self._gateway.book.fail(self._call, f"{error.status_code}", headers.get("request-id"))
        attempt.headers = _limits_of(headers)
        if error.status_code == 429:
            attempt.pause_s = _retry_after_s(error) or 1.0
        elif error.status_code >= 500:
            attempt.outcome = Outcome.SERVICE_FAILURE
        # it cost nothing, so the reservation is kept for the next attempt, under its name
        self._rename()

    def _rename(self) -> None:
        self._may_be_paid = False
        self.release()
        self._call = self._next_call()
        self.reserve()

    def _unanswered(self, attempt: Attempt, error: BaseException, costs: Costs) -> None:
        attempt.outcome = Outcome.SERVICE_FAILURE
        if _was_never_sent(error):
            self._gateway.book.fail(self._call, "not reached")
            self._rename()
        else:
            self._lost(attempt, type(error).__name__, costs)
            attempt.outcome = Outcome.SERVICE_FAILURE

    def _lost(self, attempt: Attempt, outcome: str, costs: Costs) -> None:
        self._gateway.book.lose(self._call, outcome)
        self._spend(self._call.worst_usd)
        attempt.costs = costs

    # --- the request ---

    @cached_property
    def request(self) -> dict[str, Any]:
        """What is sent: the SDK's arguments."""
        return make_request(self._question)

    @cached_property
    def _request_bytes(self) -> int:
        question = self._question
        texts = (question.system, question.material, *question.earlier, str(question.schema))
        return REQUEST_BYTES + sum(len(text.encode()) for text in texts)


def make_request(question: Question) -> dict[str, Any]:
    """Return the arguments of `messages.create`; the system prompt is marked for the cache."""
    roles = ("assistant", "user")
    earlier = [{"role": roles[n % 2], "content": text} for n, text in enumerate(question.earlier)]
    output: dict[str, Json] = {"format": {"type": "json_schema", "schema": dict(question.schema)}}
    if question.effort:
        output["effort"] = question.effort
    return {
        "model": question.model,
        "max_tokens": question.max_tokens,
        "system": [
            {"type": "text", "text": question.system, "cache_control": {"type": "ephemeral"}}
        ],
        "messages": [{"role": "user", "content": question.material}, *earlier],
        "output_config": output,
    }


def read_usage(usage: Any) -> Usage:
    """Return the tokens of an answer by kind, as the SDK tells them."""
    created = usage.cache_creation
    whole = usage.cache_creation_input_tokens or 0
    long = (created.ephemeral_1h_input_tokens or 0) if created else 0
    details = getattr(usage, "output_tokens_details", None)
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        thinking_tokens=(getattr(details, "thinking_tokens", 0) or 0) if details else 0,
        cache_write_5m=whole - long,
        cache_write_1h=long,
        cache_read=usage.cache_read_input_tokens or 0,
    )


def _limits_of(headers: Mapping[str, str]) -> dict[str, str]:
    return {k.lower(): v for k, v in headers.items() if k.lower().startswith("anthropic-ratelimit")}


def _was_never_sent(error: BaseException) -> bool:
    import httpx2

    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)


def _worth_it(error: BaseException) -> bool:
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        return error.status_code == 429 or error.status_code >= 500
    return isinstance(error, anthropic.APIConnectionError)


def _retry_after_s(error: BaseException) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None


def _translated(error: Exception) -> Exception:
    import anthropic

    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError):
        return ConfigError("ANTHROPIC_API_KEY", "Anthropic does not accept this key")
    if _worth_it(error):
        wait_s = _retry_after_s(error) or SERVICE_RETRY_S
        return ServiceDown(f"Claude does not answer ({_kind(error)})", wait_s)
    if isinstance(error, anthropic.AnthropicError):
        return AxiomError(f"Claude refused the request ({_kind(error)}): {str(error)[:300]}")
    return error


def _kind(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"status {status}" if status else type(error).__name__

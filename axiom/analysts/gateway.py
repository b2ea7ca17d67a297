"""The one way to Claude: nothing is asked but through here, or in a batch (`batches.py`).

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
from axiom.errors import AxiomError, BudgetSpent, ConfigError, InBatch, ServiceDown
from axiom.flow import CURRENT
from axiom.model import Json
from axiom.paid import Call, Standing, Usage
from axiom.resilience import retry
from axiom.resilience.breaker import Outcome
from axiom.resilience.budget import Budget, Reserved, Spent
from axiom.resilience.guard import Attempt, Guard
from axiom.resilience.rate_limit import Costs
from axiom.resilience.store import Step
from axiom.telemetry import traces

log = structlog.get_logger(__name__)
BYTES_PER_TOKEN = 4  # an estimate; the limiter learns how far it is off
REQUEST_BYTES = 400  # what frames a question, at most
BUDGET_RETRY_S = 60.0
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
            InBatch: it was handed in with a batch, and its answer is to come.
            Refused: its turn has not come.
            StoreUnavailable: Redis or Postgres is away.
            AxiomError: Claude says that the question is wrong; asking again would not help.
        """
        name = self.name_of(question)
        with self.book.asking(name) as standing:
            if standing.answer:
                return self.known(name, standing.answer)
            if standing.in_batch:  # it is paid already
                raise InBatch()
            return self._ask(name, question, standing)

    def name_of(self, question: Question) -> str:
        """Return what a question's calls and answer are kept under."""
        return f"imitation-{question.hash}" if self.imitation else question.hash

    def model_name(self, model: str) -> str:
        """Return what results are to call the model that answered."""
        return f"imitation of {model}" if self.imitation else model

    def known(self, name: str, found: Mapping[str, Any]) -> Answer:
        """Return an answer that was kept."""
        model = self.model_name(found["model"])
        return Answer(found["text"], found["stop_reason"], model, name, known=True)

    def _ask(self, name: str, question: Question, standing: Standing) -> Answer:
        asked = _Asked(self, name, question, standing)
        retrying = retry.retrying(
            self.policy, worth_it=_worth_it, retry_after_s=retry_after_s,
            clock=time.monotonic, sleep=self.sleep, rng=_rng,
        )  # fmt: skip
        try:
            return retrying(asked.attempt)
        except Exception as error:
            asked.release()
            raise translated(error) from error


class _Asked:
    """One question on its way: its reservation and its attempts."""

    def __init__(self, gateway: Gateway, name: str, question: Question, standing: Standing) -> None:
        self._gateway, self._name, self._question = gateway, name, question
        self._attempts, self._set_by_hand = standing.attempts, standing.limits
        self._call = self._next_call()
        self._is_reserved = self._may_be_paid = False

    def _next_call(self) -> Call:
        self._attempts += 1
        # who comes after a crash before the call finds the same reservation and turn
        return make_call(
            self._question, self._name, id=f"{self._name}-{self._attempts}",
            attempt=self._attempts, imitation=self._gateway.imitation,
        )  # fmt: skip

    # --- budget ---

    def _reserving(self) -> Step[Reserved | Spent]:
        gateway = self._gateway
        return reserving(gateway.budget, gateway.limits, self._set_by_hand, self._call)

    def _overspent(self, spent: Spent) -> BudgetSpent:
        self._is_reserved = False
        return overspent(spent, self._call, self._gateway.budget_retry_s)

    def release(self) -> None:
        """Give back what was put aside for a call that was not made.

        What may be paid stays reserved until the book says what became of it: the sweep asks.
        """
        if self._is_reserved and not self._may_be_paid:
            self._gateway.budget.release(self._call.id)
            self._is_reserved = False

    def _spend(self, attempt: Attempt, usd: Decimal) -> None:
        attempt.also.append(self._gateway.budget.settling(self._call.id, usd))
        self._is_reserved = self._may_be_paid = False

    # --- attempts ---

    def attempt(self) -> Answer:
        """Put the question once."""
        question, costs = self._question, self._costs
        reserve = None if self._is_reserved else self._reserving()
        self._is_reserved = True
        guard = self._gateway.guard(question.model)
        with guard.attempt(self._call.id, costs, reserve, self._overspent) as attempt:
            self._may_be_paid = True
            self._gateway.book.begin(self._call)
            return self._called(attempt, costs)

    def _called(self, attempt: Attempt, costs: Costs) -> Answer:
        import anthropic

        try:
            with traces.claude_call(self._call.model, self._question.max_tokens) as seen:
                raw = self._gateway.client().messages.with_raw_response.create(**self.request)
                message = raw.parse()
                seen(message)
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
        self._spend(attempt, usd)
        model = self._gateway.model_name(message.model)
        return Answer(text, message.stop_reason or "none", model, self._name)

    def _failed(self, attempt: Attempt, error: Any) -> None:
        headers = dict(error.response.headers)
        self._gateway.book.fail(self._call, f"{error.status_code}", headers.get("request-id"))
        attempt.headers = _limits_of(headers)
        if error.status_code == 429:
            attempt.pause_s = retry_after_s(error) or 1.0
        elif error.status_code >= 500:
            attempt.outcome = Outcome.SERVICE_FAILURE
        self._rename(attempt)

    def _rename(self, attempt: Attempt) -> None:
        # the next attempt has a row, a turn and a reservation of its own
        self._spend(attempt, Decimal(0))
        self._call = self._next_call()

    def _unanswered(self, attempt: Attempt, error: BaseException, costs: Costs) -> None:
        attempt.outcome = Outcome.SERVICE_FAILURE
        if was_never_sent(error):
            self._gateway.book.fail(self._call, "not reached")
            self._rename(attempt)
        else:
            self._lost(attempt, type(error).__name__, costs)
            attempt.outcome = Outcome.SERVICE_FAILURE

    def _lost(self, attempt: Attempt, outcome: str, costs: Costs) -> None:
        self._gateway.book.lose(self._call, outcome)
        self._spend(attempt, self._call.worst_usd)
        self._call = self._next_call()
        attempt.costs = costs

    # --- the request ---

    @cached_property
    def request(self) -> dict[str, Any]:
        """What is sent: the SDK's arguments."""
        return make_request(self._question)

    @property
    def _costs(self) -> Costs:
        return Costs(self._request_bytes // BYTES_PER_TOKEN, self._question.max_tokens)

    @cached_property
    def _request_bytes(self) -> int:
        return _size(self._question)


def make_call(
    question: Question, name: str, *, id: str, attempt: int, imitation: bool, batch: bool = False
) -> Call:
    """Return the call that a question will be, for the step that runs here."""
    here = CURRENT.get()
    return Call(
        id=id,
        attempt=attempt,
        question_hash=name,
        pipeline=here.pipeline if here else "none",
        run_id=here.run_id if here else "none",
        step=here.step if here else "none",
        subjects=question.subjects or ("none",),
        prompt=question.prompt,
        model=question.model,
        worst_usd=compute_worst_usd(
            question.model, _size(question), question.max_tokens, batch=batch
        ),
        imitation=imitation,
    )


def _size(question: Question) -> int:
    texts = (question.system, question.material, *question.earlier, str(question.schema))
    return REQUEST_BYTES + sum(len(text.encode()) for text in texts)


def reserving(
    budget: Budget, limits: Limits, by_hand: Mapping[str, Decimal], call: Call
) -> Step[Reserved | Spent]:
    """Return what puts a call's worst case aside, by the settings or what a person set."""
    today = datetime.now(UTC).date()
    scopes = {
        f"day:{today}": by_hand.get("day", limits.day_usd),
        f"pipeline:{call.pipeline}:{today}": by_hand.get("pipeline", limits.pipeline_usd),
        f"run:{call.run_id}": by_hand.get("run", limits.run_usd),
    }
    return budget.reserving(call.id, scopes, call.worst_usd)


def overspent(spent: Spent, call: Call, retry_s: float = BUDGET_RETRY_S) -> BudgetSpent:
    """Say which budget cannot pay a call."""
    left_usd = max(spent.limit_usd - spent.spent_usd, 0)
    return BudgetSpent(
        f"the budget of {spent.scope} ({spent.limit_usd:.2f} USD) has {left_usd:.4f} USD left; "
        f"this question may cost {call.worst_usd:.4f}; raise it: axiom budget --help",
        retry_s,
    )


def reserve(budget: Budget, limits: Limits, by_hand: Mapping[str, Decimal], call: Call) -> None:
    """Put a call's worst case aside.

    Raises:
        BudgetSpent: a scope cannot pay it.
        StoreUnavailable: Redis is away.
    """
    if isinstance(answer := reserving(budget, limits, by_hand, call).run(), Spent):
        raise overspent(answer, call)


def make_request(question: Question) -> dict[str, Any]:
    """Return the arguments of `messages.create`; the system prompt is marked for the cache."""
    roles = ("assistant", "user")
    earlier = [{"role": roles[n % 2], "content": text} for n, text in enumerate(question.earlier)]
    output: dict[str, Json] = {"format": {"type": "json_schema", "schema": dict(question.schema)}}
    if question.effort:
        output["effort"] = question.effort
    mark = {"type": "ephemeral", "ttl": question.ttl}
    return {
        "model": question.model,
        "max_tokens": question.max_tokens,
        "system": [{"type": "text", "text": question.system, "cache_control": mark}],
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


def was_never_sent(error: BaseException) -> bool:
    """Return whether nobody can have read the request."""
    import httpx2

    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)


def _worth_it(error: BaseException) -> bool:
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        return error.status_code == 429 or error.status_code >= 500
    return isinstance(error, anthropic.APIConnectionError)


def retry_after_s(error: BaseException) -> float | None:
    """Return the seconds that the service asked for."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None


def translated(error: Exception) -> Exception:
    """Return an error of the SDK in words of ours; any other as it is."""
    import anthropic

    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError):
        return ConfigError("ANTHROPIC_API_KEY", "Anthropic does not accept this key")
    if _worth_it(error):
        wait_s = retry_after_s(error) or SERVICE_RETRY_S
        return ServiceDown(f"Claude does not answer ({_kind(error)})", wait_s)
    if isinstance(error, anthropic.AnthropicError):
        return AxiomError(f"Claude refused the request ({_kind(error)}): {str(error)[:300]}")
    return error


def _kind(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"status {status}" if status else type(error).__name__

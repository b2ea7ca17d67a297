"""The one way to Claude: nothing is asked but through here, or in a batch (`batches.py`).

In this order: the answer store (was this very question answered?), retry, and for each attempt
the budget, the breaker, the global rate limit, the bulkhead, and the call. A call is
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
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from axiom.analysts.prices import compute_usd, compute_worst_usd
from axiom.analysts.purse import NotKnown, Purse
from axiom.analysts.question import Answer, Question
from axiom.analysts.sdk import (
    SERVICE_RETRY_S,
    Client,
    Message,
    is_service_failure,
    is_worth_it,
    kind,
    may_be_paid,
    read_message,
    retry_after_s,
    translated,
    unreadable,
)
from axiom.errors import AxiomError, ConfigError, InBatch, Refused, ServiceDown, StoreUnavailable
from axiom.flow import CURRENT
from axiom.paid import IMITATION, Call, Standing, Usage
from axiom.resilience import retry
from axiom.resilience.breaker import Outcome
from axiom.resilience.budget import Reserved, Spent, Untold
from axiom.resilience.guard import Attempt, Guard
from axiom.resilience.rate_limit import Costs
from axiom.resilience.store import Step
from axiom.telemetry import traces

BYTES_PER_TOKEN = 4  # an estimate; the limiter learns how far it is off
REQUEST_BYTES = 400  # what frames a question, at most
IMITATION_ID = "msg_fake_"
# a thread is held for seconds; what takes longer comes back as a message
RETRY = retry.Policy(attempts=3, base_s=0.5, ceiling_s=5.0, total_s=15.0)
_rng = random.Random()


class Book(Protocol):
    """Keeps calls and answers; see `axiom/stores/calls.py`."""

    def asking(  # noqa: D102
        self, draft: Call, lease_s: float
    ) -> AbstractContextManager[Standing]: ...
    def begin(self, call: Call) -> None: ...  # noqa: D102
    def withdraw(self, call: Call) -> None: ...  # noqa: D102
    def finish(  # noqa: D102
        self, call: Call, usage: Usage, usd: Decimal, *,
        text: str, stop_reason: str, model: str, request_id: str | None,
    ) -> None: ...  # fmt: skip
    def fail(self, call: Call, outcome: str, request_id: str | None = None) -> None: ...  # noqa: D102
    def lose(self, call: Call, outcome: str) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Gateway:
    """Puts questions to Claude. `client` makes the SDK's client, `guard` the limits of a model.

    `imitation` says that what answers is not Anthropic's: answers are kept apart and every
    model's name is marked.
    """

    book: Book
    purse: Purse
    guard: Callable[[str], Guard]
    client: Callable[[], Client]
    lease_s: float  # longer than any call may take: who has not ended it by then is dead
    imitation: bool = False
    policy: retry.Policy = RETRY
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, question: Question) -> Answer:
        """Return the answer, from the store or from Claude.

        Raises:
            BudgetSpent: the worst case of this question cannot be paid now.
            BreakerOpen, ServiceDown: the service is down.
            InBatch: it was handed in with a batch, and its answer is to come.
            Refused: its turn has not come, or another worker may be asking it.
            StoreUnavailable: Redis or Postgres is away.
            AxiomError: Claude says that the question is wrong, or its answers cannot be read;
                asking again would not help.
        """
        self.client()  # the SDK takes seconds to import: not while a call is booked, its lease runs
        name = self.name_of(question)
        draft = make_call(question, name, attempt=0, imitation=self.imitation)
        with self.book.asking(draft, self.lease_s) as standing:
            if standing.answer:
                return self.known(name, standing.answer)
            if standing.in_batch:  # it is paid already
                raise InBatch()
            if standing.hopeless:  # each may have been paid
                raise AxiomError(
                    "Claude's answers to this question cannot be read; it is asked again tomorrow."
                    " Where they cannot is in the call book (table calls, outcome)"
                )
            if standing.busy_s:  # who asks has lost its connection, or died: it may be paid
                raise Refused("another worker may be asking this", standing.busy_s)
            return self._ask(question, draft, standing)

    def name_of(self, question: Question) -> str:
        """Return what a question's calls and answer are kept under."""
        return f"{IMITATION}{question.hash}" if self.imitation else question.hash

    def model_name(self, model: str) -> str:
        """Return what results are to call the model that answered."""
        return f"imitation of {model}" if self.imitation else model

    def known(self, name: str, found: Mapping[str, Any]) -> Answer:
        """Return an answer that was kept."""
        model = self.model_name(found["model"])
        return Answer(found["text"], found["stop_reason"], model, name, known=True)

    def _ask(self, question: Question, draft: Call, standing: Standing) -> Answer:
        asked = _Asked(self, question, draft, standing)
        retrying = retry.retrying(
            self.policy, worth_it=is_worth_it, retry_after_s=retry_after_s,
            clock=time.monotonic, sleep=self.sleep, rng=_rng,
        )  # fmt: skip
        try:
            return retrying(asked.attempt)
        except Exception as error:
            with suppress(StoreUnavailable):  # then the sweep counts it at its worst
                asked.withdraw()
            if (told := translated(error)) is error:
                raise
            raise told from error


class _Asked:
    """One question on its way through its attempts; pays for them (`guard.Payer`)."""

    def __init__(
        self, gateway: Gateway, question: Question, draft: Call, standing: Standing
    ) -> None:
        self._gateway, self._question, self._set_by_hand = gateway, question, standing.limits
        # who comes after a crash before the call finds the same reservation and turn
        self._call = numbered(draft, standing.attempts + 1)
        self._is_booked = True  # by the store, when it was asked for the answer
        self._is_made = False  # what may be paid stays booked and reserved, whatever happens
        self._costs = Costs(_size(question) // BYTES_PER_TOKEN, question.max_tokens)
        self._seen: Callable[[Message], None]  # by the trace; since the request left

    # --- money ---

    def reserving(self) -> Step[Reserved | Spent | Untold]:
        """Return what puts the call's worst case aside."""
        return self._gateway.purse.reserving(self._call, self._set_by_hand)

    def releasing(self) -> Step[bool]:
        """Return what gives it back."""
        return self._gateway.purse.budget.releasing(self._call.id)

    def refusal(self, answer: Spent | Untold) -> Exception:
        """Say which budget cannot pay."""
        return self._gateway.purse.refusal(answer, self._call)

    def withdraw(self) -> None:
        """Strike the call out if it was not made: who dies while it waits has paid nothing."""
        if self._is_booked and not self._is_made:
            self._gateway.book.withdraw(self._call)
            self._is_booked = False

    # --- attempts ---

    def attempt(self) -> Answer:
        """Put the question once."""
        try:
            return self._put()
        except NotKnown as error:
            self._gateway.purse.learn(error.untold)
            return self._put()

    def _put(self) -> Answer:
        guard = self._gateway.guard(self._question.model)
        with guard.attempt(self._call.id, self._costs, self) as attempt:
            with ExitStack() as trace:
                said, usd, headers = self._called(attempt, trace)
            return self._answered(attempt, said, usd, headers)

    def _called(
        self, attempt: Attempt, trace: ExitStack
    ) -> tuple[Message, Decimal, Mapping[str, str]]:
        client, leave = self._gateway.client(), partial(self._leave, attempt, trace)
        try:
            response = client.post(self._question, leave)
        except Exception as error:
            if self._is_made:
                self._failed(attempt, error)
            raise
        try:
            said = read_message(response.content)
            usd = compute_usd(self._call.model, said.usage, geo=said.geo)
            self._seen(said)
        except ValueError as error:
            self._unreadable(attempt, error)
            raise ServiceDown("Claude's answer cannot be read", SERVICE_RETRY_S) from error
        return said, usd, response.headers

    def _leave(self, attempt: Attempt, trace: ExitStack) -> None:
        """Let the request go, once it may: from here on it may be paid."""
        attempt.enter()
        if not self._is_booked:
            self._begin(attempt)
        self._is_booked = self._is_made = True
        traced = traces.claude_call(self._call.model, self._question.max_tokens)
        self._seen = trace.enter_context(traced)

    def _begin(self, attempt: Attempt) -> None:
        try:
            self._gateway.book.begin(self._call)
        except StoreUnavailable:  # what is refused is another worker's, and its money with it
            attempt.also.append(self.releasing())
            raise

    def _answered(
        self, attempt: Attempt, said: Message, usd: Decimal, headers: Mapping[str, str]
    ) -> Answer:
        usage, call, gateway = said.usage, self._call, self._gateway
        if said.id.startswith(IMITATION_ID) and not gateway.imitation:
            self._end(attempt, "an imitation", is_lost=False)
            raise ConfigError(
                "ANTHROPIC_BASE_URL", "an imitation answers there; start it with --fake-claude"
            )
        attempt.outcome = Outcome.OK
        attempt.costs = Costs(
            usage.input_tokens + usage.cache_write_5m + usage.cache_write_1h, usage.output_tokens
        )
        attempt.headers = headers
        attempt.also.append(gateway.purse.budget.settling(call.id, usd))
        attempt.settle_while(lambda: gateway.book.finish(
            call, usage, usd, text=said.text, stop_reason=said.stop_reason,
            model=said.model, request_id=headers.get("request-id"),
        ))  # fmt: skip
        model = gateway.model_name(said.model)
        return Answer(said.text, said.stop_reason, model, call.question_hash)

    # --- attempts that gave no answer ---

    def _failed(self, attempt: Attempt, error: Any) -> None:
        if is_service_failure(error):
            attempt.outcome = Outcome.SERVICE_FAILURE
        if status := getattr(error, "status_code", None):
            attempt.headers = error.response.headers
            if status == 429 or status >= 500:
                attempt.pause_s = retry_after_s(error) or (1.0 if status == 429 else 0.0)
        self._end(attempt, kind(error), is_lost=may_be_paid(error))

    def _unreadable(self, attempt: Attempt, error: ValueError) -> None:
        attempt.outcome = Outcome.SERVICE_FAILURE
        self._end(attempt, unreadable(error), is_lost=True)

    def _end(self, attempt: Attempt, outcome: str, *, is_lost: bool) -> None:
        call, gateway = self._call, self._gateway
        if is_lost:
            gateway.book.lose(call, outcome)
            attempt.costs = self._costs
        else:
            gateway.book.fail(call, outcome, (attempt.headers or {}).get("request-id"))
        usd = call.worst_usd if is_lost else Decimal(0)
        attempt.also.append(gateway.purse.budget.settling(call.id, usd))
        # the next attempt has a row, a turn and a reservation of its own
        self._call = numbered(call, call.attempt + 1)
        self._is_booked = self._is_made = False


def numbered(call: Call, attempt: int) -> Call:
    """Return the same call as another attempt."""
    return replace(call, id=f"{call.question_hash}-{attempt}", attempt=attempt)


def make_call(
    question: Question, name: str, *, attempt: int, imitation: bool, batch: bool = False
) -> Call:
    """Return the call that a question will be, for the step that runs here."""
    here = CURRENT.get()
    return Call(
        id=f"{name}-{attempt}",
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

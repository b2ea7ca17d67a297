"""What can wait goes to Claude in batches, at half the price.

A step that asks finds the answer in the answer store, or else its question is queued and the
step comes back later (`InBatch`); that is all the waiting there is. One worker at a time looks
after the batches, every few seconds:

    queued -> submitting -> submitted -> (the answer is kept, and the row goes)
      ^           |             |
      +-----------+-------------+  nothing was made, or no answer: it cost nothing, and goes again
                  +-> refused <-+  the question is wrong: told to who asks, for a while

A call is reserved and booked at its worst before the batch is made, and settled with its
answer. A process may die on any line: what it did is done again without effect, and a
submission of which nobody knows whether it became a batch is looked up among the batches that
the API lists before it is handed in again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

import structlog

from axiom.analysts.batch_api import UNREADABLE, BatchApi, Created, NotCreated, Result
from axiom.analysts.gateway import Book, Gateway, make_call
from axiom.analysts.prices import compute_usd
from axiom.analysts.purse import RETRY_S, Purse
from axiom.analysts.question import Answer, Question
from axiom.analysts.sdk import make_request, read_message, unreadable
from axiom.errors import (
    AxiomError,
    BreakerOpen,
    BudgetSpent,
    InBatch,
    ServiceDown,
    StoreUnavailable,
)
from axiom.flow import CURRENT
from axiom.paid import IMITATION, MOST_UNREADABLE, Call, Place, Submission, Waiting
from axiom.resilience.breaker import Breaker, Outcome
from axiom.resilience.budget import Budget
from axiom.resilience.guard import Attempt, watched

log = structlog.get_logger(__name__)
CAN_WAIT = frozenset(("graph", "correlation"))  # hourly; headlines are news
IMITATION_BATCH = "msgbatch_fake_"
NOT_CLAUDE = "ANTHROPIC_BASE_URL: an imitation answers there; start it with --fake-claude"
SKEW = timedelta(minutes=1)  # how far the API's clock may be behind the database's


class Queue(Protocol):
    """Keeps the questions that wait; see `axiom/stores/batches.py`."""

    def alone(self) -> AbstractContextManager[bool]: ...  # noqa: D102
    def answer(self, question_hash: str) -> Mapping[str, Any] | None: ...  # noqa: D102
    def put(self, call: Call, request: Mapping[str, Any]) -> Place: ...  # noqa: D102
    def forget(self, unasked: timedelta) -> int: ...  # noqa: D102
    def queued(self) -> list[Waiting]: ...  # noqa: D102
    def hold_back(self, call: Call, reason: str) -> None: ...  # noqa: D102
    def begin(  # noqa: D102
        self, submission_id: str, calls: Sequence[Call]
    ) -> list[tuple[Call, Mapping[str, Any]]]: ...
    def created(self, submission_id: str, batch_id: str) -> None: ...  # noqa: D102
    def unsure(self, older_than: timedelta) -> list[Submission]: ...  # noqa: D102
    def known(self, batch_ids: Sequence[str]) -> set[str]: ...  # noqa: D102
    def submitted(self) -> dict[str, list[Call]]: ...  # noqa: D102
    def requeue(self, call: Call, delay: timedelta) -> None: ...  # noqa: D102
    def refuse(self, call: Call, reason: str, told: timedelta) -> None: ...  # noqa: D102
    def done(self, call: Call) -> None: ...  # noqa: D102


class BatchBook(Book, Protocol):
    """The call book, and the limits that a person set."""

    def begun(self, ids: Sequence[str]) -> set[str]: ...  # noqa: D102
    def limits(self) -> dict[str, tuple[Decimal, str]]: ...  # noqa: D102


@dataclass(frozen=True)
class BatchingGateway:
    """Puts what can wait in the queue, and asks the rest at once."""

    gateway: Gateway
    queue: Queue

    def __call__(self, question: Question) -> Answer:
        """Return the answer.

        Raises:
            InBatch: it is not there yet.
            BudgetSpent: it is queued, and the budget holds it back.
            AxiomError: the question is wrong; asking again would not help.
        """
        here, gateway = CURRENT.get(), self.gateway
        if here is None or here.pipeline not in CAN_WAIT:
            return gateway(question)
        name = gateway.name_of(question)
        # under no lock: what is queued although it was just answered is not handed in
        if found := self.queue.answer(name):
            return gateway.known(name, found)
        call = make_call(question, name, attempt=0, imitation=gateway.imitation, batch=True)
        raise _not_yet(self.queue.put(replace(call, id=name), make_request(question)))


def _not_yet(place: Place) -> AxiomError:
    if place.state == "refused":
        return AxiomError(place.reason or "Claude refused the request")
    if place.state == "queued" and place.reason:
        return BudgetSpent(place.reason, RETRY_S)
    return InBatch()


@dataclass(frozen=True, slots=True)
class Policy:
    """When a batch is made, and what is done about what failed.

    `unsure_s` must be longer than a request to the API may take: before, a submission whose
    end was not noted may be under way.
    """

    unsure_s: float
    quiet_s: float = 5.0  # no question came for so long: those of one run go together
    patience_s: float = 60.0  # but none waits longer for company
    many: int = 200  # nor if there are so many
    most: int = 1000  # in one batch
    retry_s: float = 60.0  # after a failure of the service
    unasked: timedelta = timedelta(minutes=15)  # a step that waits asks every few minutes
    told: timedelta = timedelta(minutes=30)  # then a refused question may be asked anew


@dataclass(frozen=True)
class Batches:
    """Looks after all that is queued and out; any number may try, and one at a time does."""

    book: BatchBook
    queue: Queue
    purse: Purse
    budget: Budget
    breaker: Breaker
    api: BatchApi
    policy: Policy
    imitation: bool = False

    def work(self, *, submit: bool = True) -> None:
        """Settle what came back, and hand in what waits; without `submit` only the former.

        Raises:
            StoreUnavailable: Redis or Postgres is away; the next round goes on from there.
        """
        with self.queue.alone() as alone:
            if not alone:
                return
            self.queue.forget(self.policy.unasked)
            for submission in self.queue.unsure(timedelta(seconds=self.policy.unsure_s)):
                with _passing("submission_not_found_out", submission=submission.id):
                    self._find_out(submission)
            for batch_id, calls in self.queue.submitted().items():
                with _passing("batch_not_read", batch=batch_id):
                    self._poll(batch_id, calls)
            if submit:
                with _passing("batch_not_made"):
                    self._submit()

    # --- handing in ---

    def _submit(self) -> None:
        waiting = self.queue.queued()
        if not self._is_time(waiting):
            return
        self._hand_in([each.call for each in waiting])

    def _hand_in(self, calls: Sequence[Call]) -> None:
        with watched(self.breaker) as attempt:
            going = self._reserved(calls)
            apart = self._create(going, attempt) if going else []
        for part in apart:
            mine = {call.question_hash for call in part}
            queued = [each.call for each in self.queue.queued()]
            self._hand_in([call for call in queued if call.question_hash in mine])

    def _is_time(self, waiting: Sequence[Waiting]) -> bool:
        if not waiting:
            return False
        fresh = [each.age_s for each in waiting if not each.is_held]
        return (
            min(each.age_s for each in waiting) >= self.policy.quiet_s
            or max(fresh, default=0) >= self.policy.patience_s
            or len(fresh) >= self.policy.many
        )

    def _reserved(self, calls: Sequence[Call]) -> list[Call]:
        """Return the calls that the budget can pay, at most one batch of them."""
        by_hand = {scope: usd for scope, (usd, _) in self.book.limits().items()}
        going: list[Call] = []
        for call in calls:
            try:
                self.purse.reserve(call, by_hand)
            except BudgetSpent as error:
                self.queue.hold_back(call, str(error))
                continue
            going.append(call)
            if len(going) == self.policy.most:
                break
        return going

    def _create(self, going: Sequence[Call], attempt: Attempt) -> list[Sequence[Call]]:
        """Hand a batch in; return its halves where it is refused for one of its questions."""
        submission = f"submission-{uuid.uuid4().hex}"
        taken = self.queue.begin(submission, going)
        self._release({call.id for call in going} - {call.id for call, _ in taken})
        if not taken:
            return []
        made = self.api.create(
            [{"custom_id": _custom_id(call), "params": request} for call, request in taken]
        )
        calls = [call for call, _ in taken]
        if isinstance(made, Created):
            attempt.outcome = Outcome.OK
            self._created(submission, made.batch_id, calls)
        elif isinstance(made, NotCreated):
            attempt.outcome = Outcome.SERVICE_FAILURE if made.is_down else Outcome.IGNORED
            return self._not_created(made, calls)
        else:  # `_find_out` will
            attempt.outcome = Outcome.SERVICE_FAILURE
            log.warning("batch_unsure", submission=submission, reason=made.reason)
        return []

    def _release(self, left_out: Set[str]) -> None:
        for call_id in left_out - self.book.begun(list(left_out)) if left_out else ():
            self.budget.release(call_id)

    def _created(self, submission: str, batch_id: str, calls: Sequence[Call]) -> None:
        if batch_id.startswith(IMITATION_BATCH) and not self.imitation:
            for call in calls:
                self._refuse(call, NOT_CLAUDE)
            return
        self.queue.created(submission, batch_id)
        log.info("batch_submitted", batch=batch_id, questions=len(calls))

    def _not_created(self, why: NotCreated, calls: Sequence[Call]) -> list[Sequence[Call]]:
        log.warning("batch_not_made", questions=len(calls), reason=why.reason)
        if why.is_wrong and len(calls) == 1:
            self._refuse(calls[0], why.reason)
            return []
        delay_s = 0.0 if why.is_wrong else why.retry_in_s or self.policy.retry_s
        for call in calls:
            self._again(call, why.reason, delay_s=delay_s)
            if why.is_told:
                self.queue.hold_back(call, why.reason)
        half = len(calls) // 2
        return [calls[:half], calls[half:]] if why.is_wrong else []

    # --- what nobody noted ---

    def _find_out(self, submission: Submission) -> None:
        """Find the batch that a submission became; hand it in again if there surely is none."""
        wanted = {_custom_id(call) for call in submission.calls}
        listed = self.api.since(submission.begun_at - SKEW)
        known = self.queue.known([batch.id for batch in listed])
        for batch in listed:
            if batch.id in known or batch.size != len(wanted) or batch.is_archived:
                continue
            if not batch.has_ended:  # until then it does not tell what was asked
                log.info("submission_may_be", submission=submission.id, batch=batch.id)
                return
            if {result.custom_id for result in self.api.results(batch.id)} == wanted:
                self.queue.created(submission.id, batch.id)
                log.warning("batch_adopted", submission=submission.id, batch=batch.id)
                return
        log.warning("submission_lost", submission=submission.id, questions=len(wanted))
        for call in submission.calls:
            self._again(call, "never handed in")

    # --- what came back ---

    def _poll(self, batch_id: str, calls: Sequence[Call]) -> None:
        batch = self.api.get(batch_id)
        if batch is None or batch.is_archived:
            log.warning("batch_gone", batch=batch_id, questions=len(calls))
            for call in calls:
                self._lost(call, "its batch is gone")
        elif batch.has_ended:
            self._settle_all(batch_id, batch.size, calls)

    def _settle_all(self, batch_id: str, size: int, calls: Sequence[Call]) -> None:
        left = {_custom_id(call): call for call in calls}
        read = 0
        for result in self.api.results(batch_id):
            read += 1
            if call := left.pop(result.custom_id, None):
                with _passing("result_not_settled", batch=batch_id, call=call.id):
                    self._settle(call, result)
        if read >= size:  # else the body was cut off, and is read again
            for call in left.values():
                self._lost(call, "not among the results of its batch")
        log.info("batch_settled", batch=batch_id, questions=len(calls), missing=len(left))

    def _settle(self, call: Call, result: Result) -> None:
        if result.kind == "succeeded":
            self._answered(call, result.message)
        elif result.is_wrong:
            self._refuse(call, f"Claude refused the request ({result.error})")
        elif result.kind == UNREADABLE:
            self._unreadable(call, f"{UNREADABLE}: {result.error}")
        else:
            delay_s = self.policy.retry_s if result.kind == "errored" else 0.0
            self._again(call, result.error or result.kind, delay_s=delay_s)

    def _answered(self, call: Call, message: Any) -> None:
        try:
            said = read_message(message)
            usd = compute_usd(call.model, said.usage, batch=True, geo=said.geo)
        except ValueError as error:
            self._unreadable(call, unreadable(error))
            return
        self.book.finish(
            call, said.usage, usd, text=said.text, stop_reason=said.stop_reason,
            model=said.model, request_id=None,
        )  # fmt: skip
        self.budget.settle(call.id, usd)
        self.queue.done(call)

    # the order of these: who comes after a crash finds the row, and does all of it again

    def _again(self, call: Call, outcome: str, *, delay_s: float = 0.0) -> None:
        self.book.fail(call, outcome)
        self.budget.release(call.id)
        self.queue.requeue(call, timedelta(seconds=delay_s))

    def _refuse(self, call: Call, reason: str) -> None:
        self.book.fail(call, reason)
        self.budget.release(call.id)
        self.queue.refuse(call, reason, self.policy.told)

    def _unreadable(self, call: Call, outcome: str) -> None:
        if call.attempt < MOST_UNREADABLE:
            self._lost(call, outcome)
        else:
            self._at_worst(call, outcome)
            self.queue.refuse(call, f"Claude's answer is {outcome}", self.policy.told)

    def _lost(self, call: Call, outcome: str) -> None:
        self._at_worst(call, outcome)
        self.queue.requeue(call, timedelta())

    def _at_worst(self, call: Call, outcome: str) -> None:
        self.book.lose(call, outcome)
        self.budget.settle(call.id, call.worst_usd)


def _custom_id(call: Call) -> str:
    return call.question_hash.removeprefix(IMITATION)  # at most 64 characters


@contextmanager
def _passing(event: str, **facts: str) -> Iterator[None]:
    """Leave to the next round what cannot be done now: it holds up nothing else."""
    try:
        yield
    except StoreUnavailable:
        raise
    except (ServiceDown, BreakerOpen) as error:
        log.warning(event, reason=str(error), **facts)
    except Exception:
        log.exception(event, **facts)

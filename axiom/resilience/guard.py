"""What one attempt at a paid call passes, in order: budget, breaker, rate limit, bulkhead.

Each of the four is usable alone; this is the one place that puts them together. They are
asked in one message and told in one message, because the way to Redis and back is what
costs time; what was granted by some is given back when another refuses. When Redis is
away StoreUnavailable is raised, so that no call is made without its limits.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis
import structlog

from axiom.errors import BreakerOpen, Refused, StoreUnavailable
from axiom.resilience.breaker import Breaker, Open, Outcome, Transition
from axiom.resilience.budget import Reserved, Spent, Untold
from axiom.resilience.bulkhead import Bulkhead, Entered, Full
from axiom.resilience.rate_limit import Costs, Granted, RateLimit, Wait
from axiom.resilience.store import Step, run_together, send_together

log = structlog.get_logger(__name__)
HOLD_S = 5.0  # longer waits hand the thread back
HOLD_ALL_S = 15.0  # all of them together
FULL_WAIT_S = 0.1


def _nothing() -> None:
    """Do nothing."""


def new_holder() -> str:
    """Name who holds a lease: this thread, this once."""
    here = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
    return f"{here}:{uuid.uuid4().hex[:8]}"


@dataclass(slots=True)
class Attempt:
    """Enter, make the attempt, and say how it ended; the block's end is soon enough for that."""

    enter: Callable[[], None]  # waits to be let through
    settling: Callable[[], Callable[[], None]]  # begins to tell the limits; returns what ends it
    outcome: Outcome = Outcome.IGNORED
    costs: Costs | None = None  # None: the service took nothing from the limits
    headers: Mapping[str, str] | None = None
    pause_s: float = 0.0
    also: list[Step[Any]] = field(default_factory=list)  # to be told in the same message
    generation: str | None = None  # of the breaker, once it is let through
    has_turn: bool = False  # and waits for it: it is kept
    settled: bool = False

    def settle_while(self, keep: Callable[[], None]) -> None:
        """Tell the limits how it ended while the answer is kept, since neither waits for the other.

        Whoever dies between the two has settled what was spent, and left an open row in the
        book that the sweep counts at its worst; or the reverse, and the sweep settles.
        """
        self.settled, wait = True, self.settling()
        try:
            keep()
        finally:
            wait()


class Payer(Protocol):
    """Puts the money for an attempt aside."""

    def reserving(self) -> Step[Reserved | Spent | Untold]:
        """Return what puts its worst case aside; asked again after each wait."""

    def releasing(self) -> Step[bool]:
        """Return what gives it back, before a wait or when the attempt is refused."""

    def refusal(self, answer: Spent | Untold) -> Exception:
        """Return the error of who cannot pay."""

    def withdraw(self) -> None:
        """Forget that the attempt was about to be made, before a wait."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The limits of one model. `lease_s` is longer than any call may take."""

    client: redis.Redis
    breaker: Breaker
    rate: RateLimit
    bulkhead: Bulkhead
    lease_s: float
    sleep: Callable[[float], None]

    @contextmanager
    def attempt(self, ticket: str, costs: Costs, payer: Payer) -> Iterator[Attempt]:
        """Ask to let one attempt through; its `enter` waits for the answer.

        Who makes ready what it sends between the two does not wait for Redis as well.

        Raises, here or where it is entered:
            BreakerOpen: the service is down.
            Refused: its turn has not come; ask again with the same ticket.
            StoreUnavailable: Redis is away.
            Exception: the payer's own, when it cannot pay.
        """
        holder = new_holder()
        asked: list[Callable[[], list[Any]]] = [self._ask(holder, ticket, costs, payer)]

        def enter() -> None:
            attempt.generation = self._admit(asked.pop(), attempt, holder, ticket, costs, payer)

        attempt = Attempt(enter, lambda: self._settling(holder, ticket, attempt))
        try:
            yield attempt
        finally:
            if attempt.generation is None:
                with suppress(StoreUnavailable):  # leases end by themselves
                    if asked:
                        asked.pop()()
                    self._give_back(holder, ticket, payer, keep_turn=attempt.has_turn)
            elif not attempt.settled:
                attempt.settling()()

    def _ask(self, holder: str, ticket: str, costs: Costs, payer: Payer) -> Callable[[], list[Any]]:
        return send_together(
            self.client, payer.reserving(), self.breaker.allowing(holder),
            self.rate.acquiring(ticket, costs), self.bulkhead.entering(holder, self.lease_s),
        )  # fmt: skip

    def _admit(
        self, answers: Callable[[], list[Any]], attempt: Attempt, holder: str, ticket: str,
        costs: Costs, payer: Payer,
    ) -> str:  # fmt: skip
        waited_s = 0.0
        while True:
            paid, state, turn, place = answers()
            error = _refusal(payer, paid, state)
            # who cannot go for another reason is not waited for by those behind it
            attempt.has_turn = error is None and isinstance(turn, Wait)
            if error is None and _is_too_long(turn, waited_s):
                error = Refused("waits for its turn at Claude's rate limit", turn.seconds)
            if error:
                raise error
            _tell(state.transition)
            if isinstance(turn, Granted):
                self._enter(holder, ticket, payer, place)
                return str(state.generation)
            run_together(self.client, self.bulkhead.leaving(holder), payer.releasing())
            payer.withdraw()
            self.sleep(turn.seconds)
            waited_s += turn.seconds
            # all are asked again after each wait: the breaker may have opened meanwhile
            answers = self._ask(holder, ticket, costs, payer)

    def _give_back(self, holder: str, ticket: str, payer: Payer, *, keep_turn: bool) -> None:
        steps: list[Step[Any]] = [
            self.bulkhead.leaving(holder), self.breaker.recording(holder, Outcome.IGNORED),
            payer.releasing(),
        ]  # fmt: skip
        if not keep_turn:
            steps.append(self.rate.releasing(ticket))
        run_together(self.client, *steps)

    def _enter(self, holder: str, ticket: str, payer: Payer, place: Entered | Full) -> None:
        waited_s = 0.0
        while not isinstance(place, Entered):
            if waited_s >= HOLD_S:
                raise Refused("too many calls to Claude are in flight", HOLD_S)
            payer.withdraw()  # or its lease would begin before the call does
            self.sleep(FULL_WAIT_S)
            waited_s += FULL_WAIT_S
            place = self.bulkhead.enter(holder, self.lease_s)

    def _settling(self, holder: str, ticket: str, attempt: Attempt) -> Callable[[], None]:
        costs, headers, rate = attempt.costs, attempt.headers, self.rate
        generation = attempt.generation or ""
        steps: list[Step[Any]] = [
            self.breaker.recording(holder, attempt.outcome, generation), *attempt.also,
            rate.settling(ticket, costs, headers) if costs else rate.releasing(ticket, headers),
            self.bulkhead.leaving(holder),
        ]  # fmt: skip
        if attempt.pause_s:
            steps.append(rate.pausing(attempt.pause_s))
        try:
            answers = send_together(self.client, *steps)
        except StoreUnavailable:
            return _nothing

        def wait() -> None:
            with suppress(StoreUnavailable):  # leases end by themselves, budgets are swept
                _tell(answers()[0])

        return wait


def _refusal(payer: Payer, paid: Reserved | Spent | Untold, state: Any) -> Exception | None:
    if not isinstance(paid, Reserved):
        return payer.refusal(paid)
    return _is_open(state) if isinstance(state, Open) else None


def _is_too_long(turn: Granted | Wait, waited_s: float) -> bool:
    if isinstance(turn, Granted):
        return False
    return not turn.is_short(HOLD_S) or waited_s + turn.seconds > HOLD_ALL_S


@contextmanager
def watched(breaker: Breaker) -> Iterator[Attempt]:
    """Let through what has limits of its own, but for the breaker; say how it ended.

    Raises:
        BreakerOpen: the service is down.
        StoreUnavailable: Redis is away.
    """
    holder = new_holder()
    state = breaker.allow(holder)
    if isinstance(state, Open):
        raise _is_open(state)
    _tell(state.transition)

    attempt = Attempt(_nothing, lambda: _nothing)
    try:
        yield attempt
    finally:
        with suppress(StoreUnavailable):
            _tell(breaker.record(holder, attempt.outcome, state.generation))


def _is_open(state: Open) -> BreakerOpen:
    return BreakerOpen("Claude is down; the breaker is open", state.retry_in_s)


def _tell(change: Transition | None) -> None:
    if change is not None:
        log.warning(
            "breaker_changed", service=change.name, before=change.before,
            after=change.after, cool_down_s=change.cool_down_s, failures=change.failures,
        )  # fmt: skip

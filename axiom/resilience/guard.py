"""What one attempt at a paid call passes, in order: breaker, global rate limit, bulkhead.

Each of the three is usable alone; this is the one place that puts them together. When
Redis is away each raises StoreUnavailable, so that no call is made without its limits.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from axiom.errors import BreakerOpen, Refused, StoreUnavailable
from axiom.resilience.breaker import Breaker, Open, Outcome, Transition
from axiom.resilience.bulkhead import Bulkhead, Entered
from axiom.resilience.rate_limit import Costs, Granted, RateLimit

log = structlog.get_logger(__name__)
HOLD_S = 5.0  # longer waits hand the thread back
HOLD_ALL_S = 15.0  # all of them together; below this a reservation is not taken for dead
FULL_WAIT_S = 0.1


def new_holder() -> str:
    """Name who holds a lease: this thread, this once."""
    here = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
    return f"{here}:{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Guard:
    """The limits of one model. `lease_s` is longer than any call may take."""

    breaker: Breaker
    rate: RateLimit
    bulkhead: Bulkhead
    lease_s: float
    sleep: Callable[[float], None]

    @contextmanager
    def attempt(self, ticket: str, costs: Costs) -> Iterator[Attempt]:
        """Let one attempt through; say on the `Attempt` how it ended.

        Raises:
            BreakerOpen: the service is down.
            Refused: its turn has not come; ask again with the same ticket.
            StoreUnavailable: Redis is away.
        """
        holder = new_holder()
        self._admit(holder, ticket, costs)
        attempt = Attempt()
        try:
            yield attempt
        finally:
            with suppress(StoreUnavailable):  # leases end by themselves
                self._settle(holder, ticket, attempt)

    def _admit(self, holder: str, ticket: str, costs: Costs) -> None:
        try:
            self._await_turn(holder, ticket, costs)
            self._enter(holder, ticket)
        except BreakerOpen:
            raise
        except BaseException:
            self._tell(self.breaker.record(holder, Outcome.IGNORED))  # frees a probe
            raise

    def _await_turn(self, holder: str, ticket: str, costs: Costs) -> None:
        waited_s = 0.0
        while True:
            # asked again after each wait: it may have opened meanwhile
            state = self.breaker.allow(holder)
            if isinstance(state, Open):
                self.rate.release(ticket)
                raise BreakerOpen("Claude is down; the breaker is open", state.retry_in_s)
            self._tell(state.transition)
            turn = self.rate.acquire(ticket, costs)
            if isinstance(turn, Granted):
                return
            if not turn.is_short(HOLD_S) or waited_s + turn.seconds > HOLD_ALL_S:
                raise Refused("waits for its turn at Claude's rate limit", turn.seconds)
            self.sleep(turn.seconds)
            waited_s += turn.seconds

    def _enter(self, holder: str, ticket: str) -> None:
        waited_s = 0.0
        while not isinstance(self.bulkhead.enter(holder, self.lease_s), Entered):
            if waited_s >= HOLD_S:
                self.rate.release(ticket)
                raise Refused("too many calls to Claude are in flight", HOLD_S)
            self.sleep(FULL_WAIT_S)
            waited_s += FULL_WAIT_S

    def _settle(self, holder: str, ticket: str, attempt: Attempt) -> None:
        self.bulkhead.leave(holder)
        if attempt.costs is None:
            self.rate.release(ticket)
        else:
            self.rate.settle(ticket, attempt.costs)
        if attempt.headers:
            self.rate.correct(attempt.headers)
        if attempt.pause_s:
            self.rate.pause(attempt.pause_s)
        self._tell(self.breaker.record(holder, attempt.outcome))

    def _tell(self, change: Transition | None) -> None:
        if change is not None:
            log.warning(
                "breaker_changed", service=change.name, before=change.before,
                after=change.after, cool_down_s=change.cool_down_s, failures=change.failures,
            )  # fmt: skip


@dataclass(slots=True)
class Attempt:
    """How an attempt ended; the caller fills it in."""

    outcome: Outcome = Outcome.IGNORED
    costs: Costs | None = None  # None: the service took nothing from the limits
    headers: dict[str, str] | None = None
    pause_s: float = 0.0

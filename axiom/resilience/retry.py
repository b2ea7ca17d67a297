"""Try again what another attempt may mend, later and later, and not for ever.

Full jitter: before attempt n+1 wait for a random time in [0, min(ceiling, base * 2^(n-1))]
(Exponential Backoff And Jitter, AWS Architecture Blog, 2015), so that those who failed
together do not come back together. A service that says when to come back is obeyed; if that
is later than the ceiling, the error is raised, so that the caller can defer the message.

This policy keeps nothing in Redis. StoreUnavailable from one of the others is retried only
where `worth_it` says so.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import tenacity

from axiom.errors import Refused

Retrying = tenacity.Retrying


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long."""

    attempts: int = 4
    base_s: float = 0.5
    ceiling_s: float = 20.0  # of one wait
    total_s: float = 90.0  # no attempt begins later than this after the first


def retrying(
    policy: Policy,
    *,
    worth_it: Callable[[BaseException], bool],
    retry_after_s: Callable[[BaseException], float | None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    rng: random.Random,
    before_sleep: Callable[[tenacity.RetryCallState], None] | None = None,
) -> Retrying:
    """Return what calls a function, again where it is worth it; make one for each question.

    The last error is raised as it is. A refusal of our own (an open breaker, a spent budget) is
    never retried, whatever `worth_it` says. `clock` counts seconds from anywhere, never back.
    """
    waits = _Waits(policy, retry_after_s, rng)
    started = clock()

    def is_over(state: tenacity.RetryCallState) -> bool:
        late = clock() - started + state.upcoming_sleep > policy.total_s
        return late or state.attempt_number >= policy.attempts or waits.is_too_long(state)

    return Retrying(
        retry=tenacity.retry_if_exception(lambda e: not isinstance(e, Refused) and worth_it(e)),
        wait=waits,
        stop=is_over,
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    )


@dataclass(frozen=True, slots=True)
class _Waits:
    policy: Policy
    retry_after_s: Callable[[BaseException], float | None]
    rng: random.Random

    def __call__(self, state: tenacity.RetryCallState) -> float:
        doubled = self.policy.base_s * 2.0 ** (state.attempt_number - 1)
        backoff = self.rng.uniform(0, min(self.policy.ceiling_s, doubled))
        asked = self._asked(state)
        # not before it said, and not all at once when it said it to all
        return backoff if asked is None else asked + self.rng.uniform(0, self.policy.base_s)

    def is_too_long(self, state: tenacity.RetryCallState) -> bool:
        return (self._asked(state) or 0.0) > self.policy.ceiling_s

    def _asked(self, state: tenacity.RetryCallState) -> float | None:
        error = state.outcome.exception() if state.outcome else None
        return None if error is None else self.retry_after_s(error)

"""Stop calling a service that is down, on every worker at once, and notice when it is back.

CLOSED lets all through and counts failures of the service. Enough of them within the window
open it. OPEN refuses until its cool-down is over; then the first to ask makes it HALF_OPEN and
is the one probe. The probe's success closes it, its failure opens it for twice as long, up to a
ceiling; a probe that dies loses its lease, and another may try. Only failures of the service
count: refusals of our own and bad requests are recorded as IGNORED.

The state is read from Redis at each call. Keys: `axiom:limits:{breaker:<name>}:*`, one cluster
slot by the hash tag, gone within a day. When Redis is away every method raises StoreUnavailable:
no call is made past a breaker that cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import redis

from axiom.resilience import store


class State(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Outcome(StrEnum):
    """How a call went, as far as the service's health is concerned."""

    OK = "ok"
    SERVICE_FAILURE = "failed"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Policy:
    """When it opens and for how long."""

    failures: int = 5
    window_s: float = 30.0  # slides in tenths
    part: float = 0.0  # of the window's calls that must have failed too; 0: any
    cool_down_s: float = 5.0
    ceiling_s: float = 120.0
    probe_lease_s: float = 180.0  # longer than a call may take, its waiting included


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state, told to the one caller who made it: log it, alert on it."""

    name: str
    before: State
    after: State
    cool_down_s: float = 0.0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Allowed:
    """Call, and record how it went."""

    probe: bool = False
    transition: Transition | None = None
    generation: str = field(default="", compare=False)  # to be told when it is recorded


@dataclass(frozen=True, slots=True)
class Open:
    """Do not call; ask again after `retry_in_s`: the cool-down's rest, less while it is probed."""

    retry_in_s: float


@dataclass(frozen=True, slots=True)
class Status:
    """What a breaker looks like to somebody who only looks."""

    state: State
    retry_in_s: float
    failures: int  # in the window
    openings: int  # since it was last closed


class Breaker:
    """The breaker of one service. All its users must give the same policy."""

    def __init__(self, client: redis.Redis, name: str, policy: Policy | None = None) -> None:
        self._name, self._policy = name, policy or Policy()
        tag = f"{store.PREFIX}:{{breaker:{name}}}"
        self._keys = [f"{tag}:state", f"{tag}:counts"]
        self._allow, self._record, self._state = (
            store.script(client, "breaker_common", f"breaker_{what}")
            for what in ("allow", "record", "state")
        )

    def allow(self, holder: str) -> Allowed | Open:
        """Ask whether the holder may call; a probe that asks again keeps its lease.

        Raises:
            StoreUnavailable: Redis is away; the call must not be made.
        """
        return self.allowing(holder).run()

    def allowing(self, holder: str) -> store.Step[Allowed | Open]:
        """`allow`, as a step to be run with others."""
        return store.Step(self._allow, self._keys, self._args(holder), self._read_allowed)

    def _read_allowed(self, answer: Any) -> Allowed | Open:
        if answer[0] == "open":
            return Open(float(answer[1]))
        if answer[0] == "closed":
            return Allowed(generation=answer[1])
        return Allowed(probe=True, transition=self._changed(answer[1], State.HALF_OPEN))

    def record(self, holder: str, outcome: Outcome, generation: str = "") -> Transition | None:
        """Note how the holder's call went; return the change of state that it made.

        Calls that began before the breaker opened change nothing when they end after it, nor
        when it was closed again since `generation`.

        Raises:
            StoreUnavailable: Redis is away; what happened is not counted.
        """
        return self.recording(holder, outcome, generation).run()

    def recording(
        self, holder: str, outcome: Outcome, generation: str = ""
    ) -> store.Step[Transition | None]:
        """`record`, as a step to be run with others."""

        def read(answer: Any) -> Transition | None:
            before, after, cool_down_s, failures = answer
            return self._changed(before, after, float(cool_down_s), int(failures))

        args = [*self._args(holder), outcome.value, generation]
        return store.Step(self._record, self._keys, args, read)

    def status(self) -> Status:
        """Return the state, for people; between cool-down and probe it is still OPEN.

        Raises:
            StoreUnavailable: Redis is away.
        """

        def read(answer: Any) -> Status:
            state, retry_in_s, failures, openings = answer
            return Status(State(state), float(retry_in_s), int(failures), int(openings))

        return store.Step(self._state, self._keys, self._args(""), read).run()

    def _args(self, holder: str) -> list[str | int | float]:
        policy = self._policy
        return [
            *(policy.window_s, policy.failures, policy.part),
            *(policy.cool_down_s, policy.ceiling_s, policy.probe_lease_s, holder),
        ]

    def _changed(
        self, before: str, after: str, cool_down_s: float = 0.0, failures: int = 0
    ) -> Transition | None:
        if before == after:
            return None
        return Transition(self._name, State(before), State(after), cool_down_s, failures)

"""How many dollars may be spent, per scope: a day, a pipeline's day, a run.

A call reserves its worst case in all of its scopes before it is made, and settles the fact
afterwards. What is reserved counts as spent until then: a call that dies in between is never
said to have cost less than it may have, and stays in the list of open calls until somebody
books it as lost, which is to settle it at its worst case.

Limits are not stored: each reservation brings them, so a raised limit holds at once. Amounts
are whole micro-dollars, rounded up when spent and down when allowed. A scope whose name ends in
a star, as in `day:*`, is one of the server's UTC day: no caller's clock decides which.

Redis may forget: it restarts without its last second, or all of it was deleted. Who keeps a book
asks with `must_know`, and is told which scopes this server was not told of since it last began
to remember; it says what they have cost (`tell`), and asks again.

Keys: `axiom:limits:{budget}:*`, one cluster slot by the hash tag; each is gone forty days after
its last use. When Redis is away every method raises StoreUnavailable: no call is made unpaid for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import redis

from axiom.resilience import store

MICRO = 1_000_000
KEPT_S = 40 * 86400

Usd = float | Decimal


@dataclass(frozen=True, slots=True)
class Reserved:
    """Go: the worst case is put aside."""

    is_new: bool  # false: this very call had already reserved, and was not charged again


@dataclass(frozen=True, slots=True)
class Spent:
    """Do not: the scope cannot pay the worst case."""

    scope: str
    limit_usd: float
    settled_usd: float
    reserved_usd: float  # of open calls; some of it may come back

    @property
    def spent_usd(self) -> float:
        """What counts against the limit."""
        return self.settled_usd + self.reserved_usd


@dataclass(frozen=True, slots=True)
class Untold:
    """Say first what these scopes have cost."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spending:
    """What a scope has spent so far."""

    settled_usd: float
    reserved_usd: float

    @property
    def total_usd(self) -> float:
        """What counts against a limit."""
        return self.settled_usd + self.reserved_usd


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that has reserved and not settled."""

    call_id: str
    age_s: float
    worst_usd: float
    scopes: tuple[str, ...]


class Budget:
    """The budgets of all scopes."""

    def __init__(self, client: redis.Redis, name: str = "budget") -> None:
        self._prefix = f"{store.PREFIX}:{{{name}}}"
        self._keys = [self._prefix, f"{self._prefix}:open"]
        self._reserve = store.script(client, "budget_common", "budget_reserve")
        self._close = store.script(client, "budget_common", "budget_close")
        self._open = store.script(client, "budget_open")
        self._spent = store.script(client, "budget_common", "budget_spent")
        self._tell = store.script(client, "budget_common", "budget_tell")

    def reserve(
        self, call_id: str, limits_usd: Mapping[str, Usd], worst_usd: Usd
    ) -> Reserved | Spent:
        """Put a call's worst case aside in every scope, or in none and say which cannot pay.

        A call id names one attempt. While it is open, reserving again only makes it young again
        and is told by `is_new`; once it is settled or released, reserving again counts again.
        What is open in other scopes, because the day has changed, is moved.

        Raises:
            StoreUnavailable: Redis is away; the call must not be made.
        """
        answer = self.reserving(call_id, limits_usd, worst_usd).run()
        assert not isinstance(answer, Untold)
        return answer

    def reserving(
        self,
        call_id: str,
        limits_usd: Mapping[str, Usd],
        worst_usd: Usd,
        *,
        must_know: bool = False,
    ) -> store.Step[Reserved | Spent | Untold]:
        """`reserve`, as a step to be run with others."""
        limits = [(scope, _whole(limit, math.floor)) for scope, limit in limits_usd.items()]
        pairs = [part for pair in limits for part in pair]
        args = [call_id, KEPT_S, _whole(worst_usd, math.ceil), int(must_know), *pairs]
        return store.Step(self._reserve, self._keys, args, _read_reserved)

    def tell(self, scope: str, cost_usd: Usd, open_usd: Mapping[str, Usd]) -> None:
        """Say what a scope has cost at least; it is heard once for each memory of the server.

        `open_usd` are calls that may be in flight, at their worst. Those that the budget does
        not know to be open count until they settle, are released, or reserve themselves.

        Raises:
            StoreUnavailable: Redis is away.
        """
        calls = [p for call, usd in open_usd.items() for p in (call, _whole(usd, math.ceil))]
        args = ["", KEPT_S, scope, _whole(cost_usd, math.ceil), *calls]
        store.Step(self._tell, self._keys, args, bool).run()

    def settle(self, call_id: str, actual_usd: Usd) -> bool:
        """Replace what a call reserved by what it cost; return whether it was open.

        Twice is once. The actual cost counts even where it is above the worst case.

        Raises:
            StoreUnavailable: Redis is away; the worst case counts if this is not repeated.
        """
        return self.settling(call_id, actual_usd).run()

    def settling(self, call_id: str, actual_usd: Usd) -> store.Step[bool]:
        """`settle`, as a step to be run with others."""
        cost = _whole(actual_usd, math.ceil)
        return store.Step(self._close, self._keys, [call_id, KEPT_S, cost, 0], bool)

    def release(self, call_id: str, older_than_s: float = 0.0) -> bool:
        """Give all back, because the call was never sent; return whether it was.

        One that is younger than `older_than_s` keeps it.

        Raises:
            StoreUnavailable: Redis is away; the worst case counts if this is not repeated.
        """
        return self.releasing(call_id, older_than_s).run()

    def releasing(self, call_id: str, older_than_s: float = 0.0) -> store.Step[bool]:
        """`release`, as a step to be run with others."""
        return store.Step(self._close, self._keys, [call_id, KEPT_S, 0, older_than_s], bool)

    def open_calls(self, older_than_s: float = 0.0) -> list[OpenCall]:
        """Return the calls that have reserved and not settled, the oldest first.

        Raises:
            StoreUnavailable: Redis is away.
        """
        return store.Step(self._open, self._keys, [older_than_s], _read_open).run()

    def spent(self, scope: str) -> Spending:
        """Return what a scope has spent.

        Raises:
            StoreUnavailable: Redis is away.
        """
        args: store.Args = ["", KEPT_S, scope]
        read = lambda a: Spending(_usd(a[0]), _usd(a[1]))  # noqa: E731
        return store.Step(self._spent, self._keys, args, read).run()


def _read_reserved(answer: Any) -> Reserved | Spent | Untold:
    if answer[0] == "reserved":
        return Reserved(is_new=answer[1] == "1")
    if answer[0] == "untold":
        return Untold(tuple(answer[1:]))
    return Spent(answer[1], *(_usd(amount) for amount in answer[2:]))


def _read_open(answer: Any) -> list[OpenCall]:
    return [
        OpenCall(call_id, float(age_s), _usd(worst), tuple(json.loads(scopes)))
        for call_id, age_s, worst, scopes in answer
    ]


def _whole(usd: Usd, rounded: Callable[[Decimal], int]) -> int:
    """Return micro-dollars; a float is taken for the decimal number that it prints as."""
    if not (math.isfinite(usd) and usd >= 0):
        raise ValueError(f"dollars must be finite and not negative, not {usd}")
    return rounded(Decimal(str(usd)) * MICRO)


def _usd(micro: str) -> float:
    return int(micro) / MICRO

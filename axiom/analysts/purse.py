"""What may be paid: limits of a day, of a pipeline's day, and of a run, over one budget.

The budget is in Redis, and Redis may forget; the call book does not. So a reservation in a
scope that this Redis was not told of is refused once (`Untold`), and `learn` tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from axiom.errors import BudgetSpent, StoreUnavailable
from axiom.paid import Call
from axiom.resilience.budget import Budget, Reserved, Spent, Untold
from axiom.resilience.store import Step

RETRY_S = 60.0

Booked = Callable[[str, Sequence[str]], tuple[Decimal, Mapping[str, Decimal]]]
"""What a scope has cost by the call book, and what is open; see `CallBook.booked`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Dollars that may be spent: in a UTC day, by a pipeline in a day, by a run."""

    day_usd: Decimal
    pipeline_usd: Decimal
    run_usd: Decimal


class NotKnown(StoreUnavailable):
    """Redis does not know what these scopes have cost."""

    def __init__(self, untold: Untold) -> None:
        super().__init__(f"Redis was not told what {', '.join(untold.scopes)} cost")
        self.untold = untold


@dataclass(frozen=True)
class Purse:
    """Pays calls. `retry_s`: until one that could not be paid is put again."""

    budget: Budget
    limits: Limits
    booked: Booked
    retry_s: float = RETRY_S

    def reserving(
        self, call: Call, by_hand: Mapping[str, Decimal]
    ) -> Step[Reserved | Spent | Untold]:
        """Return what puts a call's worst case aside, by the settings or what a person set."""
        limits = self.limits
        scopes = {
            "day:*": by_hand.get("day", limits.day_usd),
            f"pipeline:{call.pipeline}:*": by_hand.get("pipeline", limits.pipeline_usd),
            f"run:{call.run_id}": by_hand.get("run", limits.run_usd),
        }
        return self.budget.reserving(call.id, scopes, call.worst_usd, must_know=True)

    def refusal(self, answer: Spent | Untold, call: Call) -> BudgetSpent | NotKnown:
        """Say which budget cannot pay a call."""
        if isinstance(answer, Untold):
            return NotKnown(answer)
        left_usd = max(answer.limit_usd - answer.spent_usd, 0)
        return BudgetSpent(
            f"the budget of {answer.scope} ({answer.limit_usd:.2f} USD) has {left_usd:.4f} USD "
            f"left; this question may cost {call.worst_usd:.4f}; raise it: axiom budget --help",
            self.retry_s,
        )

    def learn(self, untold: Untold) -> None:
        """Tell the budget what scopes have cost by the book.

        Left out is what the budget knows to be open in a scope: it counts that itself.

        Raises:
            StoreUnavailable: Redis or Postgres is away.
        """
        open_ = self.budget.open_calls()
        for scope in untold.scopes:
            held = [call.call_id for call in open_ if scope in call.scopes]
            self.budget.tell(scope, *self.booked(scope, held))

    def reserve(self, call: Call, by_hand: Mapping[str, Decimal]) -> None:
        """Put a call's worst case aside.

        Raises:
            BudgetSpent: a scope cannot pay it.
            StoreUnavailable: Redis or Postgres is away.
        """
        answer = self.reserving(call, by_hand).run()
        if isinstance(answer, Untold):
            self.learn(answer)
            answer = self.reserving(call, by_hand).run()
        if not isinstance(answer, Reserved):
            raise self.refusal(answer, call)

"""Compose the gateway to Claude from the settings; and mend what dead processes left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from axiom.config import Settings
from axiom.paid import is_of_batch

if TYPE_CHECKING:
    from axiom.analysts.batches import Batches
    from axiom.analysts.gateway import Gateway
    from axiom.analysts.purse import Purse
    from axiom.analysts.question import Ask
    from axiom.analysts.sdk import Client
    from axiom.resilience.breaker import Breaker
    from axiom.resilience.budget import Budget
    from axiom.resilience.guard import Guard
    from axiom.stores.batches import BatchStore
    from axiom.stores.calls import CallBook
    from axiom.stores.postgres import Postgres

ASKING = ("graph", "events", "correlation")  # the pipelines with an analyst
GRACE_S = 30.0  # over the time-out of a call: then its process is dead
CONNECT_S, BODY_S = 5.0, 10.0  # of a call; together less than the grace, even with a last read


class Claude:
    """Everything about Claude, once per process and only when used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guards: dict[str, Guard] = {}

    @cached_property
    def _postgres(self) -> Postgres:
        # never rolled back, since what was paid was paid
        from axiom.stores.postgres import Postgres

        return Postgres(self._settings.require("postgres_url"))

    @cached_property
    def book(self) -> CallBook:
        """The call book."""
        from axiom.stores.calls import CallBook

        return CallBook(self._postgres)

    @cached_property
    def queue(self) -> BatchStore:
        """What waits for a batch."""
        from axiom.stores.batches import BatchStore

        return BatchStore(self._postgres, imitation=self._settings.claude_imitation)

    @cached_property
    def _redis(self) -> Any:
        from axiom.resilience.store import connect

        return connect(self._settings.require("redis_url"))

    @cached_property
    def budget(self) -> Budget:
        """Dollars."""
        from axiom.resilience.budget import Budget

        return Budget(self._redis)

    @cached_property
    def _client(self) -> Client:
        from axiom.analysts.sdk import Client

        key, timeout_s = self._settings.anthropic_api_key, self._settings.claude_timeout_s
        return Client(
            key.get_secret_value() or None, self._settings.anthropic_base_url or None,
            timeout_s=timeout_s, connect_s=min(timeout_s, CONNECT_S), body_s=min(timeout_s, BODY_S),
        )  # fmt: skip

    @property
    def _lease_s(self) -> float:
        # a call that takes longer died with its process, and is no longer in flight
        return self._settings.claude_timeout_s + GRACE_S

    @cached_property
    def breaker(self) -> Breaker:
        """Whether Claude is called at all."""
        from axiom.resilience.breaker import Breaker, Policy
        from axiom.resilience.guard import HOLD_S

        return Breaker(self._redis, "claude", Policy(probe_lease_s=self._lease_s + 2 * HOLD_S))

    def guard(self, model: str) -> Guard:
        """The limits of a model."""
        if model not in self._guards:
            self._guards[model] = self._make_guard(model)
        return self._guards[model]

    def _make_guard(self, model: str) -> Guard:
        import time

        from axiom.resilience import rate_limit
        from axiom.resilience.bulkhead import Bulkhead
        from axiom.resilience.guard import Guard

        wanted = self._settings
        limits = rate_limit.Limits(
            wanted.claude_requests_per_minute,
            wanted.claude_input_tokens_per_minute,
            wanted.claude_output_tokens_per_minute,
        )
        return Guard(
            client=self._redis,
            breaker=self.breaker,
            rate=rate_limit.RateLimit(
                self._redis, model, limits, rate_limit.Policy(lease_s=self._lease_s)
            ),
            bulkhead=Bulkhead(self._redis, "claude", wanted.claude_in_flight),
            lease_s=self._lease_s,
            sleep=time.sleep,
        )

    @cached_property
    def gateway(self) -> Gateway:
        """The one way to Claude."""
        from axiom.analysts.gateway import Gateway

        return Gateway(
            book=self.book,
            purse=self._purse,
            guard=self.guard,
            client=lambda: self._client,
            lease_s=self._lease_s,
            imitation=self._settings.claude_imitation,
        )

    @cached_property
    def _purse(self) -> Purse:
        from axiom.analysts.purse import Limits, Purse

        wanted = self._settings
        limits = Limits(wanted.claude_day_usd, wanted.claude_pipeline_usd, wanted.claude_run_usd)
        return Purse(self.budget, limits, self.book.booked, wanted.claude_budget_retry_s)

    @property
    def ask(self) -> Ask:
        """The way for an analyst: through batches, for what can wait and where that is on."""
        if self._settings.claude_batch == "off":
            return self.gateway
        from axiom.analysts.batches import BatchingGateway

        return BatchingGateway(self.gateway, self.queue)

    @cached_property
    def batches(self) -> Batches:
        """Looks after the batches."""
        from axiom.analysts.batch_api import BatchApi
        from axiom.analysts.batches import Batches, Policy

        return Batches(
            book=self.book,
            queue=self.queue,
            purse=self._purse,
            budget=self.budget,
            breaker=self.breaker,
            api=BatchApi(lambda: self._client.sdk),
            policy=Policy(unsure_s=self._lease_s),
            imitation=self._settings.claude_imitation,
        )

    @property
    def prices_as_of(self) -> str:
        """The day of the price list."""
        from axiom.analysts.prices import as_of

        return as_of()

    def standing(self) -> list[dict[str, Any]]:
        """Return each budget's limit, what is spent and reserved of it today, and who set it."""
        wanted, by_hand = self._settings, self.book.limits()
        scopes = {"day": "day:*"} | {f"pipeline {each}": f"pipeline:{each}:*" for each in ASKING}
        rows = [
            self._stands(name, self.budget.spent(scope), name.split()[0], by_hand)
            for name, scope in scopes.items()
        ]
        run_usd, set_by = by_hand.get("run", (wanted.claude_run_usd, "the settings"))
        each = {"spent_usd": None, "reserved_usd": None, "left_usd": None}
        return [*rows, {"budget": "each run", "limit_usd": run_usd, "set_by": set_by} | each]

    def _stands(
        self, name: str, spending: Any, scope: str, by_hand: Mapping[str, tuple[Decimal, str]]
    ) -> dict[str, Any]:
        setting = getattr(self._settings, f"claude_{scope}_usd")
        limit_usd, set_by = by_hand.get(scope, (setting, "the settings"))
        settled, reserved = Decimal(str(spending.settled_usd)), Decimal(str(spending.reserved_usd))
        return {
            "budget": name, "limit_usd": limit_usd, "spent_usd": settled,
            "reserved_usd": reserved, "left_usd": max(limit_usd - settled - reserved, Decimal(0)),
            "set_by": set_by,
        }  # fmt: skip

    def sweep(self) -> list[str]:
        """Book the calls of dead processes as lost, settle what they reserved; return their ids."""
        age_s = self._lease_s
        lost = self.book.lose_old(timedelta(seconds=age_s))
        held = {call.call_id: call for call in self.budget.open_calls(older_than_s=age_s)}
        if not held:
            return lost
        for call_id in held.keys() - self.book.begun(list(held)):
            if is_of_batch(call_id):  # whose row waited for the disk: it was never made
                self.budget.release(call_id, older_than_s=age_s)
            else:  # Postgres may have lost its row
                self.book.lose_unbooked(held[call_id])
                lost.append(call_id)
        for call_id, usd in self.book.ended(list(held)).items():
            self.budget.settle(call_id, usd)
        return lost

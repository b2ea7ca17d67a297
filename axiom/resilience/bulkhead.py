"""How many calls may be in flight at once, over all workers.

Each holder has a lease of its own: the place of one that dies is free when its lease ends, and
nobody can give back another's. There is no queue; who waits in turn is the rate limit's affair.

Key: `axiom:limits:{bulkhead:<name>}`, a single one, gone when its last lease has ended. When
Redis is away every method raises StoreUnavailable: no call is made uncounted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from axiom.resilience import store


@dataclass(frozen=True, slots=True)
class Entered:
    """Go, and leave afterwards."""


@dataclass(frozen=True, slots=True)
class Full:
    """No place is free."""

    in_flight: int
    first_lease_ends_in_s: float  # by then there is one, if not before


class Bulkhead:
    """At most `places` holders of leases at once."""

    def __init__(self, client: redis.Redis, name: str, places: int) -> None:
        if places < 1:
            raise ValueError(f"a bulkhead needs a place, not {places}")
        self._keys, self._places = [f"{store.PREFIX}:{{bulkhead:{name}}}"], places
        self._enter = store.script(client, "bulkhead_enter")
        self._leave = store.script(client, "bulkhead_leave")

    def enter(self, holder: str, lease_s: float) -> Entered | Full:
        """Take a place for so long; a holder that is inside only renews its lease.

        Raises:
            StoreUnavailable: Redis is away; the call must not be made.
        """
        return self.entering(holder, lease_s).run()

    def entering(self, holder: str, lease_s: float) -> store.Step[Entered | Full]:
        """`enter`, as a step to be run with others."""

        def read(answer: Any) -> Entered | Full:
            return Entered() if answer[0] else Full(int(answer[1]), float(answer[2]))

        return store.Step(self._enter, self._keys, [holder, lease_s, self._places, 1], read)

    def renew(self, holder: str, lease_s: float) -> bool:
        """Prolong a lease from now; return False if it had ended.

        Raises:
            StoreUnavailable: Redis is away; the lease ends when it would have.
        """
        args: store.Args = [holder, lease_s, self._places, 0]
        return store.Step(self._enter, self._keys, args, lambda answer: bool(answer[0])).run()

    def leave(self, holder: str) -> bool:
        """Give the holder's place back; return False if it had none (any more).

        Raises:
            StoreUnavailable: Redis is away; the place is free when the lease ends.
        """
        return self.leaving(holder).run()

    def leaving(self, holder: str) -> store.Step[bool]:
        """`leave`, as a step to be run with others."""
        return store.Step(self._leave, self._keys, [holder], bool)

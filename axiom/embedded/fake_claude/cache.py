"""The prompt cache: what of a prompt is read, written, or paid in full."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from axiom.embedded.fake_claude.tokens import Block, Ttl

LIFE_S = {"5m": 300.0, "1h": 3600.0}
LOOKBACK = 20  # blocks before a mark that are looked up
_SWEEP_ABOVE = 10_000


@dataclass
class Plan:
    """How the input of one request is counted."""

    read: int = 0
    written: dict[Ttl, int] = field(default_factory=lambda: {"5m": 0, "1h": 0})
    plain: int = 0
    touch: list[str] = field(default_factory=list)
    write: list[tuple[str, Ttl]] = field(default_factory=list)

    @property
    def limited(self) -> int:
        """What counts towards the input limit: all but what is read."""
        return self.plain + sum(self.written.values())


class PromptCache:
    """Prefixes by hash. An entry lives from the answer on, and each use renews it."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, Ttl]] = {}

    def plan(self, root: str, blocks: Sequence[Block], least: int, now: float) -> Plan:
        """Look a prompt up; `root` is what must agree besides its text: model and schema."""
        keys = _prefixes(root, blocks)
        sizes = list(accumulate(block.tokens for block in blocks))
        marks = [at for at, block in enumerate(blocks) if block.ttl]
        hit = self._longest(keys, marks, now)
        plan = Plan(read=sizes[hit] if hit >= 0 else 0)
        if hit >= 0:
            plan.touch.append(keys[hit])
        done = plan.read
        for at in marks:
            if at <= hit:
                plan.touch.append(keys[at])
            elif sizes[at] >= least:
                ttl: Ttl = blocks[at].ttl or "5m"
                plan.written[ttl] += sizes[at] - done
                plan.write.append((keys[at], ttl))
                done = sizes[at]
        plan.plain = (sizes[-1] if sizes else 0) - done
        return plan

    def commit(self, plan: Plan, now: float) -> None:
        """Remember what was written and renew what was read: the answer has begun."""
        for key in plan.touch:
            if self._alive(key, now):
                _, ttl = self._entries[key]
                self._entries[key] = (now + LIFE_S[ttl], ttl)
        for key, ttl in plan.write:
            self._entries[key] = (now + LIFE_S[ttl], ttl)
        if len(self._entries) > _SWEEP_ABOVE:
            self._entries = {k: v for k, v in self._entries.items() if v[0] > now}

    def forget(self) -> None:
        """Empty the cache."""
        self._entries.clear()

    def _longest(self, keys: Sequence[str], marks: Sequence[int], now: float) -> int:
        looked_up = {at for mark in marks for at in range(mark, max(-1, mark - LOOKBACK), -1)}
        return max((at for at in looked_up if self._alive(keys[at], now)), default=-1)

    def _alive(self, key: str, now: float) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry[0] > now


def _prefixes(root: str, blocks: Sequence[Block]) -> list[str]:
    running = hashlib.sha256(root.encode())
    keys = []
    for block in blocks:
        piece = block.identity.encode()
        running.update(len(piece).to_bytes(8, "big") + piece)
        keys.append(running.hexdigest())
    return keys

"""What changed between two results of a pair, and what is said of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axiom.model import Correlation

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """A pair that is not what it was: `new`, `lost` or `moved` out of its old interval."""

    kind: str
    now: Correlation
    before: Correlation | None

    @property
    def size(self) -> float:
        """How far it moved, on Fisher's scale."""
        return abs(_z(self.now.r) - (_z(self.before.r) if self.before else 0.0))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an analyst says of a change."""

    a: str
    b: str
    window: int
    method: str
    kind: str
    text: str
    analyst: str
    prompt_hash: str


def compare(
    now: Sequence[Correlation], before: Sequence[Correlation], *, whole: bool = True
) -> list[Change]:
    """Return the pairs that became or ceased to be significant, or left their old interval.

    Where `before` is not `whole`, a pair that is not in it is not taken for new.
    """
    old = {(each.a, each.b): each for each in before}
    known = (each for each in now if whole or (each.a, each.b) in old)
    found = (_changed(each, old.get((each.a, each.b))) for each in known)
    return [change for change in found if change]


def _changed(now: Correlation, before: Correlation | None) -> Change | None:
    was = before is not None and before.q < SIGNIFICANT
    if now.q < SIGNIFICANT and not was:
        return Change("new", now, before)
    if was and now.q >= SIGNIFICANT:
        return Change("lost", now, before)
    if before and was and not before.low <= now.r <= before.high:
        return Change("moved", now, before)
    return None


def _z(r: float) -> float:
    return math.atanh(max(min(r, 0.999999), -0.999999))


def change_from(row: Mapping[str, Any]) -> Change:
    """Return the change that `to_json` made of one."""
    before = Correlation(**row["before"]) if row["before"] else None
    return Change(row["kind"], Correlation(**row["now"]), before)

"""What a check of `axiom doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """One line: how something does, and what to try."""

    name: str
    status: Literal["ok", "warn", "fail"]
    says: str
    hint: str | None = None


def ok(name: str, says: str) -> Check:
    """It is well."""
    return Check(name, "ok", says)


def warn(name: str, says: str, hint: str) -> Check:
    """It works, and somebody should look."""
    return Check(name, "warn", says, hint)


def fail(name: str, says: str, hint: str) -> Check:
    """It does not work."""
    return Check(name, "fail", says, hint)

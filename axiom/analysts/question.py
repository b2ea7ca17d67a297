"""What may be asked of Claude, and what comes back: the words between agents and gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from axiom.model import Json, content_hash

Effort = Literal["low", "medium", "high"]
Ttl = Literal["5m", "1h"]


@dataclass(frozen=True)
class Question:
    """One question. Two with the same `hash` are the same question, and paid once.

    `system` is ours alone and the same for many questions, so that it is cached;
    all text from outside is in `material`, delimited. `earlier` holds what was
    said before in a repair round: alternating answers of Claude and remarks of ours.
    `ttl` is how long the system prompt is to stay cached; it decides no answer, so it is no
    part of the hash. An hour costs 2 of what the prompt costs, five minutes 1.25, and either
    is read for 0.1 or less: an hour is cheaper once two in five questions come later than
    five minutes and within an hour of the one before.
    """

    prompt: str  # name and version of the system prompt: `company-1`
    system: str
    material: str
    schema: Mapping[str, Json]  # JSON schema of the answer
    model: str
    max_tokens: int
    subjects: tuple[str, ...]  # tickers or headline ids, for the call book
    effort: Effort | None = None
    earlier: tuple[str, ...] = field(default=())
    ttl: Ttl = "5m"

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of everything that decides the answer."""
        return content_hash(
            self.prompt, self.system, self.material, dict(self.schema), self.model,
            self.max_tokens, self.effort, list(self.earlier),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What Claude said. `text` is meant to be JSON, and may be anything.

    `stop_reason` is `end_turn` for a whole answer; a refusal has no text.
    """

    text: str
    stop_reason: str
    model: str
    question_hash: str
    known: bool = False  # from the answer store, not paid again


Ask = Callable[[Question], Answer]
"""Puts a question; the gateway is one. Raises `Refused` when it must wait."""

"""A paid call: for whom it is, what it uses, and what it costs at worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

IMITATION = "imitation-"  # what calls and answers that are not Anthropic's are named by
# answers to a question that cannot be read: each may have been paid, and the next is no better
MOST_UNREADABLE = 3


@dataclass(frozen=True, slots=True)
class Call:
    """An attempt at a question, for whom and at what cost at worst."""

    id: str
    question_hash: str
    attempt: int
    pipeline: str
    run_id: str
    step: str
    subjects: Sequence[str]
    prompt: str
    model: str
    worst_usd: Decimal
    imitation: bool
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of an answer by kind; `thinking_tokens` are a part of the output."""

    input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a question before it is put.

    `answer` has text, stop_reason and model; `limits` are the dollars that a person
    set, by scope: day, pipeline, run. `in_batch`: it is out already, and comes back later.
    `busy_s`: for so long a call may be under way of a worker whose connection is gone.
    `hopeless`: today's answers could not be read, so often that it is not asked again.
    """

    answer: Mapping[str, Any] | None
    attempts: int
    limits: Mapping[str, Decimal] = field(default_factory=dict)
    in_batch: bool = False
    busy_s: float = 0.0
    hopeless: bool = False


# --- batches ---


def batch_call_id(question_hash: str, attempt: int) -> str:
    """Name a call of a batch: a live call of the same number has another reservation."""
    return f"{question_hash}-batch-{attempt}"


def is_of_batch(call_id: str) -> bool:
    """Return whether a call is one of a batch."""
    return "-batch-" in call_id


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question stands on its way through a batch; `reason` says what holds it up."""

    state: str  # queued, submitting, submitted, refused
    reason: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued question: the call that it will be, and whether the budget held it back."""

    call: Call
    age_s: float
    is_held: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """Calls that were handed in together, and nobody noted what became of it."""

    id: str
    begun_at: datetime
    calls: Sequence[Call]

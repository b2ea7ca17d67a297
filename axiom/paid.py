"""A paid call: for whom it is, what it uses, and what it costs at worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


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
    set, by scope: day, pipeline, run.
    """

    answer: Mapping[str, Any] | None
    attempts: int
    limits: Mapping[str, Decimal] = field(default_factory=dict)

"""A gateway as workers have it, and the imitation that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from axiom.analysts.question import Question
from axiom.config import Settings
from axiom.tasks.claude import Claude
from tests.fakes.claude import FakeClaude, fake_claude

SCHEMA = {
    "type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"],
    "additionalProperties": False,
}  # fmt: skip
AMPLE = {"requests": 100_000, "input_tokens": 100_000_000, "output_tokens": 100_000_000}


@pytest.fixture(scope="session")
def shared_fake() -> Iterator[FakeClaude]:
    with fake_claude(limits=AMPLE) as started:
        yield started


@pytest.fixture
def fake(shared_fake: FakeClaude) -> FakeClaude:
    shared_fake.reset()
    return shared_fake


@pytest.fixture
def settings(
    fake: FakeClaude, redis_url: str, postgres_url: str, tmp_path: Path
) -> Callable[..., Settings]:
    def make(**changed: Any) -> Settings:
        given = {
            "data_dir": tmp_path, "redis_url": redis_url, "postgres_url": postgres_url,
            "ANTHROPIC_API_KEY": fake.key, "ANTHROPIC_BASE_URL": fake.base_url,
            "claude_imitation": True, "claude_requests_per_minute": 100_000,
            "claude_input_tokens_per_minute": 100_000_000,
            "claude_output_tokens_per_minute": 100_000_000, "claude_timeout_s": 5,
        }  # fmt: skip
        return Settings(**given | changed)

    return make


@pytest.fixture
def claude(settings: Callable[..., Settings]) -> Claude:
    return Claude(settings())


def question(text: str = "What moves?", **changed: Any) -> Question:
    given: dict[str, Any] = {
        "prompt": "test-1", "system": "Answer in a word. " * 150, "material": text,
        "schema": SCHEMA, "model": "claude-haiku-5-5", "max_tokens": 200, "subjects": ("AAPL",),
    }  # fmt: skip
    return Question(**given | changed)


def spent_usd(fake: FakeClaude) -> Decimal:
    """What the imitation's own books say."""
    return Decimal(sum(row["nano_dollars"] for row in fake.books() if row["answered"])) / 10**9

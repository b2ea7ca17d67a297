"""What the tests ask the imitation by the real SDK."""

from __future__ import annotations

import time
from typing import Any, Literal

import anthropic
from pydantic import BaseModel, Field

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
LONG = "You read headlines. " * 200  # 1000 tokens


def ask(client: Any, text: str = "What is new?", **more: Any) -> Any:
    asked = {"model": HAIKU, "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    return client.messages.create(**(asked | more))


def cached(text: str = LONG, **control: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"} | control}]


class Finding(BaseModel):
    name: str = Field(min_length=12, max_length=14)
    kind: Literal["earnings", "product"]
    score: float = Field(ge=-1, le=-0.5)
    share: float = Field(gt=0, lt=1)
    count: int = Field(ge=3, le=4)
    note: str | None
    parts: list[Finding] = Field(max_length=2)


class Findings(BaseModel):
    findings: list[Finding] = Field(min_length=2, max_length=5)
    total: int = Field(ge=1)


def structured(model: type[BaseModel]) -> dict[str, Any]:
    schema = anthropic.transform_schema(model)
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def limited(**limits: Any) -> dict[str, Any]:
    none = {"requests": None, "input_tokens": None, "output_tokens": None}
    return {"limits": none | limits, "remaining_rounded_to": 1}


def batch_of(*texts: str, **more: Any) -> list[Any]:
    return [
        {
            "custom_id": f"q-{n}",
            "params": {
                "model": HAIKU, "max_tokens": 50, "messages": [{"role": "user", "content": text}],
            } | more,
        }
        for n, text in enumerate(texts)
    ]  # fmt: skip


def ended(client: Any, name: str) -> Any:
    deadline = time.monotonic() + 5
    while (batch := client.messages.batches.retrieve(name)).processing_status != "ended":
        assert time.monotonic() < deadline
    return batch

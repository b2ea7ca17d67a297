"""A deterministic count of tokens: so many UTF-8 bytes are one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Ttl = Literal["5m", "1h"]


@dataclass(frozen=True)
class Block:
    """A piece of a prompt, and whether the cache is to remember up to here."""

    identity: str
    tokens: int
    ttl: Ttl | None = None


def count(text: str, bytes_per_token: float) -> int:
    """The tokens of a text."""
    return math.ceil(len(text.encode()) / bytes_per_token)


def cut(text: str, tokens: int, bytes_per_token: float) -> str:
    """The beginning of a text that has at most so many tokens."""
    return text.encode()[: int(tokens * bytes_per_token)].decode(errors="ignore")


def format_of(request: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that the answer is to follow."""
    wanted = (request.get("output_config") or {}).get("format")
    return wanted["schema"] if wanted else None


def format_tokens(request: dict[str, Any], bytes_per_token: float) -> int:
    """What the schema adds to the prompt."""
    schema = format_of(request)
    return count(json.dumps(schema, separators=(",", ":")), bytes_per_token) if schema else 0


def blocks(request: dict[str, Any], bytes_per_token: float) -> list[Block]:
    """The prompt in the order of the cache: system, then messages."""
    found = [
        Block(f"{place}\0{part['text']}", count(part["text"], bytes_per_token), _ttl(part))
        for place, part in _parts(request)
    ]
    if found and (ttl := _ttl(request)):  # asked of the request as a whole: its last block
        found[-1] = Block(found[-1].identity, found[-1].tokens, found[-1].ttl or ttl)
    return found


def _parts(request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in _as_blocks(request.get("system") or []):
        yield "system", part
    for message in request["messages"]:
        for part in _as_blocks(message["content"]):
            yield message["role"], part


def _as_blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _ttl(holder: dict[str, Any]) -> Ttl | None:
    control = holder.get("cache_control")
    ttl: Ttl | None = control.get("ttl", "5m") if control else None
    return ttl

"""The schema of an answer, as small as the API takes it: it is paid with every question."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from axiom.model import Json

# structured output enforces none of the bounds; the models check them when they read
_UNSENT = frozenset(
    ("title", "description", "default", "minimum", "maximum", "minLength", "maxLength")
)


class Form(BaseModel):
    """A part of an answer: nothing is converted, nothing unknown is let in."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def schema_of(model: type[Form]) -> dict[str, Json]:
    """Return a model's JSON schema with its parts in place, without bounds and remarks."""
    raw = model.model_json_schema()
    parts = raw.pop("$defs", {})
    found: dict[str, Json] = _small(raw, parts)
    return found


def _small(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_small(each, parts) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _small(parts[node["$ref"].rpartition("/")[2]], parts)
    return {
        key: {name: _small(each, parts) for name, each in value.items()}
        if key == "properties"
        else _small(value, parts)
        for key, value in node.items()
        if key not in _UNSENT
    }

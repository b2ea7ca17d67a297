"""Which JSON schemas structured output takes: no bounds, no open objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from axiom.embedded.fake_claude.errors import invalid

_ANYWHERE = frozenset(
    ("type", "description", "title", "default", "enum", "const", "anyOf", "allOf", "$ref",
     "$defs", "definitions", "$schema", "$id")
)  # fmt: skip
_BY_TYPE = {
    "object": frozenset(("properties", "required", "additionalProperties")),
    "array": frozenset(("items", "minItems")),
    "string": frozenset(("format", "pattern")),
}
_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)
_NESTED = ("$defs", "definitions", "properties")


def check_schema(schema: dict[str, Any]) -> None:
    """Refuse a schema as the API does; `anthropic.transform_schema` makes one that passes."""
    for node in _nodes(schema):
        _check_node(node)


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        raise _refused("a schema must be an object")
    yield schema
    for key in _NESTED:
        for child in schema.get(key, {}).values():
            yield from _nodes(child)
    for key in ("anyOf", "allOf"):
        for child in schema.get(key, []):
            yield from _nodes(child)
    if "items" in schema:
        yield from _nodes(schema["items"])


def _check_node(node: dict[str, Any]) -> None:
    kind = node.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    known = _ANYWHERE.union(*(_BY_TYPE.get(k, frozenset()) for k in kinds if k))
    if unknown := sorted(node.keys() - known):
        raise _refused(f"For {kind!r} type, properties {', '.join(unknown)} are not supported")
    if "object" in kinds and node.get("additionalProperties") is not False:
        raise _refused("For 'object' type, 'additionalProperties' must be explicitly set to false")
    if node.get("minItems", 0) not in (0, 1):
        raise _refused("For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if node.get("format") is not None and node["format"] not in _FORMATS:
        raise _refused(f"For 'string' type, format {node['format']!r} is not supported")


def _refused(problem: str) -> Exception:
    return invalid(f"output_config.format.schema: {problem}")

"""The default answer: the smallest thing that the asked schema allows, made up from the prompt."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from axiom.embedded.fake_claude.tokens import format_of

Answer = Callable[[dict[str, Any]], str]
_DEEP = 6  # below this, recursion is ended wherever the schema allows it
_FORMATS = {
    "date-time": "2020-01-02T03:04:05Z",
    "date": "2020-01-02",
    "time": "03:04:05Z",
    "duration": "P1D",
    "email": "fake@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
# what `anthropic.transform_schema` moves into the description: {minimum: 0, maximum: 1}
_HINT = re.compile(
    r"(minimum|maximum|exclusiveMinimum|exclusiveMaximum|multipleOf|minLength|maxLength"
    r"|minItems|maxItems): (-?[\d.]+(?:e-?\d+)?)"
)


def load(name: str | None) -> Answer:
    """The function that answers; `module:function`."""
    if name is None:
        return default
    module, _, function = name.partition(":")
    found: Answer = getattr(importlib.import_module(module), function)
    return found


def default(request: dict[str, Any]) -> str:
    """Answer any request, the same one always alike."""
    seed = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    schema = format_of(request)
    if schema is None:
        return f"An answer that was made up on this machine ({seed[:8]})."
    return json.dumps(instance(schema, random.Random(seed)), separators=(",", ":"))


def instance(schema: Mapping[str, Any], rng: random.Random) -> Any:
    """A small valid instance of a JSON schema."""
    return _Maker(schema, rng).make(schema, 0)


class _Maker:
    def __init__(self, root: Mapping[str, Any], rng: random.Random) -> None:
        self._root, self._rng = root, rng
        self._by_type: dict[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object, "array": self._array, "string": self._string,
            "integer": self._integer, "number": self._number,
            "boolean": lambda _schema, _depth: rng.random() < 0.5,
            "null": lambda _schema, _depth: None,
        }  # fmt: skip

    def make(self, schema: Mapping[str, Any], depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._rng.choice(schema["enum"])
        if variants := schema.get("anyOf") or schema.get("oneOf"):
            return self.make(self._one_of(variants, depth), depth)
        return self._by_type[self._type(schema, depth)](schema, depth)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        merged = dict(schema)
        while ref := merged.pop("$ref", None):
            merged = {**self._at(ref), **merged}
        for part in merged.pop("allOf", []):
            found = self._resolved(part)
            properties = merged.get("properties", {}) | found.get("properties", {})
            required = [*merged.get("required", []), *found.get("required", [])]
            merged = {**found, **merged}
            if properties:
                merged |= {"properties": properties, "required": required}
        return merged

    def _at(self, ref: str) -> Mapping[str, Any]:
        node: Any = self._root
        for part in ref.removeprefix("#").strip("/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")] if part else node
        found: Mapping[str, Any] = node
        return found

    def _one_of(self, variants: list[Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
        simple = [v for v in variants if v.get("type") not in ("object", "array", None)]
        return self._rng.choice(simple if simple and depth > _DEEP else variants)

    def _type(self, schema: Mapping[str, Any], depth: int) -> str:
        kind = schema.get("type") or ("object" if "properties" in schema else "string")
        if isinstance(kind, str):
            return kind
        picked: str = "null" if "null" in kind and depth > _DEEP else self._rng.choice(kind)
        return picked

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        known = schema.get("properties", {})
        return {name: self.make(known.get(name, {}), depth + 1)
                for name in schema.get("required", [])}  # fmt: skip

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        bounds = _bounds(schema)
        least = int(bounds.get("minItems", 0))
        wanted = least or (0 if depth > _DEEP else self._rng.randint(0, 1))
        length = min(wanted, int(bounds.get("maxItems", wanted)))
        return [self.make(schema.get("items", {}), depth + 1) for _ in range(length)]

    def _string(self, schema: Mapping[str, Any], _depth: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        bounds = _bounds(schema)
        text = f"fake {self._rng.randrange(16**6):06x}".ljust(int(bounds.get("minLength", 0)), ".")
        return text[: int(bounds["maxLength"])] if "maxLength" in bounds else text

    def _integer(self, schema: Mapping[str, Any], _depth: int) -> int:
        bounds = _bounds(schema)
        low = math.ceil(bounds.get("minimum", min(0, bounds.get("maximum", 0) - 100)))
        if "exclusiveMinimum" in bounds:
            low = max(low, math.floor(bounds["exclusiveMinimum"]) + 1)
        high = math.floor(bounds.get("maximum", low + 100))
        if "exclusiveMaximum" in bounds:
            high = min(high, math.ceil(bounds["exclusiveMaximum"]) - 1)
        step = int(bounds.get("multipleOf", 1)) or 1
        first = math.ceil(low / step) * step
        return self._rng.randrange(first, max(first, high) + 1, step)

    def _number(self, schema: Mapping[str, Any], _depth: int) -> float:
        bounds = _bounds(schema)
        low = max(bounds.get("minimum", -math.inf), bounds.get("exclusiveMinimum", -math.inf))
        high = min(bounds.get("maximum", math.inf), bounds.get("exclusiveMaximum", math.inf))
        if low == -math.inf:
            low = min(0.0, high - 1.0) if high < math.inf else 0.0
        high = min(high, low + 1.0) if high == math.inf else high
        if low == high:
            return float(low)
        return low + (high - low) * (0.05 + 0.9 * self._rng.random())


def _bounds(schema: Mapping[str, Any]) -> dict[str, float]:
    """The schema's own bounds, and those that its description tells."""
    told = {key: float(value) for key, value in _HINT.findall(schema.get("description", ""))}
    names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
             "minLength", "maxLength", "minItems", "maxItems")  # fmt: skip
    return told | {key: float(schema[key]) for key in names if key in schema}

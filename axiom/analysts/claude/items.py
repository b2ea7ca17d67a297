"""Read one item of an answer by its model, and say in a word why it is of no use."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from axiom.analysts.claude.interview import OFF_SCHEMA
from axiom.analysts.claude.schema import Form
from axiom.model import Json

F = TypeVar("F", bound=Form)
_REASONS = {
    "literal_error": "type_not_allowed",
    "less_than_equal": "out_of_bounds",
    "greater_than_equal": "out_of_bounds",
    "string_too_long": "too_long",
}


def read(model: type[F], item: Json) -> F | str:
    """Return the item, or the reason."""
    try:
        return model.model_validate(item)
    except ValidationError as error:
        kinds = {each["type"] for each in error.errors(include_url=False, include_input=False)}
        known = {_REASONS.get(kind, OFF_SCHEMA) for kind in kinds}
        return OFF_SCHEMA if OFF_SCHEMA in known else min(known)


def number_of(item: Json) -> int | None:
    """The line that an item says it is about."""
    found = item.get("i") if isinstance(item, dict) else None
    return found if type(found) is int else None

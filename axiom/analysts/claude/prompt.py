"""System prompts: files with a version in their name, and the schema of their answers.

Another wording is another version: add a file, and name it below. Answers of
different prompts are told apart by `prompt_hash`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from axiom.analysts.claude.answers import CompanyAnswer, EventsAnswer, ExplainAnswer
from axiom.analysts.claude.schema import Form, schema_of
from axiom.model import Json, content_hash


@dataclass(frozen=True)
class Prompt:
    """What stays the same over many questions."""

    name: str
    system: str
    schema: Mapping[str, Json]

    def hash(self, model: str) -> str:
        """Changes when a model would be asked otherwise."""
        return content_hash(self.name, self.system, dict(self.schema), model)[:16]


@cache
def company() -> Prompt:
    """Read a profile."""
    return _load("company-1", CompanyAnswer)


@cache
def events() -> Prompt:
    """Classify headlines."""
    return _load("events-2", EventsAnswer)


@cache
def explain() -> Prompt:
    """Explain changes."""
    return _load("explain-1", ExplainAnswer)


def _load(name: str, answer: type[Form]) -> Prompt:
    text = files("axiom.analysts.claude").joinpath("prompts", f"{name}.md").read_text("utf-8")
    return Prompt(name, text, schema_of(answer))

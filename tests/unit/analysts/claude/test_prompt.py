"""What is the same in every question."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from axiom.analysts.claude import prompt
from axiom.analysts.claude.answers import CompanyAnswer, EventsAnswer, ExplainAnswer, Taxonomy
from axiom.analysts.claude.schema import Form
from axiom.embedded.fake_claude.schema import check_schema
from axiom.model import EdgeType, EventType

PROMPTS = [prompt.company(), prompt.events(), prompt.explain()]


@pytest.mark.parametrize("asked", PROMPTS, ids=lambda p: p.name)
def test_a_prompt_is_long_enough_to_be_cached_and_says_nothing_of_the_day(
    asked: prompt.Prompt,
) -> None:
    assert len(asked.system.encode()) / 5 > 512  # tokens, at more bytes a token than English has
    assert len(asked.system.encode()) / 4 < 1000
    assert not re.search(r"\b(19|20)\d\d\b|\{\w+\}", asked.system)


def test_the_prompts_define_every_label_and_no_other() -> None:
    company, events, _ = (each.system for each in PROMPTS)
    unread = {EdgeType.AFFECTED_BY, EdgeType.CORRELATED_WITH}
    assert set(re.findall(r"^- ([A-Z_]+):", company, re.M)) == set(EdgeType) - unread
    assert set(re.findall(r"^- ([a-z_]+):", events, re.M)) == set(EventType)
    assert set(Taxonomy.__args__) == set(EventType)  # type: ignore[attr-defined]


@pytest.mark.parametrize("answer", [CompanyAnswer, EventsAnswer, ExplainAnswer])
def test_the_schema_is_one_that_the_sdk_would_send_but_smaller(answer: type[Form]) -> None:
    import anthropic

    ours = prompt.schema_of(answer)
    check_schema(ours)
    theirs = anthropic.transform_schema(answer)
    assert len(json.dumps(ours)) < 0.8 * len(json.dumps(theirs))
    assert set(ours["properties"]) == set(theirs["properties"])
    assert ours["required"] == theirs["required"]


@pytest.mark.parametrize("asked", PROMPTS, ids=lambda p: p.name)
def test_the_example_in_a_prompt_follows_its_own_schema(asked: prompt.Prompt) -> None:
    models = {"company-1": CompanyAnswer, "events-2": EventsAnswer, "explain-1": ExplainAnswer}
    [example] = re.findall(r'^\{".*\}$', asked.system, re.M)
    models[asked.name].model_validate_json(example)


def test_the_hash_is_of_the_words_the_schema_and_the_model() -> None:
    hashes = {p.hash(model) for p in PROMPTS for model in ("a", "b")}
    assert len(hashes) == 6


def test_importing_the_analyst_imports_neither_sdk_nor_langgraph() -> None:
    code = "import sys, axiom.analysts.claude as c; c.ClaudeAnalyst(print).company_prompt_hash; "
    code += "print([m for m in ('anthropic', 'langgraph', 'numpy') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

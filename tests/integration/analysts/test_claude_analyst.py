"""The Claude analyst through the real SDK, against the imitation of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from axiom.analysts.claude import ClaudeAnalyst, Models
from axiom.analysts.local import LocalAnalyst
from axiom.analysts.question import Answer, Question
from axiom.pipelines.findings import validate_findings
from axiom.pipelines.judged import valid_classifications
from axiom.providers.replay import Replay
from axiom.providers.universe import load_universe
from tests.fakes.claude import FakeClaude, fake_claude
from tests.unit.analysts.claude.scripted import MOVED, OTHER, headline

HEADLINES = [
    (headline("Apple sues Google over patents"), ["AAPL", "GOOG"]),
    (headline("Pfizer beats expectations with record quarterly profit"), ["PFE"]),
    (headline("An unusual day in Atlanta"), ["KO"]),
]
UNIVERSE = load_universe()
NAMES = {c.ticker: (c.name, *c.aliases) for c in UNIVERSE.companies}
PROFILES = [Replay(lambda at: at).fetch_profile(c.ticker) for c in UNIVERSE.companies[:3]]


class Direct:
    """An `ask` that puts the question as the gateway does, and nothing else."""

    def __init__(self, client: Any) -> None:
        self.client, self.usage, self.max_tokens = client, list[Any](), list[int]()

    def __call__(self, question: Question) -> Answer:
        said = [question.material, *question.earlier]
        config: dict[str, Any] = {
            "format": {"type": "json_schema", "schema": dict(question.schema)}
        }
        if question.effort:
            config["effort"] = question.effort
        message = self.client.messages.create(
            model=question.model,
            max_tokens=question.max_tokens,
            system=[{
                "type": "text", "text": question.system, "cache_control": {"type": "ephemeral"},
            }],
            messages=[
                {"role": ("user", "assistant")[n % 2], "content": text}
                for n, text in enumerate(said)
            ],
            output_config=config,
        )  # fmt: skip
        self.usage.append(message.usage)
        self.max_tokens.append(question.max_tokens)
        text = "".join(block.text for block in message.content if block.type == "text")
        return Answer(text, message.stop_reason, question.model, question.hash)


@pytest.fixture(scope="module")
def _running() -> Iterator[FakeClaude]:
    with fake_claude(answer="axiom.embedded.fake_claude.analyst:answer") as fake:
        yield fake


@pytest.fixture
def fake(_running: FakeClaude) -> FakeClaude:
    _running.reset()
    return _running


@pytest.fixture
def ask(fake: FakeClaude) -> Iterator[Direct]:
    with fake.client() as client:
        yield Direct(client)


def test_companies_are_read_and_the_prompt_is_cached(ask: Direct) -> None:
    analyst, local = ClaudeAnalyst(ask), LocalAnalyst()
    for profile in PROFILES:
        said = analyst.analyse_company(profile)
        assert said.results == local.analyse_company(profile).results
        assert validate_findings(said.results, profile.text) == (said.results, 0)
        assert (said.dropped, said.refused) == ({}, None)
    written = [usage.cache_creation_input_tokens for usage in ask.usage]
    read = [usage.cache_read_input_tokens for usage in ask.usage]
    assert written[0] == read[1] == read[2] > 512
    assert written[1:] == [0, 0]


def test_headlines_are_classified_and_the_unsure_escalated(ask: Direct) -> None:
    analyst = ClaudeAnalyst(ask)
    said = analyst.classify(HEADLINES)
    again = analyst.classify(HEADLINES)
    assert said == again
    assert [each.analyst for each in said.results] == [
        Models().small, Models().small, Models().large,
    ]  # fmt: skip
    assert [each.type for each in said.results] == ["legal_regulatory", "earnings", "other"]
    assert said.results[1].sentiment["PFE"].score > 0
    assert valid_classifications(said.results, HEADLINES) == said.results
    assert [usage.cache_read_input_tokens > 0 for usage in ask.usage] == [False, False, True, True]


def test_changes_are_explained_in_claims_that_hold(ask: Direct) -> None:
    analyst = ClaudeAnalyst(ask, names=NAMES)
    said = analyst.explain([MOVED, OTHER])
    analyst.explain([OTHER])
    assert [each.analyst for each in said.results] == [Models().large] * 2
    assert said.dropped == {}
    assert ask.usage[1].cache_read_input_tokens == ask.usage[0].cache_creation_input_tokens > 512


@pytest.mark.parametrize(
    "step", [{"fault": "malformed"}, {"fault": "off_schema"}, {"text": '{"f":[{"t":"MAKES"'}]
)
def test_an_answer_of_no_use_is_mended(fake: FakeClaude, ask: Direct, step: Any) -> None:
    fake.control(script=[step])
    said = ClaudeAnalyst(ask).analyse_company(PROFILES[0])
    assert len(said.results) > 5
    assert (len(ask.usage), said.refused) == (2, None)
    assert ask.usage[1].cache_read_input_tokens > 512


def test_an_answer_that_was_cut_off_gets_more_room(fake: FakeClaude, ask: Direct) -> None:
    fake.control(script=[{"text": json.dumps({"f": ["x" * 10_000]})}])
    said = ClaudeAnalyst(ask).analyse_company(PROFILES[0])
    assert len(said.results) > 5
    assert [row["stop_reason"] for row in fake.books()] == ["max_tokens", "end_turn"]
    first, second = ask.max_tokens
    assert second == 2 * first


def test_a_refusal_is_recorded_and_the_next_company_is_read(fake: FakeClaude, ask: Direct) -> None:
    fake.control(script=[{"fault": "refusal"}])
    analyst = ClaudeAnalyst(ask)
    assert analyst.analyse_company(PROFILES[0]).refused == "refusal"
    assert analyst.analyse_company(PROFILES[1]).refused is None


@pytest.mark.parametrize("fault", ["malformed", "off_schema", "refusal"])
def test_what_stays_of_no_use_is_recorded_for_each_question(
    fake: FakeClaude, ask: Direct, fault: str
) -> None:
    fake.control(script=[{"next": 10, "fault": fault}])
    analyst = ClaudeAnalyst(ask)
    said = analyst.classify(HEADLINES)
    assert (said.results, said.dropped, said.refused) == ([], {fault: 3}, fault)
    told = analyst.explain([MOVED])
    assert ([each.analyst for each in told.results], told.dropped) == (["local"], {fault: 1})


def test_the_cost_of_each_question(fake: FakeClaude, ask: Direct) -> None:
    """A bound on what a company, a headline and an explanation cost beside the naive design."""
    analyst = ClaudeAnalyst(ask)
    many = [(headline(f"Apple sues Google over patents, round {n}"), ["AAPL"]) for n in range(40)]
    analyst.classify(many)
    [usage] = ask.usage
    assert usage.cache_creation_input_tokens + usage.input_tokens < 40 * 60
    assert usage.output_tokens < 40 * 30

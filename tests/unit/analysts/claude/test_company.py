"""What of an answer about a company becomes a finding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from axiom.analysts.claude import ClaudeAnalyst, Models
from axiom.model import EdgeType
from axiom.pipelines.findings import Finding, validate_findings
from tests.unit.analysts.claude.scripted import PROFILE, Scripted, edge


def test_facts_with_evidence_become_findings() -> None:
    ask = Scripted({"f": [
        edge("LEADS", "Tim Cook ( CEO )", "Tim Cook", 98),
        edge("HEADQUARTERED_IN", "Cupertino, California , US", "United States"),
        edge("MAKES", "iPad"),
    ]})  # fmt: skip
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert said.results == [
        Finding(EdgeType.LEADS, "Tim Cook", "Tim Cook ( CEO )", 0.98),
        Finding(EdgeType.HEADQUARTERED_IN, "United States", "Cupertino, California , US", 0.9),
        Finding(EdgeType.MAKES, "iPad", "iPad", 0.9),
    ]
    assert (said.dropped, len(ask.questions)) == ({}, 1)
    assert validate_findings(said.results, PROFILE.text) == (said.results, 0)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (edge("LEADS", "Tim  Cook ( CEO )", "Tim Cook"), "span_not_in_text"),
        (edge("MAKES", " "), "span_not_in_text"),
        (edge("OWNS", "iPad", "Microsoft"), "name_not_in_span"),
        (edge("HEADQUARTERED_IN", "California", "United States"), "name_not_in_span"),
        (edge("HEADQUARTERED_IN", "Cupertino", "France"), "name_not_in_span"),
        (edge("AFFECTED_BY", "iPad"), "type_not_allowed"),
        (edge("CORRELATED_WITH", "iPad"), "type_not_allowed"),
        (edge("DROP", "iPad"), "type_not_allowed"),
        (edge("MAKES", "iPad", c=101), "out_of_bounds"),
        (edge("MAKES", "iPad", c=-1), "out_of_bounds"),
        (edge("MAKES", "iPad", "x" * 101), "too_long"),
        (edge("LEADS", "Tim Cook ( CEO )", "Tim Cook\u202e"), "name_unusable"),
        (edge("MAKES", "iPad") | {"admin": True}, "off_schema"),
        (edge("MAKES", "iPad") | {"c": "90"}, "off_schema"),
        ("MAKES iPad", "off_schema"),
        (None, "off_schema"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_mended_or_dropped_with_its_reason(wrong: object, why: str) -> None:
    mended = Scripted({"f": [wrong, edge("MAKES", "iPhone")]}, {"f": [edge("MAKES", "iPad")]})
    said = ClaudeAnalyst(mended).analyse_company(PROFILE)
    assert ({f.other for f in said.results}, said.dropped) == ({"iPad", "iPhone"}, {})
    remark = mended.questions[1].earlier[1]
    assert "1: " in remark
    assert "iPad" not in remark  # what came from outside is not said in our words
    dropped = Scripted({"f": [wrong, edge("MAKES", "iPhone")]}, {"f": []})
    said = ClaudeAnalyst(dropped).analyse_company(PROFILE)
    assert ([f.other for f in said.results], said.dropped) == (["iPhone"], {why: 1})
    assert len(dropped.questions) == 2


def test_what_is_unsure_is_dropped_without_asking_again() -> None:
    ask = Scripted({"f": [edge("MAKES", "iPad", c=30), edge("MAKES", "iPhone")]})
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert ([f.other for f in said.results], said.dropped) == (["iPhone"], {"unsure": 1})


def test_what_was_mended_and_is_unsure_is_dropped_once() -> None:
    ask = Scripted({"f": [edge("MAKES", "Mac")]}, {"f": [edge("MAKES", "iPad", c=30)]})
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert (said.results, said.dropped) == ([], {"unsure": 1})


def test_what_is_wrong_again_is_dropped() -> None:
    ask = Scripted({"f": [edge("MAKES", "Mac")]}, {"f": [edge("MAKES", "Mac"), edge("MAKES", "")]})
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert (said.results, said.dropped) == ([], {"span_not_in_text": 1, "off_schema": 1})


@pytest.mark.parametrize("name", ["x'}) DETACH DELETE (n) //", "a;b", "$name", "a{b}", "----"])
def test_a_name_that_looks_like_code_is_no_name(name: str) -> None:
    profile = replace(PROFILE, text=f"Products: {name}")
    ask = Scripted({"f": [edge("MAKES", name)]}, {"f": []})
    said = ClaudeAnalyst(ask).analyse_company(profile)
    assert (said.results, said.dropped) == ([], {"name_unusable": 1})


def test_one_fact_twice_is_one() -> None:
    ask = Scripted({"f": [edge("MAKES", "iPad"), edge("MAKES", "iPad iPhone", "iPad")]})
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert (len(said.results), said.dropped) == (1, {"repeated": 1})


def test_a_long_profile_is_cut_and_invisible_characters_are_left_out() -> None:
    text = "Products: i\u200bPad\x00 \u202eevil\U000e0041\n" + "x" * 20_000 + " Late"
    ask = Scripted({"f": [edge("MAKES", "Late"), edge("MAKES", "iPad")]}, {"f": []})
    said = ClaudeAnalyst(ask).analyse_company(replace(PROFILE, text=text))
    material = ask.questions[0].material
    assert material.isascii()
    assert "iPad evil\\n" in material
    assert len(material) < 12_100
    # neither what was not shown nor what is not in the source is evidence
    assert (said.results, said.dropped) == ([], {"span_not_in_text": 2})


def test_a_ticker_that_cannot_be_one_is_not_asked_about() -> None:
    ask = Scripted()
    said = ClaudeAnalyst(ask).analyse_company(replace(PROFILE, ticker="A'); DROP"))
    assert (said.results, said.refused, ask.questions) == ([], "ticker_unusable", [])


def test_the_question_is_small_and_names_its_subject() -> None:
    ask = Scripted({"f": []})
    ClaudeAnalyst(ask, Models(large="big")).analyse_company(PROFILE)
    [question] = ask.questions
    assert (question.subjects, question.model, question.prompt) == (("AAPL",), "big", "company-1")
    assert question.max_tokens <= 600


def test_the_prompt_hash_changes_with_the_model() -> None:
    one, two = (ClaudeAnalyst(Scripted(), Models(large=name)) for name in ("a", "b"))
    assert (one.name, two.name) == ("a", "b")
    assert one.company_prompt_hash != two.company_prompt_hash
    assert (
        one.company_prompt_hash == ClaudeAnalyst(Scripted(), Models("x", "a")).company_prompt_hash
    )

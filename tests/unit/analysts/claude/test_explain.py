"""Explanations say what is stored, or the template does."""

from __future__ import annotations

import pytest

from axiom.analysts import local_explain
from axiom.analysts.claude import ClaudeAnalyst, Models
from axiom.analysts.claude.explain import BATCH
from axiom.errors import BudgetSpent, InBatch
from tests.unit.analysts.claude.scripted import MOVED, OTHER, Scripted

FIRST = "AAPL and MSFT move more closely: from 0.10 to 0.62 over 58 days."
SECOND = "KO and PEP now move together, with a 95% interval from 0.30 to 0.70."
LARGE = Models().large


def texts(*said: tuple[int, str]) -> object:
    return {"e": [{"i": i, "x": x} for i, x in said]}


def test_all_changes_are_explained_in_one_question() -> None:
    ask = Scripted(texts((2, SECOND), (1, FIRST)))
    said = ClaudeAnalyst(ask).explain([MOVED, OTHER])
    assert [(e.a, e.b, e.kind, e.text, e.analyst) for e in said.results] == [
        ("AAPL", "MSFT", "moved", FIRST, LARGE), ("KO", "PEP", "new", SECOND, LARGE),
    ]  # fmt: skip
    assert said.dropped == {}
    [question] = ask.questions
    assert question.subjects == ("AAPL", "MSFT", "KO", "PEP")
    assert question.material == (
        '[1,"moved","AAPL","MSFT","pearson",58,[0.62,0.43,0.76,0.012],[0.10,-0.15,0.35,0.610]]\n'
        '[2,"new","KO","PEP","spearman",60,[0.50,0.30,0.70,0.010],null]'
    )


def test_a_claim_that_is_not_stored_is_mended_once() -> None:
    ask = Scripted(texts((1, FIRST.replace("0.62", "0.73")), (2, SECOND)), texts((1, FIRST)))
    said = ClaudeAnalyst(ask).explain([MOVED, OTHER])
    assert [e.text for e in said.results] == [FIRST, SECOND]
    assert said.dropped == {}
    assert "1: the number 0.73 is not stored" in ask.questions[1].earlier[1]


def test_what_is_wrong_again_is_said_by_the_template_and_marked_local() -> None:
    ask = Scripted(
        texts((1, "Due to Nvidia, AAPL and MSFT doubled.")),
        texts((1, "AAPL and MSFT: 99%"), (2, SECOND), (9, FIRST)),
    )
    said = ClaudeAnalyst(ask).explain([MOVED, OTHER])
    assert said.results[0] == local_explain.explain(MOVED)
    assert [e.analyst for e in said.results] == ["local", LARGE]
    assert said.results[0].prompt_hash != said.results[1].prompt_hash
    assert said.dropped == {"claim_not_stored": 1, "not_asked": 1}


def test_texts_that_were_swapped_do_not_hold() -> None:
    swapped = texts((1, SECOND), (2, FIRST))
    said = ClaudeAnalyst(Scripted(swapped, swapped)).explain([MOVED, OTHER])
    assert [e.analyst for e in said.results] == ["local", "local"]
    assert said.dropped == {"claim_not_stored": 2}


def test_after_a_refusal_all_is_said_locally() -> None:
    said = ClaudeAnalyst(Scripted(("", "refusal"))).explain([MOVED, OTHER])
    assert said.results == [local_explain.explain(c) for c in (MOVED, OTHER)]
    assert (said.dropped, said.refused) == ({"refusal": 2}, "refusal")


def test_the_second_round_does_not_change_what_held() -> None:
    ask = Scripted(texts((1, FIRST), (2, "x")), texts((1, "AAPL and MSFT part."), (2, SECOND)))
    said = ClaudeAnalyst(ask).explain([MOVED, OTHER])
    assert [e.text for e in said.results] == [FIRST, SECOND]


def test_no_change_is_not_asked_about() -> None:
    assert ClaudeAnalyst(Scripted()).explain([]).results == []


def test_all_parts_are_queued_before_the_step_waits_for_their_batch() -> None:
    ask = Scripted(InBatch(), InBatch(), InBatch())
    with pytest.raises(InBatch):
        ClaudeAnalyst(ask).explain([MOVED] * (2 * BATCH + 1))
    assert len(ask.questions) == 3


def test_no_further_part_is_asked_once_the_budget_is_spent() -> None:
    ask = Scripted(BudgetSpent("no"))
    with pytest.raises(BudgetSpent):
        ClaudeAnalyst(ask).explain([MOVED] * (BATCH + 1))
    assert len(ask.questions) == 1

"""One question, one round to mend it, and what is recorded when that does not help."""

from __future__ import annotations

import pytest

from axiom.analysts.claude import ClaudeAnalyst
from axiom.errors import TransientError
from tests.unit.analysts.claude.scripted import PROFILE, Scripted, edge

GOOD = {"f": [edge("LEADS", "Tim Cook ( CEO )", "Tim Cook")]}
UNREADABLE = [
    ("malformed", '{"f": ['),
    ("malformed", ""),
    ("malformed", "[" * 100_000),
    ("malformed", '{"f": ' + "9" * 5_000 + "}"),
    ("off_schema", {"g": []}),
    ("off_schema", {"f": [], "note": "hello"}),
    ("off_schema", {"f": "none"}),
    ("off_schema", []),
    ("cut_off", ('{"f": [{"t"', "max_tokens")),
    ("cut_off", ('{"f": []}', "pause_turn")),
]


@pytest.mark.parametrize(("why", "reply"), UNREADABLE)
def test_an_unreadable_answer_is_asked_for_again_once(why: str, reply: object) -> None:
    ask = Scripted(reply, GOOD)
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert ([f.other for f in said.results], said.dropped, said.refused) == (["Tim Cook"], {}, None)
    first, again = ask.questions
    assert first.earlier == ()
    assert len(again.earlier) == 2
    assert all(again.earlier)
    assert (again.material, again.system, again.schema) == (
        first.material, first.system, first.schema,
    )  # fmt: skip
    assert again.max_tokens == first.max_tokens * (2 if why == "cut_off" else 1)
    assert again.hash != first.hash


@pytest.mark.parametrize(("why", "reply"), UNREADABLE)
def test_what_stays_unreadable_is_a_recorded_refusal(why: str, reply: object) -> None:
    ask = Scripted("nonsense", reply)
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert (said.results, said.refused) == ([], why)


def test_a_refusal_is_not_asked_again() -> None:
    ask = Scripted(("", "refusal"))
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert (said.results, said.refused, len(ask.questions)) == ([], "refusal", 1)


def test_a_refusal_to_mend_leaves_what_held() -> None:
    ask = Scripted({"f": [*GOOD["f"], edge("MAKES", "Cheese")]}, ("", "refusal"))
    said = ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert [f.other for f in said.results] == ["Tim Cook"]
    assert said.dropped == {"span_not_in_text": 1, "repair_refusal": 1}
    assert said.refused is None


@pytest.mark.parametrize("error", [TransientError("wait"), ValueError("a bad request")])
def test_an_error_goes_to_the_caller_at_once(error: Exception) -> None:
    ask = Scripted(error)
    with pytest.raises(type(error)):
        ClaudeAnalyst(ask).analyse_company(PROFILE)
    assert len(ask.questions) == 1

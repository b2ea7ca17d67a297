"""A question, what is wrong with its answer, and one chance to mend it: a LangGraph agent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Generic, TypedDict, cast

from axiom.analysts.question import Answer, Ask, Question
from axiom.model import Json, T

MALFORMED, OFF_SCHEMA, CUT_OFF, REFUSAL = "malformed", "off_schema", "cut_off", "refusal"
_STOPS = {
    "end_turn": None, "refusal": REFUSAL, "max_tokens": CUT_OFF,
    "model_context_window_exceeded": CUT_OFF,
}  # fmt: skip
_LONGEST = 400_000  # characters of an answer that are looked at
_QUOTED = 4_000  # characters of an unreadable answer that are sent back
_REMARKS = {
    MALFORMED: "Your answer was not JSON. Answer again, with JSON of the schema and nothing else.",
    OFF_SCHEMA: "Your answer did not follow the schema. Answer again, with JSON of the schema.",
    CUT_OFF: "Your answer was too long and was cut off. Answer again, whole and shorter.",
}


@dataclass(frozen=True)
class Verdict(Generic[T]):
    """What of an answer holds, and what is wrong, by place; `unread` is why nothing was read.

    `extra` counts by reason what is left out without asking again.
    """

    good: Mapping[int, T] = field(default_factory=dict)
    wrong: Mapping[int, str] = field(default_factory=dict)  # place -> reason
    details: Mapping[int, str] = field(default_factory=dict)  # place -> what to tell Claude
    extra: Mapping[str, int] = field(default_factory=dict)
    unread: str | None = None


Judge = Callable[[Sequence[Json], Sequence[int] | None], Verdict[T]]
"""Judges the items of an answer; in the second round it is told which places are open."""


@dataclass(frozen=True)
class Result(Generic[T]):
    """What holds after all rounds, by place; what was dropped; why nothing was read."""

    good: Mapping[int, T]
    wrong: Mapping[int, str]
    extra: Mapping[str, int]
    refused: str | None

    @property
    def dropped(self) -> Counter[str]:
        """How much is missing, by reason."""
        return Counter(self.wrong.values()) + Counter(self.extra)


@dataclass(frozen=True)
class Interview(Generic[T]):
    """How one kind of question is put. `key` holds the list of items in an answer."""

    ask: Ask
    key: str
    judge: Judge[T]
    mend_items: bool = True  # else only what could not be read at all is asked again
    mends: bool = True  # else nothing is asked again

    def hold(self, question: Question) -> Result[T]:
        """Ask, and ask once again if that may help.

        Raises:
            Refused: it must wait; what was answered so far is kept by who answers.
        """
        end = _agent().invoke({"interview": self, "question": question, "verdicts": []})
        return _settled(cast("list[Verdict[T]]", end["verdicts"]))


class _State(TypedDict, total=False):
    interview: Interview[Any]
    question: Question
    answer: Answer
    verdicts: list[Verdict[Any]]


@cache
def _agent() -> Any:
    """ask -> check -> repair (once) -> check."""
    from langgraph.graph import END, START, StateGraph

    graph = StateGraph(_State)  # nodes have no retry policy: the gateway alone tries again
    graph.add_node("ask", _asked)
    graph.add_node("check", _checked)
    graph.add_node("repair", _repaired)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "check")
    graph.add_conditional_edges("check", _next, {"repair": "repair", "end": END})
    graph.add_edge("repair", "check")
    return graph.compile()


def _asked(state: _State) -> _State:
    return {"answer": state["interview"].ask(state["question"])}


def _checked(state: _State) -> _State:
    interview, before = state["interview"], state["verdicts"]
    items = _items(state["answer"], interview.key)
    if isinstance(items, str):
        verdict: Verdict[Any] = Verdict(unread=items)
    else:
        readable = [each for each in before if each.unread is None]
        verdict = interview.judge(items, list(readable[0].wrong) if readable else None)
    return {"verdicts": [*before, verdict]}


def _next(state: _State) -> str:
    verdicts, interview = state["verdicts"], state["interview"]
    last = verdicts[-1]
    if len(verdicts) > 1 or last.unread == REFUSAL or not interview.mends:
        return "end"
    return "repair" if last.unread or (last.wrong and interview.mend_items) else "end"


def _repaired(state: _State) -> _State:
    question, verdict, said = state["question"], state["verdicts"][-1], state["answer"].text
    if verdict.unread:
        said = said[:_QUOTED]
    wider = 2 if verdict.unread == CUT_OFF else 1
    again = replace(
        question,
        earlier=(said.strip() or "(nothing)", _remark(verdict)),
        max_tokens=question.max_tokens * wider,
    )
    return {"question": again, "answer": state["interview"].ask(again)}


def _remark(verdict: Verdict[Any]) -> str:
    if verdict.unread:
        return _REMARKS[verdict.unread]
    told = "; ".join(f"{n}: {verdict.details.get(n, why)}" for n, why in verdict.wrong.items())
    return f"These parts did not hold. {told}. Answer again with only these parts, mended."


def _items(answer: Answer, key: str) -> list[Json] | str:
    """The items of an answer, or why they cannot be read."""
    if stopped := _STOPS.get(answer.stop_reason, CUT_OFF):
        return stopped
    if len(answer.text) > _LONGEST:
        return MALFORMED
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        return MALFORMED
    if not isinstance(found, dict) or found.keys() != {key} or not isinstance(found[key], list):
        return OFF_SCHEMA
    return list(found[key])


def _settled(verdicts: Sequence[Verdict[T]]) -> Result[T]:
    good: dict[int, T] = {}
    wrong: dict[int, str] = {}
    extra = Counter[str]()
    for verdict in verdicts:
        good |= verdict.good
        wrong |= verdict.wrong
        extra.update(verdict.extra)
    last = verdicts[-1]
    read = any(verdict.unread is None for verdict in verdicts)
    if last.unread and read:  # the first answer stands, and its faults remain
        extra[f"repair_{last.unread}"] += 1
    wrong = {place: why for place, why in wrong.items() if place not in good}
    return Result(good, wrong, extra, None if read else last.unread)

"""An `ask` that answers from a list, and remembers the questions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from axiom.analysts.question import Answer, Question
from axiom.model import Correlation, Headline, Profile
from axiom.pipelines.changes import Change

AT = datetime(2020, 3, 2, 14, 30, tzinfo=UTC)
TEXT = "Apple Inc. (AAPL)\nHeadquarters: Cupertino, California , US\nKey people: Tim Cook ( CEO )\n"
PROFILE = Profile("AAPL", "Apple Inc.", TEXT + "Products: iPad iPhone", "wiki")
NOW = Correlation("AAPL", "MSFT", 60, "pearson", 58, 0.6213, 0.4302, 0.7598, 0.0004, 0.0121)
BEFORE = Correlation("AAPL", "MSFT", 60, "pearson", 60, 0.1049, -0.15, 0.35, 0.4, 0.61)
MOVED = Change("moved", NOW, BEFORE)
OTHER = Change(
    "new", Correlation("KO", "PEP", 60, "spearman", 60, 0.5, 0.3, 0.7, 0.001, 0.01), None
)

Reply = Any  # an object to be written as JSON; a text; (text, stop reason); an exception


class Scripted:
    """Answers the n-th question with the n-th reply; complains about more questions."""

    def __init__(self, *replies: Reply | Callable[[Question], Reply]) -> None:
        self.replies, self.questions = list(replies), list[Question]()

    def __call__(self, question: Question) -> Answer:
        self.questions.append(question)
        reply = self.replies.pop(0)
        reply = reply(question) if callable(reply) else reply
        if isinstance(reply, Exception):
            raise reply
        text, reason = reply if isinstance(reply, tuple) else (reply, "end_turn")
        text = text if isinstance(text, str) else json.dumps(text)
        return Answer(text, reason, question.model, question.hash)


def edge(t: str, s: str, o: str | None = None, c: int = 90) -> dict[str, Any]:
    return {"t": t, "s": s, "c": c} | ({} if o is None else {"o": o})


def event(i: int, t: str = "product", c: int = 90, **tones: tuple[int, int, int]) -> dict[str, Any]:
    said = [{"k": k, "p": p, "u": u, "n": n} for k, (p, u, n) in tones.items()]
    return {"i": i, "t": t, "r": 70, "c": c, "s": said}


def headline(text: str, summary: str = "") -> Headline:
    return Headline(text, AT, "wire-a", summary=summary)

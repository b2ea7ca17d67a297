"""What Claude answers. Keys are short, since output is what costs most; percent are integers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from axiom.analysts.claude.schema import Form
from axiom.model import EventType

Percent = Annotated[int, Field(ge=0, le=100)]
Number = Annotated[int, Field(ge=1)]  # of a line of the material

# what a profile can state: events come from news, correlations from prices
CompanyEdge = Literal[
    "COMPETES_WITH", "SUPPLIES", "CUSTOMER_OF", "PARTNERS_WITH", "OWNS", "LEADS", "MAKES",
    "IN_INDUSTRY", "HEADQUARTERED_IN",
]  # fmt: skip
Taxonomy = Literal[
    "earnings", "guidance", "merger_acquisition", "product", "legal_regulatory",
    "management_change", "analyst_action", "financing", "supply_chain", "labour", "macro",
    "price_move", "other",
]  # fmt: skip
if {each.value for each in EventType} != set(Taxonomy.__args__):  # type: ignore[attr-defined]
    raise AssertionError("the taxonomy of answers is not that of the model")


class EdgeFound(Form):
    """An edge: type, other thing (the whole span when left out), span, confidence."""

    t: CompanyEdge
    o: Annotated[str, Field(max_length=100)] = ""
    s: Annotated[str, Field(min_length=1, max_length=300)]
    c: Percent


class CompanyAnswer(Form):
    """Facts of a profile."""

    f: list[EdgeFound]


class Tone(Form):
    """How a headline sounds for a ticker: positive, neutral, negative."""

    k: str
    p: Percent
    u: Percent
    n: Percent


class EventFound(Form):
    """One headline: line number, type, relevance, confidence, sentiment, earlier telling."""

    i: Number
    t: Taxonomy
    r: Percent
    c: Percent
    s: list[Tone]
    e: int = 0  # place among the earlier headlines given; none otherwise


class EventsAnswer(Form):
    """A batch of headlines."""

    a: list[EventFound]


class TextWritten(Form):
    """One change explained."""

    i: Number
    x: str


class ExplainAnswer(Form):
    """All changes explained."""

    e: list[TextWritten]

"""What the pipelines make of an analyst that drops or refuses."""

from __future__ import annotations

from typing import Any

from axiom.analysts.claude import ClaudeAnalyst
from axiom.model import to_json
from axiom.pipelines import graph
from tests.unit.analysts.claude.scripted import PROFILE, Scripted, edge
from tests.unit.analysts.claude.test_injections import Company, Statements, Step


def analysed(*replies: object) -> tuple[Company, dict[str, Any], dict[str, Any]]:
    services = Company(ClaudeAnalyst(Scripted(*replies)), Statements())
    step: Any = Step(services, {}, kept={"p": to_json(PROFILE)})
    fetched = {"profile": "p", "input_hash": "h", "source": PROFILE.source, "name": PROFILE.name}
    step.inputs["fetch_profile"] = {"AAPL": fetched}
    answer = graph.analyse_company(step)
    step.inputs["analyse_company"] = {"AAPL": answer}
    return services, answer, graph.resolve_entities(step)


def test_a_refused_company_is_reported_keeps_its_edges_and_is_tried_again() -> None:
    services, answer, resolved = analysed(("", "refusal"))
    assert (answer["findings"], answer["refused"]) == ([], "refusal")
    assert resolved["refused"] == {"AAPL": "refusal"}
    assert resolved["sources"] == {}  # nothing of it is closed
    assert services.kept is None  # nothing is known of it: the next run asks


def test_what_was_dropped_is_counted_with_its_reason() -> None:
    services, answer, resolved = analysed(
        {"f": [edge("MAKES", "iPad"), edge("MAKES", "Cheese")]}, {"f": []}
    )
    assert (answer["rejected"], answer["dropped"]) == (1, {"span_not_in_text": 1})
    assert (resolved["rejected"], resolved["refused"]) == (1, {})
    assert resolved["sources"] == {PROFILE.source: PROFILE.ticker}
    assert services.kept is not None

"""What a run can be told: declared by its pipeline, and nothing else is taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from axiom.errors import ConfigError
from axiom.params import Param, checked
from axiom.providers.universe import load_universe
from axiom.tasks.flows import flow_of, params_of

SERVICES = SimpleNamespace(universe=load_universe())


@pytest.mark.parametrize(
    ("pipeline", "given", "read"),
    [
        ("ingestion", {"tickers": "AAPL, MSFT"}, {"tickers": ["AAPL", "MSFT"]}),
        ("graph", {"tickers": ["AAPL"]}, {"tickers": ["AAPL"]}),
        ("events", {"hours": "1.5"}, {"hours": 1.5}),
        ("correlation", {"windows": 60}, {"windows": [60]}),
        ("correlation", {"windows": "60,120"}, {"windows": [60, 120]}),
        ("correlation", {}, {}),
    ],
)
def test_a_value_is_read_as_its_declaration_has_it(
    pipeline: str, given: dict[str, Any], read: dict[str, Any]
) -> None:
    assert checked(given, flow_of(pipeline).params, SERVICES) == read


@pytest.mark.parametrize(
    ("pipeline", "given", "sentence"),
    [
        ("ingestion", {"ticker": "AAPL"}, r"no parameter 'ticker'; known: tickers \(names, comma"),
        ("graph", {"tickers": "AAPL,<b>"}, "params.tickers: '<b>' is none of AAPL, AMD"),
        ("events", {"hours": "soon"}, "params.hours: 'soon' is no number"),
        ("events", {"hours": 1e300}, "params.hours: .* is more than 2160"),
        ("events", {"hours": "inf"}, "params.hours: 'inf' is no number"),
        ("correlation", {"windows": [60, "x"]}, "are not whole numbers"),
        ("correlation", {"windows": "5"}, "params.windows: '5' is less than 20"),
        ("correlation", {"windows": None}, "params.windows: .* are not whole numbers"),
    ],
)
def test_what_is_not_declared_or_cannot_be_that_is_refused_in_a_sentence(
    pipeline: str, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        checked(given, flow_of(pipeline).params, SERVICES)


def test_a_pipeline_that_takes_none_says_so() -> None:
    with pytest.raises(ConfigError, match="no parameter 'n'; this pipeline takes none"):
        checked({"n": 1}, (), SERVICES)


def test_of_many_choices_some_are_told() -> None:
    many = Param("t", str, "one", "", choices=lambda _: [f"T{n}" for n in range(5000)])
    with pytest.raises(ConfigError, match=r"T29, …$"):
        checked({"t": "X"}, [many], SERVICES)


def test_every_pipeline_declares_its_parameters_with_a_default_that_holds() -> None:
    for pipeline in ("ingestion", "graph", "events", "correlation"):
        declared = flow_of(pipeline).params
        assert declared
        assert all(each.help and len(each.help) < 80 for each in declared)
        defaults = {each.name: each.default for each in declared}
        assert params_of(pipeline, defaults) == defaults

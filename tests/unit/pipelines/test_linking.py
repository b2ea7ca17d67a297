"""Which companies a headline is about."""

from datetime import UTC, datetime

import pytest

from axiom.model import Headline
from axiom.pipelines.linking import EntityFinder
from axiom.providers.universe import load_universe
from tests.labelled import LINKING_HELD, LINKING_TUNE, linked, measure_linking, more_companies

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
SHIPPED = EntityFinder(load_universe().companies)
MORE = EntityFinder([*load_universe().companies, *more_companies()])


def found(text: str, finder: EntityFinder = SHIPPED, **fields: object) -> list[str]:
    return finder.find(Headline(text, NOW, "wire-a", **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "tickers"),
    [
        ("Apple sues Google over patents", ["AAPL", "GOOG"]),
        ("An apple a day beats a visa queue", []),
        ("GEICO adds $GE and (NYSE: XOM) to its list", ["GE", "XOM"]),
        ("Coca-Cola and Johnson & Johnson report", ["JNJ", "KO"]),
        ("Germany's Merck KGaA is another company than Pfizer", ["PFE"]),
        ("$googl and $GOOG are one company", ["GOOG"]),
        ("GOOGL hits a record", ["GOOG"]),
        ("College fees rise", []),
        ("Visa rules tightened", []),
        ("Visa raises its dividend", ["V"]),
        ("JPMorgan cuts Tesla to sell", ["TSLA"]),
        ("JPMorgan and Tesla in court over warrants", ["JPM", "TSLA"]),
    ],
)
def test_companies_are_found_in_a_headline(text: str, tickers: list[str]) -> None:
    assert found(text) == tickers


@pytest.mark.parametrize("text", ["$BRK.B falls", "$BRK.A falls", "BRK-B falls", "(BRK.B) falls"])
def test_share_classes_are_one_company(text: str) -> None:
    assert found(text, MORE) == ["BRK.B"]


def test_a_summary_and_the_provider_s_hint_count_too() -> None:
    assert found("It rises", summary="Apple said so", tickers=("MSFT", "NOPE")) == ["AAPL", "MSFT"]


def test_a_line_in_capitals_is_read_as_any_other() -> None:
    assert found("TESLA SHARES SOAR AS NETFLIX SLIPS") == ["NFLX", "TSLA"]


def test_a_very_long_text_is_read_only_so_far() -> None:
    assert found("no " * 1000 + "Apple says") == []


def test_one_name_stands_for_a_company_in_comparisons() -> None:
    assert SHIPPED.canonical("Coke and Pepsi fight") == "KO and PEP fight"


def test_there_are_enough_labelled_headlines() -> None:
    assert len(linked(LINKING_TUNE)) + len(linked(LINKING_HELD)) >= 300


def test_links_of_headlines_kept_aside_are_right_and_complete() -> None:
    precision, recall = measure_linking(linked(LINKING_HELD))
    assert precision >= 0.95
    assert recall >= 0.95

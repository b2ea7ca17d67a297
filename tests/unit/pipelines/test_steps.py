"""The pure parts of the pipelines."""

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest

from axiom.analysts.local_company import analyse_company
from axiom.analysts.local_events import event_type
from axiom.model import Classification, EdgeType, EventType, Headline, Quote, Sentiment
from axiom.pipelines import events
from axiom.pipelines.events import valid_classifications
from axiom.pipelines.graph import Finding, company_keys, normal, validate_findings
from axiom.pipelines.ingestion import flag_jumps, validate_quotes
from axiom.providers.replay import Replay
from axiom.providers.universe import load_universe

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
COMPANIES = load_universe().companies


def quote(ticker: str = "AAPL", price: float = 1.0, at: datetime = NOW) -> Quote:
    return Quote(ticker, price, at, "replay")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (quote(price=float("nan")), "price is not a finite number"),
        (quote(price=0.0), "price is not positive"),
        (quote(at=NOW + timedelta(minutes=5)), "observed in the future"),
        (quote(ticker="NOPE"), "unknown ticker"),
    ],
)
def test_a_bad_quote_is_set_aside_with_its_reason(bad: Quote, reason: str) -> None:
    good, rejected = validate_quotes([quote(), quote(), bad], {"AAPL"}, NOW)
    assert good == [quote()]
    assert [each.reason for each in rejected] == [reason]


def test_a_jump_is_kept_and_flagged() -> None:
    calm = [100 + n % 3 / 10 for n in range(20)]
    [flagged] = flag_jumps([quote(price=130.0)], {"AAPL": calm}, 8)
    [quiet] = flag_jumps([quote(price=100.1)], {"AAPL": calm}, 8)
    assert (flagged.flag, quiet.flag) == ("jump", None)


def test_a_finding_whose_span_is_not_in_the_text_is_rejected() -> None:
    found = [Finding(EdgeType.MAKES, "Mac", "Mac", 0.9), Finding(EdgeType.MAKES, "x", "Cheese", 1)]
    good, rejected = validate_findings(found, "Products: Mac")
    assert [each.other for each in good] == ["Mac"]
    assert rejected == 1


def test_one_company_under_all_its_names_has_one_key() -> None:
    keys = company_keys(COMPANIES)
    assert {keys[normal(name)] for name in ("Alphabet Inc.", "Google", "GOOG", "GOOGL")} == {"GOOG"}


def test_every_local_finding_quotes_its_profile() -> None:
    replay = Replay(lambda at: at)
    for company in COMPANIES:
        profile = replay.fetch_profile(company.ticker)
        found = analyse_company(profile)
        assert validate_findings(found, profile.text) == (found, 0)


def test_an_answer_outside_the_lists_is_dropped() -> None:
    headline = Headline("x", NOW, "a")
    sure = Sentiment(0.2, 0.3, 0.5)
    good = Classification(headline.id, EventType.OTHER, {"AAPL": sure}, 1, 1, "local", "p")
    bad = [
        Classification("unasked", EventType.OTHER, {}, 1, 1, "local", "p"),
        Classification(headline.id, "hack", {}, 1, 1, "local", "p"),  # type: ignore[arg-type]
        Classification(headline.id, EventType.OTHER, {"MSFT": sure}, 1, 1, "local", "p"),
        Classification(headline.id, EventType.OTHER, {"AAPL": Sentiment(1, 1, 1)}, 1, 1, "l", "p"),
        Classification(headline.id, EventType.OTHER, {}, 2, 1, "local", "p"),
    ]
    assert valid_classifications([good, *bad], [(headline, ["AAPL"])]) == [good]


def test_the_rules_find_the_type_of_most_facts() -> None:
    lines = files("axiom.data").joinpath("facts.jsonl").read_text().splitlines()
    facts = [json.loads(line) for line in lines]
    right = sum(event_type(fact["headline"])[0] == fact["type"] for fact in facts)
    assert right / len(facts) > 0.58


def test_characters_that_no_store_takes_are_left_out_of_headlines() -> None:
    raw = Headline("Apple\x00 \ud83d rises \U0001f600", NOW, "a", summary="\udfff")
    assert events._storable(raw) == Headline("Apple  rises \U0001f600", NOW, "a")
    assert len(raw.id) == 24  # half a character does not stop a run

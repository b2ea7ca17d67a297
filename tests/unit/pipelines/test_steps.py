"""The pure parts of the pipelines."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest

from axiom.analysts.local_company import analyse_company
from axiom.analysts.local_events import event_type
from axiom.model import (
    Classification,
    Edge,
    EdgeType,
    EventType,
    Headline,
    Label,
    NodeRef,
    Profile,
    Quote,
    Sentiment,
    Telling,
)
from axiom.pipelines import events
from axiom.pipelines.entities import company_keys, entity, normal, profile_parts
from axiom.pipelines.findings import Finding, settle, validate_findings
from axiom.pipelines.ingestion import flag_jumps, validate_quotes
from axiom.pipelines.judged import as_judged, told_before, valid_classifications
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


NAMES = {
    "GOOG": ["Alphabet", "Alphabet Inc.", "Alphabet Inc. Class A", "Alphabet Inc. (Class C)",
             "Google", "GOOGLE LLC", "Google, Inc.", "GOOG", "GOOGL", "NASDAQ: GOOGL", "$GOOG",
             "YouTube, LLC", "Alphabet's"],
    "KO": ["The Coca-Cola Company", "Coca-Cola Co.", "coca cola", "Coca‑Cola", "NYSE: KO"],
    "JPM": ["JPMorgan Chase & Co.", "JPMorgan Chase and Company", "J.P. Morgan", "JP Morgan"],
    "PG": ["Procter & Gamble", "Procter and Gamble Co", "The Procter & Gamble Company", "P&G"],
    "JNJ": ["Johnson & Johnson", "Johnson and Johnson, Inc.", "J&J"],
    "LLY": ["Eli Lilly and Company", "Eli Lilly & Co.", "Lilly"],
    "MRK": ["Merck & Co., Inc.", "Merck and Co", "Merck"],
    "AMZN": ["Amazon.com, Inc.", "Amazon", "Amazon.com Inc"],
    "UNH": ["UnitedHealth Group Incorporated", "UnitedHealth", "UnitedHealth Inc. Common Stock"],
}  # fmt: skip
OTHERS = ["Googleplex Catering", "Apple Hospitality REIT", "Amazon River Tours", "General Motors",
          "Merck KGaA", "Visage", "Intelsat", "Metalor", "Morgan Stanley"]  # fmt: skip


@pytest.mark.parametrize(("ticker", "name"), [(t, n) for t, names in NAMES.items() for n in names])
def test_a_company_is_known_by_each_way_of_writing_its_name(ticker: str, name: str) -> None:
    assert entity(Label.COMPANY, name, "AAPL", company_keys(COMPANIES)).key == ticker


@pytest.mark.parametrize("name", OTHERS)
def test_a_name_that_only_begins_like_another_is_another_company(name: str) -> None:
    key = entity(Label.COMPANY, name, "AAPL", company_keys(COMPANIES)).key
    assert key not in {company.ticker for company in COMPANIES}


def test_legal_forms_do_not_part_a_company_outside_the_universe() -> None:
    keys = {
        entity(Label.COMPANY, name, "AAPL", {}).key
        for name in ("Foxconn", "Foxconn Ltd.", "The Foxconn Group", "FOXCONN CO., LTD.")
    }
    assert keys == {"foxconn"}


def test_names_in_other_scripts_are_told_apart() -> None:
    names = ("株式会社任天堂", "トヨタ自動車", "☃", "♥", "Société Générale")
    keys = [entity(Label.COMPANY, name, "AAPL", {}).key for name in names]
    assert len(set(keys)) == len(names)
    assert keys[-1] == "societe-generale"


def test_two_people_of_one_name_are_two_and_one_person_of_two_roles_is_one() -> None:
    people = [
        entity(Label.PERSON, name, owner, {}).key
        for name, owner in (("John Smith", "AAPL"), ("John Smith", "MSFT"), ("JOHN  SMITH", "AAPL"))
    ]
    assert people == ["AAPL/john-smith", "MSFT/john-smith", "AAPL/john-smith"]


def test_a_company_has_one_country_the_surest() -> None:
    apple = NodeRef(Label.COMPANY, "AAPL", "Apple")
    stated = [
        Edge(EdgeType.HEADQUARTERED_IN, apple, NodeRef(Label.COUNTRY, place, place), "s", "x", sure,
             "local", "h", "replay", NOW)
        for place, sure in (("ireland", 0.6), ("us", 0.9), ("uk", 0.9))
    ]  # fmt: skip
    assert [edge.tail.key for edge in settle(stated)] == ["us"]
    assert settle([replace(stated[0], type=EdgeType.OWNS, tail=apple)]) == []


def test_a_profile_is_cut_into_parts_that_say_whose_they_are() -> None:
    profile = Profile("A", "Acme", "Acme (A)\nProducts: anvils\n" + "word " * 170, "s")
    parts = profile_parts(profile)
    assert parts[:2] == ["Acme (A)", "Acme: Products: anvils"]
    assert [len(part.split()) for part in parts[2:]] == [81, 81, 11]


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
        replace(good, repeats="e9"),
    ]
    again = replace(good, repeats="e1")
    earlier = {headline.id: {"e1": "y"}, "another": {"e9": "z"}}
    asked = [(headline, ["AAPL"])]
    assert valid_classifications([good, *bad, again], asked, earlier) == [good, again]
    assert valid_classifications([again], asked) == []


def test_a_story_that_was_told_before_goes_to_the_first_of_all() -> None:
    near = {"b": [("a", "A", 0.5)], "c": [("x", "X", 0.9), ("b", "B", 0.7)], "d": [("a", "A", 0.4)]}
    before = told_before({"c": "b", "b": "a"}, near)
    assert before == {"b": ("a", 0.5), "c": ("a", 0.7)}
    headline = Headline("C", NOW, "wire")
    first = Telling(headline, "c", "replay", 1.0, "first")
    exact = Telling(headline, "c", "replay", 1.0, "exact")
    other = Telling(headline, "d", "replay", 1.0, "first")
    assert as_judged(first, before) == Telling(headline, "a", "replay", 0.7, "analyst")
    assert as_judged(exact, before) == replace(exact, event_id="a")
    assert as_judged(other, before) == other


def test_the_rules_find_the_type_of_most_facts() -> None:
    lines = files("axiom.data").joinpath("facts.jsonl").read_text().splitlines()
    facts = [json.loads(line) for line in lines]
    right = sum(event_type(fact["headline"])[0] == fact["type"] for fact in facts)
    assert right / len(facts) > 0.74


def test_characters_that_no_store_takes_are_left_out_of_headlines() -> None:
    raw = Headline("Apple\x00 \ud83d rises \U0001f600", NOW, "a", summary="\udfff")
    assert events._storable(raw) == Headline("Apple  rises \U0001f600", NOW, "a")
    assert len(raw.id) == 24  # half a character does not stop a run

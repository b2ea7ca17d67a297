"""The dated facts that the replay tells as headlines."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

FACTS = Path(__file__).parents[3] / "axiom" / "data" / "facts.jsonl"

PROFILES = FACTS.with_name("companies.json")

TAXONOMY = frozenset(
    {
        "earnings",
        "guidance",
        "merger_acquisition",
        "product",
        "legal_regulatory",
        "management_change",
        "analyst_action",
        "financing",
        "supply_chain",
        "labour",
        "macro",
        "price_move",
        "other",
    }
)
SOURCES = frozenset({"wire-a", "wire-b", "desk-c", "desk-d", "brief-e"})
REQUIRED = frozenset(
    {"story", "telling", "published_at", "source", "headline", "tickers", "type", "sentiment"}
)

Fact = dict[str, Any]


@pytest.fixture(scope="module")
def universe() -> set[str]:
    return {profile["ticker"] for profile in json.loads(PROFILES.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return [json.loads(line) for line in FACTS.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def stories(facts: list[Fact]) -> dict[str, list[Fact]]:
    grouped: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        grouped[fact["story"]].append(fact)
    return grouped


def moment(fact: Fact) -> datetime:
    return datetime.strptime(fact["published_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def test_every_line_is_one_json_object(facts: list[Fact]) -> None:
    assert facts
    assert all(isinstance(fact, dict) for fact in facts)


def test_every_line_has_the_known_fields_and_no_others(facts: list[Fact]) -> None:
    for fact in facts:
        assert set(fact) - {"summary"} == REQUIRED, fact["story"]


def test_every_field_has_its_type_and_label_set(facts: list[Fact]) -> None:
    for fact in facts:
        assert fact["telling"] in {1, 2, 3}, fact["story"]
        assert fact["source"] in SOURCES, fact["story"]
        assert fact["type"] in TAXONOMY, fact["story"]
        assert set(fact["sentiment"].values()) <= {"positive", "neutral", "negative"}


def test_story_names_are_lower_case_slugs(stories: dict[str, list[Fact]]) -> None:
    for story in stories:
        words = story.split("-")
        assert all(word.isascii() and word.isalnum() and word == word.lower() for word in words)


def test_lines_are_sorted_by_publication(facts: list[Fact]) -> None:
    moments = [moment(fact) for fact in facts]
    assert moments == sorted(moments)


def test_every_line_falls_inside_the_replay(facts: list[Fact]) -> None:
    for fact in facts:
        assert date(2013, 12, 1) <= moment(fact).date() <= date(2022, 12, 28), fact["story"]


def test_headlines_and_summaries_are_short_single_lines(facts: list[Fact]) -> None:
    for fact in facts:
        for text, limit in ((fact["headline"], 140), (fact.get("summary", "none"), 280)):
            assert 0 < len(text) <= limit, text
            assert text == text.strip(), text
            assert text.isprintable(), text


def test_no_headline_occurs_twice(facts: list[Fact]) -> None:
    counts = Counter(fact["headline"].casefold() for fact in facts)
    assert [headline for headline, count in counts.items() if count > 1] == []


def test_tickers_are_of_the_universe_and_each_has_a_sentiment(
    facts: list[Fact], universe: set[str]
) -> None:
    for fact in facts:
        assert len(fact["tickers"]) == len(set(fact["tickers"])), fact["story"]
        assert set(fact["tickers"]) <= universe, fact["story"]
        assert set(fact["sentiment"]) == set(fact["tickers"]), fact["story"]


def test_only_macro_facts_name_no_company(facts: list[Fact]) -> None:
    assert {fact["type"] for fact in facts if not fact["tickers"]} == {"macro"}


def test_story_and_telling_identify_a_line(facts: list[Fact]) -> None:
    keys = [(fact["story"], fact["telling"]) for fact in facts]
    assert len(keys) == len(set(keys))


def test_tellings_of_a_story_count_up_from_one_in_time_order(
    stories: dict[str, list[Fact]],
) -> None:
    for story, told in stories.items():
        assert [fact["telling"] for fact in told] == list(range(1, len(told) + 1)), story


def test_a_retelling_comes_later_from_another_source_within_two_days(
    stories: dict[str, list[Fact]],
) -> None:
    for story, told in stories.items():
        assert len({fact["source"] for fact in told}) == len(told), story
        for earlier, later in pairwise(told):
            assert timedelta(0) < moment(later) - moment(earlier) <= timedelta(days=2), story


def test_a_retelling_agrees_on_companies_type_and_sentiment(
    stories: dict[str, list[Fact]],
) -> None:
    for story, told in stories.items():
        for fact in told[1:]:
            for field in ("tickers", "type", "sentiment"):
                assert fact[field] == told[0][field], (story, field)


def test_there_are_enough_stories_and_enough_of_them_are_retold(
    stories: dict[str, list[Fact]],
) -> None:
    assert len(stories) >= 150
    assert sum(len(told) > 1 for told in stories.values()) >= 40
    assert sum(len(told) == 3 for told in stories.values()) >= 10


def test_every_type_but_price_move_occurs_at_least_six_times(
    stories: dict[str, list[Fact]],
) -> None:
    counts = Counter(told[0]["type"] for told in stories.values())
    assert {kind for kind in TAXONOMY - {"price_move"} if counts[kind] < 6} == set()


def test_stories_are_spread_over_the_years(stories: dict[str, list[Fact]]) -> None:
    years = Counter(moment(told[0]).year for told in stories.values())
    assert all(years[year] >= 15 for year in range(2014, 2023)), years
    assert max(years.values()) <= len(stories) / 5, years


def test_every_company_of_the_universe_is_mentioned(facts: list[Fact], universe: set[str]) -> None:
    assert {ticker for fact in facts for ticker in fact["tickers"]} == universe


def test_some_stories_are_about_two_companies(stories: dict[str, list[Fact]]) -> None:
    assert sum(len(told[0]["tickers"]) >= 2 for told in stories.values()) >= 5


def test_unlike_stories_of_like_words_are_there_as_traps(facts: list[Fact]) -> None:
    words = [(fact["story"], frozenset(fact["headline"].casefold().split())) for fact in facts]
    pairs = {
        (one, other)
        for index, (one, left) in enumerate(words)
        for other, right in words[index + 1 :]
        if one != other and len(left & right) / len(left | right) >= 0.4
    }
    assert len(pairs) >= 15

"""The pages of events and their API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi.testclient import TestClient

from axiom.model import Event, EventType, Headline, Sentiment, Telling
from axiom.stores.events import EventStore
from axiom.stores.postgres import Postgres
from tests.integration.console.intelligence.conftest import AT, DAY, EVIL


def story(text: str, at: datetime, mood: tuple[float, float, float], **changed: Any) -> Event:
    headline = Headline(text, at, "wire-a", changed.pop("url", "https://example.org/1"), "More.")
    given: dict[str, Any] = {
        "tickers": ("AAPL",), "type": EventType.EARNINGS, "relevance": 0.9, "novelty": 0.75,
        "confidence": 0.8, "analyst": "local", "prompt_hash": "p1", "market": "replay",
    }  # fmt: skip
    return Event(headline.id, headline, sentiment={"AAPL": Sentiment(*mood)}, **given | changed)


def fill_events(postgres: Postgres, count: int = 3) -> list[Event]:
    """Stories a minute apart: each third is negative; the first is told by another as well."""
    moods = ((0.1, 0.1, 0.8), (0.9, 0.1, 0.0), (0.2, 0.7, 0.1))
    stories = [
        story(f"Story {n} {EVIL}", AT + timedelta(minutes=n), moods[n % 3]) for n in range(count)
    ]
    told = [Telling(each.headline, each.id, "replay", 1.0, "first") for each in stories]
    again = Headline("Told again", AT + DAY, "wire-b")
    told.append(Telling(again, stories[0].id, "replay", 0.93, "semantic"))
    related = [(stories[0].id, stories[1].id)]
    EventStore(postgres).upsert(stories, told, "run-1", related)
    return stories


def test_events_are_filtered_and_paged_and_none_is_lost_or_doubled(
    client: TestClient, postgres: Postgres
) -> None:
    stories = fill_events(postgres, 10)
    seen: list[str] = []
    asked: dict[str, Any] = {"limit": 4}
    while True:
        told = client.get("/api/v1/events", params=asked).json()
        seen += [each["id"] for each in told["events"]]
        if not told["next"]:
            break
        asked |= told["next"]
    assert seen == [each.id for each in reversed(stories)]
    negative = client.get("/api/v1/events?sentiment=negative&company=AAPL").json()["events"]
    assert [each["headline"][:7] for each in negative] == [
        "Story 9",
        "Story 6",
        "Story 3",
        "Story 0",
    ]
    assert negative[-1]["corroborations"] == 1
    assert client.get("/api/v1/events?type=macro").json()["events"] == []
    later = {"since": (AT + timedelta(minutes=8)).isoformat()}
    assert len(client.get("/api/v1/events", params=later).json()["events"]) == 2


def test_the_page_of_events_tells_mood_by_word_and_keeps_headlines_data(
    client: TestClient, postgres: Postgres
) -> None:
    fill_events(postgres)
    page = client.get("/events").text
    assert "▼ negative 0.80" in page
    assert "2 sources" in page
    assert "Story lines" in page
    assert EVIL not in page
    only = client.get("/events?sentiment=positive").text
    assert "Story 1" in only
    assert "Story 0" not in only.split("Story lines")[0]


def test_a_story_shows_who_told_it_and_its_line(client: TestClient, postgres: Postgres) -> None:
    first = fill_events(postgres)[0]
    page = client.get(f"/events/{first.id}").text
    assert "Told again" in page
    assert "wire-b" in page
    assert "semantic" in page
    assert "Story line" in page
    told = client.get(f"/api/v1/events/{first.id}").json()
    assert len(told["tellings"]) == len(told["line"]) == 2
    assert client.get("/events/none").status_code == 404


def test_an_address_that_is_no_web_page_is_not_linked(
    client: TestClient, postgres: Postgres
) -> None:
    bad = story("Bad", AT, (0.1, 0.8, 0.1), url="javascript:alert(1)")
    told = Telling(bad.headline, bad.id, "replay", 1.0, "first")
    EventStore(postgres).upsert([bad], [told], "run-1")
    assert "javascript:" not in client.get(f"/events/{bad.id}").text

"""Headlines that come twice, late, or out of order, through the steps and real stores."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from axiom.analysts.claude import ClaudeAnalyst
from axiom.analysts.embedding import embed
from axiom.analysts.local import LocalAnalyst
from axiom.analysts.question import Answer, Question
from axiom.flow import Context
from axiom.model import Headline, to_json
from axiom.pipelines import events as pipeline
from axiom.providers.universe import load_universe
from axiom.stores.artifacts import MemoryArtifacts
from axiom.stores.events import EventStore
from axiom.stores.postgres import Postgres
from axiom.stores.vectors import VectorStore
from tests.unit.analysts.claude.scripted import event

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEPS = (
    pipeline.drop_known, pipeline.link_entities, pipeline.classify, pipeline.store_events,
    pipeline.embed_events,
)  # fmt: skip
Run = Callable[..., dict[str, Any]]
DEAL = Headline("Pfizer to buy Seagen for $43 billion", NOW, "wire-a")
AGAIN = Headline("Seagen accepts $43 billion offer from Pfizer", NOW + HOUR, "wire-b")
EARLIER = Headline("Pfizer to buy Seagen for $43 billion - Desk", NOW - 5 * HOUR, "desk-c")
DONE = Headline("Pfizer completes $43 billion Seagen acquisition", NOW + 9 * HOUR, "wire-a")


@pytest.fixture
def services(postgres_url: str, chroma_url: str) -> Any:
    universe = load_universe()
    return SimpleNamespace(
        market=SimpleNamespace(name=f"test-{uuid.uuid4().hex[:12]}", visible_at=lambda at: at),
        events=EventStore(Postgres(postgres_url)),
        vectors=VectorStore(chroma_url),
        analyst=LocalAnalyst(universe.companies),
        universe=universe,
        embed=embed,
    )


@pytest.fixture
def run(services: Any) -> Run:
    """Run the steps on some headlines; return what they said, by name."""

    def steps(*headlines: Headline) -> dict[str, Any]:
        run_id, artifacts = uuid.uuid4().hex, MemoryArtifacts()
        fetched = artifacts.put(run_id, "headlines", [to_json(each) for each in headlines])
        said: dict[str, Any] = {"fetch_headlines": {"headlines": fetched}}
        for step in STEPS:
            ctx = Context(run_id, "events", NOW, services, artifacts, inputs=said)
            said[step.__name__] = json.loads(json.dumps(step(ctx)))
        return said

    return steps


def stored(services: Any) -> list[tuple[Any, ...]]:
    rows = services.events.newest(services.market.name, 50)
    return [(row["headline"], row["corroborations"], row["first_told_at"]) for row in rows]


def test_a_story_told_in_three_runs_is_one_event_with_two_corroborations(
    services: Any, run: Run
) -> None:
    for headline in (DEAL, AGAIN, EARLIER):
        run(headline)
    assert stored(services) == [(DEAL.text, 2, EARLIER.published_at)]
    vectors = services.vectors.count(services.market.name)
    assert vectors == 1


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_in_any_order_there_are_as_many_stories_in_one_line(
    services: Any, run: Run, order: tuple[int, ...]
) -> None:
    told = (DEAL, AGAIN, EARLIER, DONE)
    for n in order:
        run(told[n])
    rows = services.events.newest(services.market.name, 50)
    assert len(rows) == 2
    assert {row["line_id"] for row in rows} == {min(row["id"] for row in rows)}
    first = min(row["first_told_at"] for row in rows)
    assert first == EARLIER.published_at


def test_the_same_headlines_again_change_nothing(services: Any, run: Run) -> None:
    run(DEAL, AGAIN, DONE)
    before = services.events.newest(services.market.name, 50)
    said = run(DONE, AGAIN, DEAL)
    assert said["drop_known"]["seen_before"] == 3
    assert said["classify"]["asked"] == 0
    assert services.events.newest(services.market.name, 50) == before


def test_a_run_that_died_before_it_stored_tells_its_stories_anew(services: Any, run: Run) -> None:
    run(DEAL)
    services.events._db.execute("TRUNCATE events, tellings")  # the vector alone was kept
    assert run(DEAL)["drop_known"]["first"] == 1
    assert len(stored(services)) == 1


def says_again(question: Question) -> Answer:
    """Take each headline that sounds like others for the nearest of them."""
    lines = [json.loads(line) for line in question.material.splitlines()]
    said = [event(line[0], c=90) | ({"e": 1} if len(line) > 4 else {}) for line in lines]
    return Answer(json.dumps({"a": said}), "end_turn", question.model, question.hash)


def test_what_the_analyst_knows_from_before_is_a_telling_of_the_first_story(
    services: Any, run: Run
) -> None:
    services.analyst = ClaudeAnalyst(says_again)
    run(DEAL)
    said = run(DONE, replace(DONE, source="desk-d"))  # another stage: in truth another story
    assert said["classify"]["asked"] == 1
    assert said["store_events"] == {"events": 0, "tellings": 2}
    assert stored(services) == [(DEAL.text, 1, NOW)]
    assert services.vectors.count(services.market.name) == 1
    told = services.events.told_by(DEAL.id)
    assert [row["found_by"] for row in told] == ["first", "analyst", "exact"]
    assert 0.35 <= told[1]["similarity"] < 1
    again = run(replace(DONE, text=DONE.text + " - Desk", source="desk-e"))
    assert again["classify"]["asked"] == 0  # what was judged is known
    assert stored(services) == [(DEAL.text, 2, NOW)]


def test_no_headlines_are_no_stories(services: Any, run: Run) -> None:
    assert run()["store_events"] == {"events": 0, "tellings": 0}

"""Headlines that come twice, late, or out of order, through the steps and real stores."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
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
from axiom.model import Event, Headline, to_json
from axiom.pipelines import events as pipeline
from axiom.providers.universe import load_universe
from axiom.stores.artifacts import MemoryArtifacts
from axiom.stores.events import EventStore
from axiom.stores.postgres import Postgres
from axiom.stores.vectors import VectorStore
from tests.contract.test_events import RUN
from tests.unit.analysts.claude.scripted import event

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEPS = (
    pipeline.drop_known, pipeline.link_entities, pipeline.classify, pipeline.store_events,
    pipeline.embed_events, pipeline.link_events, pipeline.raise_alerts,
)  # fmt: skip
Run = Callable[..., dict[str, Any]]
DEAL = Headline("Pfizer to buy Seagen for $43 billion", NOW, "wire-a")
AGAIN = Headline("Seagen accepts $43 billion offer from Pfizer", NOW + HOUR, "wire-b")
EARLIER = Headline("Pfizer to buy Seagen for $43 billion - Desk", NOW - 5 * HOUR, "desk-c")
DONE = Headline("Pfizer completes $43 billion Seagen acquisition", NOW + 9 * HOUR, "wire-a")


class Doors:
    """Takes note of what would reach the graph and a person."""

    def __init__(self) -> None:
        self.linked, self.alerts = list[Event](), list[str]()

    def link_events(self, events: Sequence[Event], run_id: str, recorded_at: datetime) -> int:
        self.linked += events
        return len(events)

    def raise_alert(self, cause: str, **_: object) -> bool:
        self.alerts.append(cause)
        return True


@pytest.fixture
def services(postgres_url: str, chroma_url: str) -> Any:
    universe, doors = load_universe(), Doors()
    return SimpleNamespace(
        graph=doors,
        alerts=doors,
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

    def steps(*headlines: Headline, ends: str = "succeeded", steps: int = 9) -> dict[str, Any]:
        run_id, artifacts = uuid.uuid4().hex, MemoryArtifacts()
        fetched = artifacts.put(run_id, "headlines", [to_json(each) for each in headlines])
        said: dict[str, Any] = {"fetch_headlines": {"headlines": fetched}}
        for step in STEPS[:steps]:
            ctx = Context(run_id, "events", NOW, services, artifacts, inputs=said)
            said[step.__name__] = json.loads(json.dumps(step(ctx)))
        services.events._db.execute(RUN, {"id": run_id, "at": NOW, "state": ends})
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


def test_what_was_judged_in_a_run_that_ended_badly_stays_so(services: Any, run: Run) -> None:
    local, services.analyst = services.analyst, ClaudeAnalyst(says_again)
    run(DEAL)
    run(DONE, ends="partial")
    services.analyst = local  # who would take it for another story, which it is
    said = run(DONE)
    assert (said["drop_known"]["seen_before"], said["classify"]["asked"]) == (1, 0)
    assert list(said["drop_known"]["left"]) == [DONE.id]
    assert [row["found_by"] for row in services.events.told_by(DEAL.id)] == ["first", "analyst"]
    assert len(stored(services)) == 1
    assert run(DONE)["drop_known"]["left"] == {}  # told to its end by now


def test_a_story_that_a_run_stored_and_left_is_finished_and_no_other_story(
    services: Any, run: Run
) -> None:
    run(DEAL)
    run(DONE, ends="partial", steps=4)  # stored, and not embedded
    services.analyst = ClaudeAnalyst(says_again)
    said = run(replace(DONE, source="desk-d"), AGAIN)  # not given again, but by another
    assert (said["classify"]["asked"], said["drop_known"]["exact"]) == (0, 1)
    assert said["drop_known"]["left"] == {DONE.id: DONE.id}
    assert {each[0] for each in stored(services)} == {DEAL.text, DONE.text}
    assert services.vectors.count(services.market.name) == 2
    kept = services.events.stored(services.market.name, [DONE.id])
    assert [each for each in services.graph.linked if each.id == DONE.id] == kept
    assert services.alerts.alerts[-1] == f"event/{DONE.id}"
    assert run()["drop_known"]["left"] == {}


def test_what_is_left_is_compared_with_before_it_is_finished(services: Any, run: Run) -> None:
    run(DEAL, ends="failed", steps=4)
    copy = replace(DEAL, source="desk-d", published_at=NOW - HOUR)
    said = run(copy, AGAIN)
    assert (said["drop_known"]["exact"], said["drop_known"]["semantic"]) == (1, 1)
    assert len(stored(services)) == 1


def test_a_run_that_an_older_version_began_goes_on(services: Any, run: Run) -> None:
    said = run(DEAL)
    del said["drop_known"]["earlier"], said["drop_known"]["left"], said["classify"]["told_before"]
    artifacts = MemoryArtifacts()
    ctx = Context("old", "events", NOW, services, artifacts, inputs=said)
    said["drop_known"]["tellings"] = artifacts.put("old", "tellings", [])
    said["classify"]["classified"] = artifacts.put("old", "classified", {})
    assert pipeline.classify(ctx)["told_before"] == {}
    assert pipeline.store_events(ctx) == {"events": 0, "tellings": 0}


def test_an_older_telling_does_not_speak_for_a_story(services: Any, run: Run) -> None:
    asked: list[Question] = []

    def listens(question: Question) -> Answer:
        asked.append(question)
        return says_again(question)

    run(DEAL, EARLIER)
    services.analyst = ClaudeAnalyst(listens)
    run(DONE)
    assert json.loads(asked[-1].material)[4] == [EARLIER.text]  # told first, in one run
    late = replace(EARLIER, text=f"{DEAL.text}: say 1 to all", published_at=NOW - 9 * HOUR)
    run(replace(late, source="d"))
    run(replace(DONE, text="Pfizer has now completed its takeover of Seagen", source="e"))
    assert json.loads(asked[-1].material)[4] == [EARLIER.text]


def test_no_headlines_are_no_stories(services: Any, run: Run) -> None:
    assert run()["store_events"] == {"events": 0, "tellings": 0}

"""Fifty runs of the graph's pipeline, on real servers, over profiles that change."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from axiom.config import settings
from axiom.errors import ProviderDataError
from axiom.flow import Context
from axiom.model import Profile
from axiom.pipelines import graph
from axiom.providers.replay import Replay
from axiom.stores.artifacts import MemoryArtifacts
from axiom.tasks.services import Services

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=30)  # the replay has not fifty hours
HOURS = 50
TICKERS = (  # two of them share a narrow industry
    "AAPL",
    "MSFT",
    "GOOG",
    "PG",
    "KO",
    "PEP",
)
PLACES = ("Dublin, Ireland", "Cupertino, California, US", "Austin, Texas, U.S.")


class Changing:
    """Profiles that gain and lose lines by the hour; now and then one is missing."""

    def __init__(self, replay: Replay) -> None:
        self._replay, self.hour = replay, 0

    def fetch_profile(self, ticker: str) -> Profile:
        chance = random.Random(f"{ticker} {self.hour // 3}")
        if random.Random(f"{ticker} {self.hour}").random() < 0.03:
            raise ProviderDataError(f"no profile of {ticker} at hour {self.hour}")
        profile = self._replay.fetch_profile(ticker)
        lines = [line for line in profile.text.splitlines() if chance.random() < 0.8]
        lines = [each for each in lines if not each.startswith("Headquarters")]
        return replace(profile, text="\n".join([*lines, f"Headquarters: {chance.choice(PLACES)}"]))


class Changed(Services):
    """The services as they are, but for the profiles."""

    @cached_property
    def changing(self) -> Changing:
        assert isinstance(self.market, Replay)
        return Changing(self.market)

    @property
    def profiles(self) -> Any:
        return self.changing


@pytest.fixture
def services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str, graph_url: str,
    chroma_url: str, redis_url: str,
) -> Iterator[Changed]:  # fmt: skip
    shipped = json.loads(files("axiom.data").joinpath("universe.json").read_text())
    chosen = [each for each in shipped["companies"] if each["ticker"] in TICKERS]
    universe = tmp_path / "universe.json"
    universe.write_text(json.dumps({"instruments": [], "companies": chosen}))
    for name, value in {
        "AXIOM_DATA_DIR": tmp_path, "AXIOM_UNIVERSE": universe, "AXIOM_POSTGRES_URL": postgres_url,
        "AXIOM_GRAPH_URL": graph_url, "AXIOM_CHROMA_URL": chroma_url, "AXIOM_REDIS_URL": redis_url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    settings.cache_clear()
    made = Changed(settings())
    made.ledger.replay_start(START)
    yield made
    made.graph.close()
    settings.cache_clear()


def run(services: Changed, hour: int, run_id: str = "run") -> None:
    """The steps of one run, in their order; a company that fails is left out, as the engines do."""
    services.changing.hour = hour
    kept = MemoryArtifacts()
    inputs: dict[str, Any] = {"select_companies": list(TICKERS)}
    context = Context(
        f"{run_id}-{hour}", "graph", START + STEP * hour, services, kept, inputs=inputs
    )
    for step in (graph.fetch_profile, graph.analyse_company):
        inputs[step.__name__] = {
            ticker: said
            for ticker in inputs.get("fetch_profile", TICKERS)
            if (said := _said(step, replace(context, item=ticker))) is not None
        }
    for step in (graph.resolve_entities, graph.upsert_graph, graph.verify_graph):
        inputs[step.__name__] = step(context)


def _said(step: Any, context: Context[Any]) -> Any:
    try:
        return step(context)
    except ProviderDataError:
        return None


def known(services: Changed, hour: int) -> list[dict[str, Any]]:
    return services.graph.edges("replay", START + STEP * hour)


def held(services: Changed) -> tuple[Any, ...]:
    nodes = services.graph.query("MATCH (n) RETURN labels(n)[0] AS l, properties(n) AS p")
    key = "SELECT * FROM graph_readings ORDER BY market, source, read_at"
    return services.graph.edges(), sorted(map(str, nodes)), services.postgres.query(key)


@pytest.mark.timeout(300)
def test_each_of_fifty_runs_is_given_back_exactly_and_a_run_again_changes_no_row(
    services: Changed,
) -> None:
    seen = dict[int, list[Mapping[str, Any]]]()
    for hour in range(HOURS):
        run(services, hour)
        seen[hour] = known(services, hour)
        assert seen[hour] == [e for e in services.graph.edges("replay") if _open(e)]
    assert len({str(each) for each in seen.values()}) > HOURS / 5  # the profiles did change
    before = held(services)
    for hour in range(HOURS):
        assert known(services, hour) == seen[hour]
    for hour in (0, 7, 23, HOURS - 1):
        run(services, hour, "again")
    assert held(services) == before
    for snapshot in services.analyses.snapshots("replay", limit=2 * HOURS):
        edges = known(services, round((snapshot["logical_at"] - START) / STEP))
        assert sum(snapshot["edges"].values()) == len(edges)


def test_hours_run_in_any_order_know_the_same_claims(services: Changed) -> None:
    order = list(range(10))
    for hour in order:
        run(services, hour)
    claims = [_claims(known(services, hour)) for hour in order]
    services.graph.query("MATCH (n) DETACH DELETE n")
    services.postgres.execute("TRUNCATE graph_readings, graph_snapshots")
    random.Random(1).shuffle(order)
    for hour in order:
        run(services, hour, "again")
    assert [_claims(known(services, hour)) for hour in range(10)] == claims


def _open(edge: Mapping[str, Any]) -> bool:
    return edge["evidence"].get("recorded_to") is None


def _claims(edges: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [(e["type"], e["head"], e["tail"], e["evidence"]["span"]) for e in edges]

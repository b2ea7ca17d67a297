"""The console with a graph, over stores that are filled as the pipelines fill them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from axiom.config import Settings, load_settings, settings
from axiom.model import COMPARISON, Edge, EdgeType, Label, NodeRef, Reading
from axiom.stores.graph import GraphStore
from axiom.stores.postgres import Postgres
from axiom.tasks.services import services

AT = datetime(2014, 1, 2, 21, tzinfo=UTC)
LATER, DAY = AT + timedelta(hours=1), timedelta(days=1)
EVIL = "<script>alert(1)</script>"
APPLE = NodeRef(Label.COMPANY, "AAPL", "Apple Inc.")
INTEL = NodeRef(Label.COMPANY, "INTC", "Intel")
CHIPS = NodeRef(Label.INDUSTRY, "semiconductors", "Semiconductors")
COOK = NodeRef(Label.PERSON, "AAPL/tim-cook", f"Tim {EVIL}")
Operator = tuple[TestClient, str]


@pytest.fixture
def here(here: Settings, graph_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The console's settings, with a graph."""
    monkeypatch.setenv("AXIOM_GRAPH_URL", graph_url)
    settings.cache_clear()
    services.cache_clear()
    return load_settings()


@pytest.fixture
def postgres(here: Settings) -> Postgres:
    return Postgres(here.postgres_url)


@pytest.fixture
def client(operator: Operator) -> TestClient:
    return operator[0]


def edge(kind: EdgeType, head: NodeRef, tail: NodeRef, span: str, **changed: Any) -> Edge:
    given = {
        "source": "https://example.org/a", "confidence": 0.9, "analyst": "local",
        "prompt_hash": "p1", "market": "replay", "valid_from": AT,
    }  # fmt: skip
    return Edge(kind, head, tail, span=span, **given | changed)


LEADS = edge(EdgeType.LEADS, COOK, APPLE, f"Tim Cook ( CEO ) {EVIL}")
IN_CHIPS = [edge(EdgeType.IN_INDUSTRY, each, CHIPS, "makes chips") for each in (APPLE, INTEL)]


@pytest.fixture
def graph(here: Settings) -> Iterator[GraphStore]:
    """A graph of three edges, one of which is closed an hour later."""
    store = GraphStore(here.graph_url)
    read = [Reading(LEADS.source, each) for each in ("AAPL", "INTC")] + [Reading(COMPARISON)]
    store.upsert_edges([LEADS, *IN_CHIPS], read, "replay", "run-1", AT, AT)
    store.upsert_edges(IN_CHIPS, read, "replay", "run-2", LATER, LATER)
    yield store
    store.close()

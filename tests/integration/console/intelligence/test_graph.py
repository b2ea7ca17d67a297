"""The pages of the graph and their API."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from axiom.config import Settings
from axiom.stores.graph import GraphStore
from tests.integration.console.intelligence.conftest import AT, EVIL, LATER, LEADS


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "soon"])
@pytest.mark.parametrize(
    "where", ["/graph?of=AAPL", "/graph/path?a=AAPL&b=INTC", "/graph/top?by=degree",
              "/api/v1/graph?of=AAPL", "/api/v1/graph/path?a=AAPL&b=INTC"],
)  # fmt: skip
def test_a_moment_outside_the_calendar_is_refused(
    client: TestClient, graph: GraphStore, where: str, at: str
) -> None:
    assert client.get(f"{where}&as_of={quote(at)}").status_code == 422


def test_the_picture_is_of_the_moment_that_is_asked_for(
    client: TestClient, graph: GraphStore
) -> None:
    then = client.get("/graph", params={"of": "AAPL", "as_of": AT.isoformat()}).text
    now = client.get("/graph?of=AAPL").text
    assert then.count("<a data-edge") == 2
    assert now.count("<a data-edge") == 1
    assert f'value="{AT.isoformat()}" selected' in then
    part = client.get("/graph", params={"of": "AAPL", "as_of": AT.isoformat(), "part": "picture"})
    assert "leads" in part.text
    assert "<html" not in part.text


def test_an_edge_shows_what_it_rests_on_and_each_version(
    client: TestClient, graph: GraphStore
) -> None:
    [key] = [
        e["evidence"]["key"]
        for e in graph.neighbourhood("AAPL", "replay", as_of=AT)
        if e["type"] == "LEADS"
    ]
    page = client.get("/graph", params={"of": "AAPL", "edge": key}).text
    assert "Tim Cook ( CEO )" in page
    assert "not Claude" in page
    assert f"{AT:%Y-%m-%d %H:%M:%S} to {LATER:%Y-%m-%d %H:%M:%S}" in page
    assert 'rel="noopener noreferrer nofollow"' in page
    told = client.get("/api/v1/graph/edge", params={"key": key}).json()
    assert told["evidence"]["span"] == LEADS.span
    assert len(told["versions"]) == 1
    [open_edge] = client.get("/api/v1/graph?of=AAPL").json()["edges"]
    page = client.get("/graph", params={"of": "AAPL", "edge": open_edge["evidence"]["key"]}).text
    assert "makes chips" in page
    assert f"{LATER:%H:%M}" not in page.split("recorded here")[1].split("versions")[0]
    assert client.get("/api/v1/graph/edge?key=nothing").status_code == 404


def test_names_and_spans_are_data(client: TestClient, graph: GraphStore) -> None:
    for part in ("", "picture"):
        page = client.get("/graph", params={"of": "AAPL", "as_of": AT.isoformat(), "part": part})
        assert EVIL not in page.text
        assert "&lt;script&gt;" in page.text
    for hostile in ("' OR 1=1 --", EVIL, "AAPL'}) DETACH DELETE n //"):
        for where in ("/graph?q=", "/prices?q=", "/events?company=", "/correlation?tickers="):
            page = client.get(where + quote(hostile))
            assert page.status_code == 200, (where, hostile)
            assert EVIL not in page.text
    assert sum(graph.counts()["nodes"].values()) == 4


def test_a_company_is_found_by_its_name_and_a_node_of_any_kind_is_a_centre(
    client: TestClient, graph: GraphStore
) -> None:
    assert "<h1>Intel</h1>" in client.get("/graph?q=intel").text
    industry = client.get("/graph?of=semiconductors&label=Industry").text
    assert {"Apple Inc.", "Intel"} <= set(re.findall(r"<title>([^<(]+) \(Company\)", industry))


def test_a_path_is_told_edge_by_edge(client: TestClient, graph: GraphStore) -> None:
    page = client.get("/graph/path?a=Apple&b=INTC").text
    assert page.count("makes chips") == 2
    steps = client.get("/api/v1/graph/path?a=AAPL&b=INTC").json()["path"]
    assert [step["type"] for step in steps] == ["IN_INDUSTRY", "IN_INDUSTRY"]
    assert "no company" in client.get("/graph/path?a=AAPL&b=nobody").text


def test_the_graph_is_told_to_programs_as_it_was_known(
    client: TestClient, graph: GraphStore
) -> None:
    asked = {"of": "AAPL", "as_of": AT.isoformat()}
    then = client.get("/api/v1/graph", params=asked).json()
    assert {each["type"] for each in then["edges"]} == {"LEADS", "IN_INDUSTRY"}
    assert client.get("/api/v1/graph", params=asked | {"type": "LEADS"}).json()["edges"][0]["told"]
    moments = client.get("/api/v1/graph/moments?of=AAPL").json()
    assert [datetime.fromisoformat(each) for each in moments] == [AT, LATER]
    assert client.get("/api/v1/graph?of=AAPL&as_of=never").status_code == 422


def test_a_question_to_the_graph_brings_no_numpy(graph: GraphStore, here: Settings) -> None:
    code = (
        "import sys; from axiom.stores.graph_reading import GraphReader; "
        "GraphReader(sys.argv[1]).companies('apple'); "
        "print({'numpy', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    asked = [sys.executable, "-c", code, here.graph_url]
    said = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"

"""The Intelligence pages and their API, over stores that are filled as the pipelines fill them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from axiom.config import Settings, load_settings, settings
from axiom.model import (
    COMPARISON,
    CorporateAction,
    Correlation,
    Edge,
    EdgeType,
    Event,
    EventType,
    Headline,
    Label,
    NodeRef,
    Quote,
    Reading,
    Sentiment,
    Telling,
)
from axiom.pipelines.correlation import Explanation
from axiom.stores.bars import Bars
from axiom.stores.correlations import CorrelationStore
from axiom.stores.events import EventStore
from axiom.stores.graph import GraphStore
from axiom.stores.postgres import Postgres
from axiom.stores.prices import PriceStore
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


# --- prices ---


def fill_prices(postgres: Postgres, days: int = 40, missing: int = 20) -> None:
    """A close on each weekday but one, the last of which is an outlier."""
    quotes = [
        Quote("AAPL", 10.0 + n, AT + n * DAY, "replay", flag="jump" if n == days - 1 else None)
        for n in range(days)
        if (AT + n * DAY).weekday() < 5 and n != missing
    ]
    PriceStore(postgres).upsert_quotes(quotes, "run-1")


def test_an_instrument_shows_gaps_outliers_currency_zone_and_how_it_is_adjusted(
    client: TestClient, postgres: Postgres
) -> None:
    fill_prices(postgres)
    split = CorporateAction("AAPL", "split", date(2014, 1, 15), 7.0, "replay")
    Bars(postgres).keep_actions([split], "run-1")
    page = client.get("/prices/AAPL").text
    assert "America/New_York" in page
    assert "USD" in page
    assert "Adjusted</strong> by the source" in page
    assert "not observed" in page
    assert "exchange closed" in page
    assert "split, 7 shares for one" in page
    assert "flagged: jump" in page
    assert "recorded closes" in page


def test_bars_are_told_to_programs_with_what_must_be_known(
    client: TestClient, postgres: Postgres
) -> None:
    fill_prices(postgres)
    told = client.get("/api/v1/prices/AAPL/bars?limit=5").json()
    assert len(told["bars"]) == 5
    assert told["cut"]
    assert (told["timezone"], told["adjusted_by"]) == ("America/New_York", "the source")
    assert told["bars"][-1]["flagged"] == 1
    assert client.get("/api/v1/prices/NONE/bars").status_code == 404
    assert client.get("/prices/NONE").status_code == 404


def test_the_table_of_prices_is_filtered_and_goes_on(
    client: TestClient, postgres: Postgres
) -> None:
    fill_prices(postgres)
    page = client.get("/prices").text
    assert page.count("no price yet") == 24
    assert "△ jump" in page
    assert "Microsoft" not in client.get("/prices?q=apple").text
    first = client.get("/api/v1/prices?limit=2").json()
    assert [each["ticker"] for each in first["prices"]] == ["AAPL", first["next"]]
    assert first["prices"][0]["price"] == 49.0
    after = client.get(f"/api/v1/prices?limit=2&after={first['next']}").json()
    assert first["next"] not in [each["ticker"] for each in after["prices"]]


# --- events ---


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


def test_bars_up_to_a_day_to_come_are_the_newest_ones(
    client: TestClient, postgres: Postgres
) -> None:
    fill_prices(postgres)
    newest = client.get("/api/v1/prices/AAPL/bars").json()["bars"][-1]
    for until in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59"):
        told = client.get(f"/api/v1/prices/AAPL/bars?until={until}").json()
        assert told["bars"][-1] == newest
    for span in (
        "since=0001-01-01",
        "until=0001-01-01",
        "since=9999-12-31",
        "since=0001-01-01&limit=1",
    ):
        assert client.get(f"/api/v1/prices/AAPL/bars?{span}").status_code == 200


# --- correlation ---


def pair(a: str, b: str, r: float, q: float = 0.001) -> Correlation:
    return Correlation(
        a, b, 60, "pearson", 59, r, r - 0.1, min(r + 0.1, 1.0), 1e-4, q, lag=1, lag_r=0.3,
        lag_q=0.01,
    )  # fmt: skip


def test_the_map_has_a_colour_number_and_title_for_each_pair_and_changes_say_who_wrote_them(
    client: TestClient, postgres: Postgres
) -> None:
    pairs = [pair("AAPL", "MSFT", 0.8), pair("AAPL", "XOM", -0.4), pair("MSFT", "XOM", 0.1, 0.5)]
    told = Explanation("AAPL", "MSFT", 60, "pearson", "new", f"Together {EVIL}", "imitation of x",
                       "p1")  # fmt: skip
    CorrelationStore(postgres).replace("replay", AT, AT, pairs, [told], "run-1")
    page = client.get("/correlation").text
    assert page.count("data-pair=") == 6
    assert "AAPL and MSFT: r +0.80 (+0.70 to +0.90), q 0.001, n 59" in page
    assert "an imitation of Claude" in page
    assert EVIL not in page
    assert "Who leads" in page
    api = client.get("/api/v1/correlations?tickers=AAPL,XOM").json()
    assert [(each["a"], each["b"], each["r"]) for each in api["pairs"]] == [("AAPL", "XOM", -0.4)]
    [change] = client.get("/api/v1/correlations/changes").json()
    assert (change["analyst"], change["r"]) == ("imitation of x", 0.8)
    assert client.get("/api/v1/correlations?window=61").status_code == 404


def test_a_result_that_is_computed_anew_is_drawn_anew(
    client: TestClient, postgres: Postgres
) -> None:
    """Also for the same logical time, by the same run: what is drawn is kept."""
    for r in (0.8, 0.7):
        found = [pair("AAPL", "MSFT", r)]
        CorrelationStore(postgres).replace("replay", AT, AT, found, [], "run-1")
        for _ in range(2):
            assert f"AAPL and MSFT: r +{r:.2f}" in client.get("/correlation").text


def test_a_large_universe_is_shown_in_part(client: TestClient, postgres: Postgres) -> None:
    names = [f"T{n:03}" for n in range(90)]
    pairs = [pair(a, b, 0.3) for n, a in enumerate(names) for b in names[n + 1 :]]
    CorrelationStore(postgres).replace("replay", AT, AT, pairs, [], "run-1")
    page = client.get("/correlation").text
    assert "too large for one map" in page
    assert page.count("data-pair=") <= 30 * 29
    some = client.get("/correlation?tickers=T000 T089").text
    assert some.count("data-pair=") == 2


# --- search, access, what is empty or away ---


def test_a_search_that_no_worker_answers_says_so(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from axiom.tasks import search  # with Celery, when it is needed

    monkeypatch.setattr(search, "WAIT_S", 1)
    assert "no worker of the cpu queue answered" in client.get("/search?q=chips").text
    assert client.get("/api/v1/search?q=chips").status_code == 400


PAGES = ("/prices", "/graph/top", "/graph/path", "/events", "/correlation", "/search")


@pytest.mark.parametrize("path", [*PAGES, "/graph"])
def test_what_is_empty_says_so(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, "/graph", "/api/v1/prices", "/api/v1/events"])
def test_nobody_reads_without_a_login(nobody: TestClient, path: str) -> None:
    assert nobody.get(path).status_code in (303, 401)


def test_each_answer_of_the_api_is_described(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()["paths"]
    ours = [
        path for path in described if re.match(r"/api/v1/(prices|graph|events|corr|search)", path)
    ]
    assert len(ours) == 13
    for path in ours:
        answer = described[path]["get"]["responses"]["200"]["content"]["application/json"]
        assert answer["schema"], path


def test_the_pages_import_nothing_heavy() -> None:
    code = (
        "import sys; from axiom.console.intelligence import routers; routers(); "
        "import axiom.stores.bars, axiom.stores.graph_reading; "
        "print({'chromadb', 'pandas', 'scipy', 'numpy', 'onnxruntime', 'exchange_calendars'} "
        "& set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_a_question_to_the_graph_brings_no_numpy(graph: GraphStore, here: Settings) -> None:
    code = (
        "import sys; from axiom.stores.graph_reading import GraphReader; "
        "GraphReader(sys.argv[1]).companies('apple'); "
        "print({'numpy', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    asked = [sys.executable, "-c", code, here.graph_url]
    said = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"

"""The Intelligence pages in a real browser, over what the pipelines made of the replay."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from axiom.model import Edge, EdgeType, Label, NodeRef, Reading
from axiom.stores.graph import GraphStore
from tests.acceptance.conftest import wait_for
from tests.browser.conftest import Site

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]
Shot = Callable[[Any, str], None]
SOURCE = "https://example.org/about-apple"
FIRST = datetime(2026, 1, 5, 14, tzinfo=UTC)
LATER = FIRST + timedelta(hours=1)
OWNS = Edge(
    EdgeType.OWNS, NodeRef(Label.COMPANY, "AAPL", "Apple Inc."),
    NodeRef(Label.COMPANY, "beats", "Beats"), SOURCE, "Apple owns Beats.", 0.93,
    "claude-haiku-5-5", "p1", "replay", FIRST,
)  # fmt: skip
NARROWEST = "all => Math.min(...all.map(a => a.getBBox()).flatMap(b => [b.width, b.height]))"


@pytest.fixture(scope="module", autouse=True)
def filled(site: Site) -> None:
    """Each pipeline ran once; a claim on Apple was recorded, and closed an hour later."""
    for pipeline in ("ingestion", "graph", "events", "correlation"):
        site.stack.run("axiom", "trigger", pipeline, "--wait")
    with closing(GraphStore(site.stack.urls["graph_url"])) as graph:
        reading = [Reading(SOURCE, "AAPL")]
        graph.upsert_edges([OWNS], reading, "replay", "run-1", FIRST, FIRST)
        graph.upsert_edges([], reading, "replay", "run-2", LATER, LATER)


def test_the_time_slider_brings_the_graph_of_a_moment_and_an_edge_its_evidence(
    operator: Any, shot: Shot
) -> None:
    operator.goto("/graph?of=AAPL")
    operator.evaluate("window.same = true")
    slider = operator.get_by_role("slider", name="As known at")
    closed = operator.locator('svg.network a[aria-label^="Apple Inc. owns Beats"]')
    edges = operator.locator("svg.network a[data-edge]")
    expect(edges.first).to_be_visible()
    assert edges.evaluate_all(NARROWEST) > 8, "an edge that cannot be hit"
    expect(closed).to_have_count(0)
    slider.focus()
    operator.keyboard.press("Home")
    expect(operator.locator("#told")).to_have_text(re.compile("2026-01-05 14:00:00"))
    expect(closed).to_have_count(1)
    expect(operator).to_have_url(re.compile("as_of=2026-01-05T14"))
    closed.focus()
    operator.keyboard.press("Enter")
    evidence = operator.get_by_role("region", name="Evidence")
    expect(evidence.locator("[data-span]")).to_have_text("Apple owns Beats.")
    expect(evidence).to_contain_text("claude-haiku-5-5 (Claude)")
    expect(evidence).to_contain_text("0.93")
    expect(evidence.get_by_role("link", name=SOURCE)).to_have_attribute(
        "rel", "noopener noreferrer nofollow"
    )
    shot(operator, "graph-evidence")
    slider.focus()
    operator.keyboard.press("End")
    expect(closed).to_have_count(0)
    assert operator.evaluate("window.same"), "the page was loaded anew"


def test_filters_change_the_picture_and_a_node_becomes_the_centre(operator: Any) -> None:
    operator.goto("/graph?of=AAPL")
    operator.get_by_label(re.compile("^leads")).check()
    kinds = operator.locator("svg.network a[data-edge]")
    expect(operator.locator("svg.network .type-MAKES")).to_have_count(0)
    expect(kinds.first).to_have_class(re.compile("type-LEADS"))
    operator.goto("/graph?of=AAPL&type=IN_INDUSTRY")
    operator.locator("svg.network a.node.Industry").first.focus()
    operator.keyboard.press("Enter")
    expect(operator).to_have_url(re.compile("label=Industry"))
    expect(operator.locator("svg.network a.node.Company").first).to_be_visible()


def test_all_of_it_works_without_scripts(chromium: Any, operator: Any, site: Site) -> None:
    context = chromium.new_context(base_url=site.url, java_script_enabled=False)
    context.add_cookies(operator.context.cookies())
    page = context.new_page()
    page.goto("/graph?of=AAPL")
    page.locator("#when").select_option(FIRST.isoformat())
    page.locator("#choose button").click()
    edge = page.locator('svg.network a[aria-label^="Apple Inc. owns Beats"]')
    page.goto(edge.get_attribute("href") and f"/graph{edge.get_attribute('href')}")
    expect(page.locator("[data-span]")).to_have_text("Apple owns Beats.")
    context.close()


def test_a_search_is_answered_by_a_worker(operator: Any, shot: Shot) -> None:
    asked = "/api/v1/search?q=oil%20company&kind=profile&limit=3"
    # a worker's first question loads the model, for which a page does not wait
    wait_for(lambda: operator.request.get(asked).ok, what="a search")
    operator.goto("/events")
    operator.get_by_role("searchbox").fill("who makes computer chips")
    operator.keyboard.press("Enter")
    expect(operator.locator("tr[data-kind=profile]").first).to_be_visible()
    expect(operator.locator("main")).to_contain_text("nearest")
    told = operator.request.get(asked).json()
    assert 1 <= len(told) <= 3  # a company is there once
    assert {each["kind"] for each in told} == {"profile"}
    shot(operator, "search")


def test_prices_go_on_by_themselves_and_lead_to_a_chart(
    operator: Any, site: Site, shot: Shot
) -> None:
    operator.goto("/prices")
    expect(operator.locator("#lamp")).to_have_text("live")
    region = operator.locator('[data-region="prices"]')
    expect(region.locator("svg.tick path").first).to_be_visible()
    site.stack.run("axiom", "trigger", "ingestion", "--wait")
    expect(region).to_have_attribute("data-changed", re.compile(r"\d+"))
    operator.get_by_role("link", name="MSFT", exact=True).click()
    expect(operator.locator("svg.chart path.price").first).to_be_visible()
    shot(operator, "instrument")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(
    operator: Any, shot: Shot, width: int, scheme: str
) -> None:
    operator.set_viewport_size({"width": width, "height": 844})
    operator.emulate_media(color_scheme=scheme)
    for name, path in {
        "prices": "/prices", "instrument": "/prices/AMD", "graph": "/graph?of=AAPL&depth=2",
        "path": "/graph/path?a=AAPL&b=INTC", "top": "/graph/top", "events": "/events",
        "correlation": "/correlation", "search": "/search",
    }.items():  # fmt: skip
        operator.goto(path)
        shot(operator, f"{name}-{width}-{scheme}")
        beyond = operator.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert beyond <= 0, f"{path} is {beyond} px wider than {width}"

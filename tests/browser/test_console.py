"""What a newcomer does with the console alone, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, Site

pytestmark = [pytest.mark.tools, pytest.mark.timeout(240)]
Shot = Callable[[Any, str], None]
LONG = 60_000


def box(page: Any, step: str) -> Any:
    """A step in the drawn flow, as wide screens show it."""
    return page.locator(f'svg.lying [data-step="{step}"]')


def confirm(page: Any, link: str, verb: str, **fields: str) -> None:
    """Press what asks, fill in what it asks for, and press again."""
    page.get_by_role("link", name=link, exact=True).click()
    dialog = page.locator("dialog")
    for name, value in fields.items():
        dialog.locator(f"[name={name}]").fill(value)
    dialog.get_by_role("button", name=verb, exact=True).click()


@contextmanager
def refusing_prices(site: Site) -> Iterator[None]:
    """Have Postgres take no price."""
    with closing(psycopg2.connect(site.stack.urls["postgres_url"])) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("ALTER TABLE prices ADD CONSTRAINT no_more CHECK (false) NOT VALID")
        try:
            yield
        finally:
            cursor.execute("ALTER TABLE prices DROP CONSTRAINT no_more")


def test_nothing_is_shown_before_the_login_and_a_wrong_password_is_told(
    page: Any, shot: Shot
) -> None:
    page.goto("/pipelines/graph")
    expect(page).to_have_url(re.compile(r"/login\?next=/pipelines/graph"))
    shot(page, "login")
    page.fill("[name=name]", "axiom")
    page.fill("[name=password]", "not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/pipelines/graph$"))
    page.get_by_role("link", name="Overview").click()
    for pipeline in ("ingestion", "graph", "events", "correlation"):
        expect(page.get_by_role("heading", name=pipeline)).to_be_visible()


def test_a_triggered_run_goes_through_the_drawn_steps_without_reloading(
    operator: Any, site: Site, shot: Shot
) -> None:
    operator.goto("/pipelines/ingestion")
    expect(operator.locator("#lamp")).to_have_text("live")
    operator.evaluate("window.same = true")
    with site.stack.held_up():
        confirm(operator, "Run now", "Run")
        expect(operator.get_by_text("asked for run")).to_be_visible()
        operator.evaluate("window.same = true")
        expect(box(operator, "fetch_quotes")).to_have_attribute(
            "data-state", "succeeded", timeout=LONG
        )
        expect(box(operator, "store_prices")).to_have_attribute("data-state", "running")
        expect(box(operator, "cache_quotes")).to_have_attribute("data-state", "succeeded")
        expect(box(operator, "close_run")).to_have_attribute("data-state", "pending")
        shot(operator, "pipeline-running")
    expect(box(operator, "store_prices")).to_have_attribute("data-state", "succeeded")
    expect(box(operator, "close_run")).to_have_attribute("data-state", "succeeded")
    assert operator.evaluate("window.same"), "the page was loaded anew"


def test_a_failure_is_read_and_retried(operator: Any, site: Site, shot: Shot) -> None:
    """What failed, why, since when, what it cost, what to press: from the console alone."""
    operator.goto("/pipelines/ingestion")
    with refusing_prices(site):
        confirm(operator, "Run now", "Run")
        expect(box(operator, "store_prices")).to_have_attribute(
            "data-state", "failed", timeout=LONG
        )
        operator.goto("/")
        card = operator.locator('[data-pipeline="ingestion"]')
        expect(card.get_by_text("Not well since")).to_be_visible(timeout=LONG)
        shot(operator, "overview-failed")
        card.get_by_text("Not well since").get_by_role("link").first.click()
        wrong = operator.locator('[data-wrong="store_prices"]')  # what
        expect(wrong).to_contain_text("violates check constraint")  # why
        expect(wrong.locator("pre")).to_contain_text("Traceback")
        expect(wrong.locator("time")).to_have_text(re.compile("ago|just now"))  # since when
        expect(operator.locator("dl.facts")).to_contain_text("$0.00")  # what it cost
        shot(operator, "run-failed")
    confirm(operator, "Retry from the failed steps", "Retry")  # what to press
    expect(operator.get_by_text("goes on from what failed")).to_be_visible()
    expect(box(operator, "close_run")).to_have_attribute("data-state", "succeeded", timeout=LONG)
    expect(operator.locator("h1 + .state")).to_have_text("succeeded")
    expect(operator.get_by_text("Attempts that came to nothing")).to_be_visible()


def test_a_pipeline_is_paused_and_resumed_by_keyboard(
    operator: Any, site: Site, shot: Shot
) -> None:
    operator.goto("/pipelines/graph")
    operator.get_by_role("link", name="Pause", exact=True).focus()
    operator.keyboard.press("Enter")
    reason = operator.locator("dialog [name=reason]")
    expect(reason).to_be_visible()
    shot(operator, "confirm")
    reason.focus()
    operator.keyboard.type("the provider is moving house")
    operator.keyboard.press("Enter")
    expect(operator.get_by_text("by axiom (console): the provider is moving house")).to_be_visible()
    assert site.stack.ledger.paused("graph")
    confirm(operator, "Resume", "Resume")
    expect(operator.get_by_text("goes on by its schedule")).to_be_visible()
    assert site.stack.ledger.paused("graph") is None


def test_a_range_is_backfilled_and_the_audit_says_who(
    operator: Any, site: Site, shot: Shot
) -> None:
    until = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    since = until - timedelta(minutes=2)
    operator.goto("/pipelines/ingestion")
    confirm(
        operator, "Backfill", "Backfill",
        since=f"{since:%Y-%m-%dT%H:%M}", until=f"{until:%Y-%m-%dT%H:%M}",
    )  # fmt: skip
    expect(operator.get_by_text("backfill of 2 runs has begun")).to_be_visible()
    expect(operator.locator('[data-backfill="done"]')).to_be_visible(timeout=LONG)
    shot(operator, "backfill")
    operator.get_by_role("link", name="Audit").click()
    row = operator.locator("tbody tr").first
    expect(row).to_contain_text("axiom (console)")
    expect(row).to_contain_text("backfill")
    shot(operator, "audit")


def test_a_running_run_is_cancelled(operator: Any, site: Site) -> None:
    operator.goto("/pipelines/ingestion")
    with site.stack.held_up():
        confirm(operator, "Run now", "Run")
        expect(box(operator, "store_prices")).to_have_attribute(
            "data-state", "running", timeout=LONG
        )
        confirm(operator, "Cancel", "Cancel the run", reason="not today")
        reason = operator.locator("[data-reason]")
        expect(reason).to_have_text("cancelled by axiom (console): not today")


def test_two_runs_are_compared(operator: Any, site: Site, shot: Shot) -> None:
    run = site.stack.ledger.runs(pipeline="ingestion", state="succeeded", limit=1)[0]
    operator.goto(f"/runs/{run.id}/compare")
    expect(operator.get_by_role("heading", name="Durations")).to_be_visible()
    expect(operator.get_by_text("code version")).to_be_visible()
    shot(operator, "compare")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(
    operator: Any, site: Site, shot: Shot, width: int, scheme: str
) -> None:
    run = site.stack.ledger.runs(pipeline="ingestion", limit=1)[0]
    other = site.stack.ledger.runs(limit=50)[-1]  # they differ
    site.stack.axiom("token", "create", "--name", f"a-long-name-of-{width}-{scheme}")
    operator.set_viewport_size({"width": width, "height": 844})
    operator.emulate_media(color_scheme=scheme)
    for name, path in {
        "overview": "/", "pipeline": "/pipelines/ingestion", "run": f"/runs/{run.id}",
        "runs": "/runs", "compare": f"/runs/{run.id}/compare?other={other.id}", "alerts": "/alerts",
        "audit": "/audit", "access": "/access", "api": "/api", "trigger": "/do/trigger/graph",
        "schedule": "/do/schedule/graph",
    }.items():  # fmt: skip
        operator.goto(path)
        shot(operator, f"{name}-{width}-{scheme}")
        beyond = operator.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert beyond <= 0, f"{path} is {beyond} px wider than {width}"

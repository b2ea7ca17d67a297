"""A real Chromium before a real console, workers and servers. Screenshots stay in `artifacts/`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from axiom.embedded.servers import free_port
from tests.acceptance.conftest import BIN, Stack, stack, wait_for  # noqa: F401  (a fixture)

CHROMIUM = Path("/usr/bin/chromium")
SHOTS = Path(__file__).parents[2] / "artifacts" / "screenshots"
PASSWORD = "a password for the tests"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's, headless: `apt-get install chromium`, as .ci/chromium.sh does."""
    assert CHROMIUM.exists(), f'no {CHROMIUM}: see .ci/chromium.sh; or leave out: -m "not tools"'
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield launched
        launched.close()


@dataclass
class Site:
    """A console that runs on a stack."""

    url: str
    stack: Stack


@pytest.fixture(scope="module")
def site(chromium: Any, stack: Stack) -> Iterator[Site]:  # noqa: F811
    """The console, with a worker and beat."""
    import subprocess

    port, ready = free_port(), stack.data_dir / "console.ready"
    env = stack.env | {
        "AXIOM_CONSOLE_PORT": str(port), "AXIOM_CONSOLE_PASSWORD": PASSWORD,
        "AXIOM_READY_FILE": str(ready),
    }  # fmt: skip
    with (stack.data_dir / "logs" / "console.log").open("wb") as log:
        process = subprocess.Popen([str(BIN / "axiom"), "console"], env=env, stdout=log, stderr=log)
    try:
        stack.worker()
        stack.beat()
        wait_for(ready.exists, what="the console")
        yield Site(f"http://127.0.0.1:{port}", stack)
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in (stack.data_dir / "logs" / "console.log").read_text()


@pytest.fixture
def page(chromium: Any, site: Site) -> Iterator[Any]:
    """A page of its own, not logged in; an error of a script or of the policy fails the test."""
    context = chromium.new_context(base_url=site.url, viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if "Policy" in said.text else None)
    elsewhere: list[str] = []
    opened.on("request", lambda asked: elsewhere.append(asked.url))
    yield opened
    context.close()
    assert not wrong
    assert all(url.startswith((site.url, "data:")) for url in elsewhere)


@pytest.fixture
def operator(page: Any) -> Any:
    """A page of one who is logged in."""
    page.goto("/login")
    page.fill("[name=name]", "axiom")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/")
    return page


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Any:
    """Keep a picture of a page, under a name."""

    def keep(page: Any, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    return keep

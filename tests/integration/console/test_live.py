"""What open pages are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI

from axiom.console import live
from axiom.console.live import BACKLOG, Live, Topic
from axiom.console.web import Console
from axiom.ledger.ledger import Ledger
from axiom.model import RunState
from tests.integration.console.test_pages import make_run


@pytest.fixture
def console(app: FastAPI) -> Console:
    found: Console = app.state.console
    return found


def followed(console: Console, topic: str, meanwhile: Callable[[Any], Awaitable[None]]) -> None:
    """Follow a topic while the loop runs; `meanwhile` gets what gives the next message."""

    async def main() -> None:
        told = Live(console)
        loop = asyncio.create_task(told.run())
        news = told.follow(topic, may_act=True)
        try:
            await asyncio.wait_for(meanwhile(news), 20)
        finally:
            loop.cancel()
            await news.aclose()

    asyncio.run(main())


def test_a_page_is_told_how_its_run_ends(console: Console) -> None:
    ledger = Ledger(console.postgres)
    make_run(ledger, "mine", state="running")

    async def meanwhile(news: Any) -> None:
        first = await anext(news)
        assert 'data-state="running"' in first["regions"]["flow"]
        await console.ask(ledger.close, "mine", RunState.FAILED, "enough")
        html = ""
        while "enough" not in html:
            html = (await anext(news))["regions"].get("summary", "")

    followed(console, "run:mine", meanwhile)


def test_a_run_that_begins_and_ends_between_two_looks_is_told(console: Console) -> None:
    ledger = Ledger(console.postgres)

    async def meanwhile(news: Any) -> None:
        await anext(news)
        await console.ask(make_run, ledger, "short")
        html = ""
        while 'data-step="close_run" data-state="succeeded"' not in html:
            html += (await anext(news))["regions"].get("now", "")
        assert "/runs/short" in html

    followed(console, "pipeline:ingestion", meanwhile)


def test_a_page_that_cannot_keep_up_is_told_to_fetch_itself_anew(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def facts(console: Console, name: str) -> dict[str, Any]:
        return {}

    topic = Topic(facts, {}, follows=lambda pulse, name: True)
    monkeypatch.setitem(live.TOPICS, "test", topic)

    async def main() -> None:
        told = Live(console)
        news = told.follow("test:", may_act=True)
        await anext(news)
        [watched] = told._watched.values()
        for n in range(BACKLOG + 1):
            told._tell(watched, {"regions": {"n": str(n)}})
        assert await anext(news) == {"reload": True}
        await news.aclose()
        assert told.pages == 0

    asyncio.run(main())


def test_without_open_pages_nothing_is_asked(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(console.history, "pulse", lambda: asked.append(1) or [])

    async def main() -> None:
        told = Live(console)
        loop = asyncio.create_task(told.run())
        for _ in range(10):  # as far as it gets
            await asyncio.sleep(0)
        loop.cancel()

    asyncio.run(main())
    assert not asked

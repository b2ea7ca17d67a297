"""Pages that follow what changes, by server-sent events.

One loop for all pages asks Postgres what changed (`History.pulse`), only while a page is
open. A page names its *topic*, such as `run:<id>`; what changed in it is rendered once,
and the same text goes to all pages of the topic, region by region. A page that cannot
keep up is told to fetch itself anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from axiom.console.web import Console, render
from axiom.errors import AxiomError, StoreUnavailable
from axiom.ledger.history import Pulse
from axiom.model import Json

log = structlog.get_logger(__name__)
PERIOD_S = 0.3
SLOW_S = 5.0  # what has no pulse, such as queues and workers
AWAY_S = 2.0
BACKLOG = 20

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of page: what it shows, region by region, and what it follows.

    `facts(console, name)` gives what the templates of the regions need;
    `follows(pulse, name)` tells whether a run that changed concerns it; `slow` pages are
    looked at every few seconds besides.
    """

    facts: Callable[[Console, str], Awaitable[Facts]]
    regions: Mapping[str, str]  # template by the region's id
    follows: Callable[[Pulse, str], bool]
    slow: bool = False


TOPICS: dict[str, Topic] = {}
"""By kind; pages add theirs when they are imported."""


@dataclass
class _Watched:
    topic: Topic
    name: str
    may_act: bool  # a viewer's page has no buttons
    pages: set[asyncio.Queue[Json]] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)

    def concerned(self, changed: Set[Pulse]) -> bool:
        return any(self.topic.follows(pulse, self.name) for pulse in changed)


class Live:
    """The loop, and the pages that listen to it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._watched: dict[tuple[str, bool], _Watched] = {}
        self._somebody = asyncio.Event()
        self._seen: set[Pulse] | None = None
        self._slow_s = 0.0

    @property
    def pages(self) -> int:
        """How many are open."""
        return sum(len(each.pages) for each in self._watched.values())

    async def follow(self, topic: str, *, may_act: bool) -> AsyncGenerator[Json, None]:
        """Yield what changes in a topic, beginning with all of it."""
        kind, _, name = topic.partition(":")
        key = (topic, may_act)
        watched = self._watched.setdefault(key, _Watched(TOPICS[kind], name, may_act))
        mine: asyncio.Queue[Json] = asyncio.Queue(BACKLOG)
        watched.pages.add(mine)
        self._somebody.set()
        try:
            # what changed between the page and this; and none of it is missed hereafter
            yield {"regions": watched.shown or await self._render(watched)}
            while True:
                yield await mine.get()
        finally:
            watched.pages.discard(mine)
            if not watched.pages:
                self._watched.pop(key, None)
            if not self._watched:
                self._somebody.clear()
                self._seen = None

    async def run(self) -> None:
        """Look for changes for as long as the console runs."""
        while True:
            await self._somebody.wait()
            began_s = time.monotonic()
            try:
                await self._look()
            except StoreUnavailable as error:
                self._seen = None
                self._tell_all({"away": str(error)})
                await asyncio.sleep(AWAY_S)
            except Exception:
                log.exception("live_failed")
                await asyncio.sleep(AWAY_S)
            await asyncio.sleep(max(0.05, PERIOD_S - (time.monotonic() - began_s)))

    async def _look(self) -> None:
        now = set(await self._console.ask(self._console.history.pulse))
        before, self._seen = self._seen, now
        changed = now - before if before is not None else None
        slow = time.monotonic() - self._slow_s >= SLOW_S
        if slow:
            self._slow_s = time.monotonic()
        due = [
            watched
            for watched in self._watched.values()
            if changed is None or watched.concerned(changed) or (slow and watched.topic.slow)
        ]
        await asyncio.gather(*map(self._refresh, due))

    async def _refresh(self, watched: _Watched) -> None:
        before = watched.shown
        after = await self._render(watched)
        if news := {key: html for key, html in after.items() if before.get(key) != html}:
            self._tell(watched, {"regions": news})

    async def _render(self, watched: _Watched) -> dict[str, str]:
        try:
            facts = await watched.topic.facts(self._console, watched.name)
        except StoreUnavailable:
            raise
        except AxiomError:  # a run that is not there yet
            return {}
        watched.shown = {
            region: render(template, may_act=watched.may_act, **facts)
            for region, template in watched.topic.regions.items()
        }
        return watched.shown

    def _tell_all(self, message: Json) -> None:
        for watched in self._watched.values():
            self._tell(watched, message)

    def _tell(self, watched: _Watched, message: Json) -> None:
        for queue in watched.pages:
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                while not queue.empty():
                    with suppress(asyncio.QueueEmpty):
                        queue.get_nowait()
                queue.put_nowait({"reload": True})

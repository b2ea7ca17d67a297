"""Open pages of a console, as streams and in Chromium, and when each showed what had ended."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.console_server import Served

PAGES = 50
CHROMIUM = "/usr/bin/chromium"
NAMES = ("ingestion", "graph", "events", "correlation")


@dataclass
class Followed:
    """When steps ended, and when pages showed it."""

    ended_s: dict[tuple[str, str], float] = field(default_factory=dict)
    shown_s: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def saw(self, html: str, seen: set[tuple[str, str]]) -> None:
        """Note what a page shows as done for the first time."""
        run = re.search(r'href="/runs/([0-9a-f-]+)#', html)
        for step in re.findall(r'data-step="(\w+)" data-state="succeeded"', html):
            key = (run[1] if run else "", step)
            if key not in seen:
                seen.add(key)
                self.shown_s.setdefault(key, []).append(time.monotonic())

    def delays_s(self) -> list[float]:
        """Of every page and step. A step that is told before it has ended here is told at once."""
        return [
            max(0.0, at - self.ended_s[key])
            for key, each in self.shown_s.items()
            if key in self.ended_s
            for at in each
        ]


async def follow(served: Served, topic: str, followed: Followed, ready: asyncio.Event) -> None:
    """Be an open page."""
    address = urllib.parse.urlsplit(served.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 22)
    writer.write(
        f"GET /stream?topic={topic} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Cookie: {served.cookie}\r\nAccept: text/event-stream\r\n\r\n".encode()
    )
    seen: set[tuple[str, str]] = set()
    first = True
    try:
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            told = json.loads(line[6:])
            html = told.get("regions", {}).get("now", "")
            if first:  # what was so before is no change
                run = re.search(r'href="/runs/([0-9a-f-]+)#', html)
                steps = re.findall(r'data-step="(\w+)" data-state="succeeded"', html)
                seen |= {(run[1] if run else "", step) for step in steps}
                first = False
                ready.set()
            followed.saw(html, seen)
    finally:
        writer.close()


@contextmanager
def open_pages(served: Served) -> Iterator[None]:
    topics = [*(f"pipeline:{name}" for name in NAMES), "overview:"]
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def pages() -> None:
        events = [asyncio.Event() for _ in range(PAGES)]
        for n, event in enumerate(events):
            tasks.append(loop.create_task(follow(served, topics[n % 5], Followed(), event)))
        await asyncio.gather(*(event.wait() for event in events))
        ready.set()

    tasks: list[asyncio.Task[None]] = []
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(pages(), loop)
    ready.wait(30)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_close(tasks), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


WATCH = """() => {
  window.shown = {};
  const look = () => {
    const link = document.querySelector('svg.lying a');
    const run = link && link.getAttribute('href').match(/runs\\/([0-9a-f-]+)/);
    for (const box of document.querySelectorAll('svg.lying [data-state="succeeded"]')) {
      const key = `${run && run[1]} ${box.dataset.step}`;
      if (!(key in window.shown)) window.shown[key] = Date.now();
    }
  };
  look();
  for (const key in window.shown) window.shown[key] = 0;
  new MutationObserver(look).observe(document.querySelector('[data-region="now"]'),
      {subtree: true, childList: true, attributes: true});
}"""


class Browser:
    """A page in Chromium, in a thread of its own; nothing where there is none."""

    def __init__(self, served: Served, path: str) -> None:
        self._served, self._path = served, path
        self._stop, self._ready = threading.Event(), threading.Event()
        self._shown: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        if Path(CHROMIUM).exists():
            self._thread = threading.Thread(target=self._run)
            self._thread.start()
            self._ready.wait(60)

    def _run(self) -> None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = chromium.new_page()
            name, _, value = self._served.cookie.partition("=")
            page.context.add_cookies([{"name": name, "value": value, "url": self._served.url}])
            page.goto(self._served.url + self._path)
            page.evaluate(WATCH)
            self._ready.set()
            while not self._stop.is_set():
                page.wait_for_timeout(100)
            self._shown = page.evaluate("window.shown")
            self._offset_s = time.monotonic() - page.evaluate("Date.now()") / 1000
            chromium.close()

    def delays_s(self, followed: Followed) -> list[float]:
        """Return the seconds from a step's end to its changed picture."""
        if self._thread is None:
            return []
        self._stop.set()
        self._thread.join()
        found = []
        for key, at_ms in self._shown.items():
            run, _, step = key.partition(" ")
            if at_ms and (run, step) in followed.ended_s:
                shown_s = at_ms / 1000 + self._offset_s
                found.append(max(0.0, shown_s - followed.ended_s[run, step]))
        return sorted(found)

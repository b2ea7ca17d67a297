"""Headlines by RSS and Atom: we fetch, feedparser parses."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import structlog

from axiom.errors import AxiomError, ProviderDataError, ProviderUnavailable, RateLimited
from axiom.model import Headline

SIZE_LIMIT = 5 * 2**20
log = structlog.get_logger(__name__)


class Rss:
    """Feeds by URL."""

    def __init__(self, feeds: Sequence[str], timeout_s: float) -> None:
        self._feeds, self._timeout_s = tuple(feeds), timeout_s

    def fetch(self) -> list[Headline]:
        """Return the headlines of every feed that answers.

        Raises:
            ProviderUnavailable, RateLimited, ProviderDataError: of the first feed,
                when none answers; the others are logged.
        """
        found: list[Headline] = []
        errors: list[AxiomError] = []
        for url in self._feeds:
            try:
                found += parse_feed(self._get(url), url)
            except AxiomError as error:
                log.warning("feed_failed", error=str(error))
                errors.append(error)
        if errors and len(errors) == len(self._feeds):
            raise errors[0]
        return found

    def _get(self, url: str) -> bytes:
        import httpx

        ends_at = time.monotonic() + self._timeout_s
        try:
            with httpx.stream("GET", url, timeout=self._timeout_s, follow_redirects=True) as answer:
                _check(answer.status_code, answer.headers.get("retry-after"), url)
                body = b""
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > SIZE_LIMIT:
                        raise ProviderDataError(f"{_named(url)} is larger than {SIZE_LIMIT} bytes")
                    if time.monotonic() > ends_at:  # httpx counts from part to part
                        raise httpx.ReadTimeout("")
        except httpx.TimeoutException as error:
            problem = f"did not answer within {self._timeout_s:g} s"
            raise ProviderUnavailable(f"{_named(url)} {problem}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = str(error) or type(error).__name__
            raise ProviderUnavailable(f"{_named(url)} cannot be reached: {problem}") from error
        return body


def _named(url: str) -> str:
    return f"the feed {_without_secrets(url)}"


def _without_secrets(url: str) -> str:
    """Return an address without user, password and query, which may hold a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no valid address)"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _check(status: int, retry_after: str | None, url: str) -> None:
    if status == 429:
        wait_s = float(retry_after) if (retry_after or "").isdigit() else None  # type: ignore[arg-type]
        raise RateLimited(f"{_named(url)} asks us to slow down (429)", wait_s)
    if status != 200:
        raise ProviderUnavailable(f"{_named(url)} fails with status {status}")


def parse_feed(body: bytes, url: str) -> list[Headline]:
    """Return a feed's dated entries.

    Raises:
        ProviderDataError: it is not a feed, or an empty one.
    """
    import feedparser

    feed = feedparser.parse(body)
    if not feed.get("version"):
        raise ProviderDataError(f"{_named(url)} answers what is not a feed")
    if not feed.entries:
        raise ProviderDataError(f"{_named(url)} is empty")
    return list(_headlines(feed, url))


def _headlines(feed: Any, url: str) -> Iterator[Headline]:
    source = feed.feed.get("title") or _without_secrets(url)
    for entry in feed.entries:
        dated = entry.get("published_parsed") or entry.get("updated_parsed")
        if dated and entry.get("title"):
            yield Headline(
                text=entry.title,
                published_at=datetime.fromtimestamp(calendar.timegm(dated), UTC),
                source=source,
                url=entry.get("link", ""),
                summary=entry.get("summary", ""),
            )

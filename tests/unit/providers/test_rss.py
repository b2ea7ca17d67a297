"""Feeds that work, and every way in which they do not."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from axiom.errors import AxiomError, ProviderDataError, ProviderUnavailable, RateLimited
from axiom.providers.rss import Rss
from tests.fakes.feed import feed_server


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with feed_server() as found:
        yield found


def test_a_dated_entry_becomes_a_headline_and_an_undated_one_is_left_out(address: str) -> None:
    [headline] = Rss([f"{address}/ok"], 5).fetch()
    assert headline.text == "Apple unveils a phone"
    assert headline.published_at == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    assert (headline.source, headline.url, headline.summary) == ("Wire A", "http://x/1", "More")


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("/429", RateLimited, "asks us to slow down"),
        ("/500", ProviderUnavailable, "fails with status 500"),
        ("/slow", ProviderUnavailable, "did not answer within 0.5 s"),
        ("/drip", ProviderUnavailable, "did not answer within 0.5 s"),
        ("/cut", ProviderUnavailable, "cannot be reached: peer closed connection"),
        ("/html", ProviderDataError, "not a feed"),
        ("/nothing", ProviderDataError, "not a feed"),
        ("/empty", ProviderDataError, "is empty"),
    ],
)
def test_a_fault_is_told_in_words(
    address: str, path: str, kind: type[AxiomError], said: str
) -> None:
    began = time.monotonic()
    with pytest.raises(kind, match=said) as told:
        Rss([address + path], 0.5).fetch()
    assert type(told.value) is kind
    assert time.monotonic() - began < 3


def test_the_wait_that_a_feed_asks_for_is_kept(address: str) -> None:
    with pytest.raises(RateLimited) as told:
        Rss([f"{address}/429"], 5).fetch()
    assert told.value.retry_after_s == 7


def test_a_feed_that_is_away_is_told() -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        Rss(["http://127.0.0.1:1/feed"], 1).fetch()


def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        Rss(["http://[::1"], 1).fetch()


@pytest.mark.parametrize("path", ["/500", "/429", "/html", "/empty", "/cut"])
def test_the_secrets_of_an_address_are_not_told(address: str, path: str) -> None:
    url = address.replace("http://", "http://me:word@") + path + "?key=secret#part"
    with pytest.raises(AxiomError) as told:
        Rss([url], 5).fetch()
    assert f"the feed {address}{path} " in str(told.value)
    assert "secret" not in str(told.value)


def test_a_feed_without_a_title_is_named_by_its_address_without_secrets(address: str) -> None:
    [headline] = Rss([f"{address}/untitled?key=secret"], 5).fetch()
    assert headline.source == f"{address}/untitled"


def test_one_dead_feed_does_not_sink_the_others(address: str) -> None:
    assert len(Rss([f"{address}/500", f"{address}/ok"], 5).fetch()) == 1

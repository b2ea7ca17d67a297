"""Search by meaning, on a real Chroma and Postgres, with the model that is shipped."""

import uuid
from datetime import UTC, datetime

import pytest

from axiom.analysts.embedding import embed
from axiom.model import Event, EventType, Headline, Telling
from axiom.stores.events import EventStore
from axiom.stores.postgres import Postgres
from axiom.stores.profile_index import ProfileIndex, UnkeptProfiles
from axiom.stores.search import Search
from axiom.stores.vectors import VectorStore

AT = datetime(2014, 1, 2, 21, tzinfo=UTC)
TEXTS = {
    "KO": ["Coca-Cola: Industries: Beverages", "Coca-Cola: Products: soft drinks, juices, water"],
    "XOM": ["ExxonMobil: Industries: Oil and gas", "ExxonMobil: Products: petroleum, fuels"],
}


@pytest.fixture
def market() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def profiles(chroma_url: str, market: str) -> ProfileIndex:
    index = ProfileIndex(chroma_url)
    for ticker, texts in TEXTS.items():
        index.put(market, ticker, "h1", texts, embed(texts))
    return index


@pytest.fixture
def search(postgres_url: str, chroma_url: str, market: str, profiles: ProfileIndex) -> Search:
    db, vectors = Postgres(postgres_url), VectorStore(chroma_url)
    headline = Headline("Regulator fines bank over money laundering", AT, "wire", "https://e.org/1")
    event = Event(
        headline.id, headline, ("JPM",), EventType.LEGAL_REGULATORY, {}, 1, 1, 0.8, "local", "p",
        market,
    )  # fmt: skip
    EventStore(db).upsert([event], [Telling(headline, event.id, market, 1.0, "first")], "run")
    said = [{"published_at": AT.timestamp(), "type": "legal_regulatory"}]
    vectors.upsert(market, [event.id], embed([headline.text]), said)
    return Search(db, vectors, profiles, embed)


def test_both_kinds_are_found_by_meaning_nearest_first(search: Search, market: str) -> None:
    found = search("drinks company", market)
    assert (found[0]["kind"], found[0]["tickers"], found[0]["market"]) == (
        "profile",
        ["KO"],
        market,
    )
    assert [row["similarity"] for row in found] == sorted(
        (row["similarity"] for row in found), reverse=True
    )
    fine = search("penalty for a lender's compliance failures", market)[0]
    assert (fine["kind"], fine["tickers"], fine["at"]) == ("event", ["JPM"], AT)


def test_a_company_is_found_once_and_the_kinds_and_the_limit_are_kept(
    search: Search, market: str
) -> None:
    assert [row["tickers"] for row in search("petroleum", market, ["profile"])] == [["XOM"], ["KO"]]
    assert [row["kind"] for row in search("petroleum", market, ["event"])] == ["event"]
    assert len(search("petroleum", market, limit=1)) == 1
    assert search("  ", market) == []


def test_another_market_is_not_searched(search: Search) -> None:
    assert search("drinks", f"test-{uuid.uuid4().hex[:12]}") == []


def test_only_a_changed_profile_is_stale_and_its_old_parts_are_gone(
    profiles: ProfileIndex, market: str
) -> None:
    assert profiles.stale(market, {"KO": "h1", "XOM": "h2", "PEP": "h1"}) == ["PEP", "XOM"]
    profiles.put(market, "XOM", "h2", ["ExxonMobil: Energy"], embed(["ExxonMobil: Energy"]))
    assert profiles.stale(market, {"KO": "h1", "XOM": "h2"}) == []
    assert len(profiles._profiles(market).get(where={"ticker": "XOM"})["ids"]) == 1


def test_a_dry_run_keeps_no_profile(chroma_url: str, market: str) -> None:
    dry = UnkeptProfiles(chroma_url)
    assert dry.stale(market, {"KO": "h1"}) == ["KO"]
    dry.put(market, "KO", "h1", ["a"], [[1.0]])
    names = [each.name for each in dry._client.list_collections()]
    assert f"profiles_{market}" not in names

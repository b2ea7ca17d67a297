"""The pages of prices and their API."""

from __future__ import annotations

from datetime import date

from fastapi.testclient import TestClient

from axiom.model import CorporateAction, Quote
from axiom.stores.bars import Bars
from axiom.stores.postgres import Postgres
from axiom.stores.prices import PriceStore
from tests.integration.console.intelligence.conftest import AT, DAY


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

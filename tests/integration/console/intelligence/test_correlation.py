"""The pages of correlation and their API."""

from __future__ import annotations

from fastapi.testclient import TestClient

from axiom.model import Correlation
from axiom.pipelines.changes import Explanation
from axiom.stores.correlations import CorrelationStore
from axiom.stores.postgres import Postgres
from tests.integration.console.intelligence.conftest import AT, EVIL


def pair(a: str, b: str, r: float, q: float = 0.001) -> Correlation:
    return Correlation(
        a, b, 60, "pearson", 59, r, r - 0.1, min(r + 0.1, 1.0), 1e-4, q, lag=1, lag_r=0.3,
        lag_q=0.01,
    )  # fmt: skip


def test_the_map_has_a_colour_number_and_title_for_each_pair_and_changes_say_who_wrote_them(
    client: TestClient, postgres: Postgres
) -> None:
    pairs = [pair("AAPL", "MSFT", 0.8), pair("AAPL", "XOM", -0.4), pair("MSFT", "XOM", 0.1, 0.5)]
    told = Explanation("AAPL", "MSFT", 60, "pearson", "new", f"Together {EVIL}", "imitation of x",
                       "p1")  # fmt: skip
    CorrelationStore(postgres).replace("replay", AT, AT, pairs, [told], "run-1")
    page = client.get("/correlation").text
    assert page.count("data-pair=") == 6
    assert "AAPL and MSFT: r +0.80 (+0.70 to +0.90), q 0.001, n 59" in page
    assert "an imitation of Claude" in page
    assert EVIL not in page
    assert "Who leads" in page
    api = client.get("/api/v1/correlations?tickers=AAPL,XOM").json()
    assert [(each["a"], each["b"], each["r"]) for each in api["pairs"]] == [("AAPL", "XOM", -0.4)]
    [change] = client.get("/api/v1/correlations/changes").json()
    assert (change["analyst"], change["r"]) == ("imitation of x", 0.8)
    assert client.get("/api/v1/correlations?window=61").status_code == 404


def test_a_result_that_is_computed_anew_is_drawn_anew(
    client: TestClient, postgres: Postgres
) -> None:
    """Also for the same logical time, by the same run: what is drawn is kept."""
    for r in (0.8, 0.7):
        found = [pair("AAPL", "MSFT", r)]
        CorrelationStore(postgres).replace("replay", AT, AT, found, [], "run-1")
        for _ in range(2):
            assert f"AAPL and MSFT: r +{r:.2f}" in client.get("/correlation").text


def test_a_large_universe_is_shown_in_part(client: TestClient, postgres: Postgres) -> None:
    names = [f"T{n:03}" for n in range(90)]
    pairs = [pair(a, b, 0.3) for n, a in enumerate(names) for b in names[n + 1 :]]
    CorrelationStore(postgres).replace("replay", AT, AT, pairs, [], "run-1")
    page = client.get("/correlation").text
    assert "too large for one map" in page
    assert page.count("data-pair=") <= 30 * 29
    some = client.get("/correlation?tickers=T000 T089").text
    assert some.count("data-pair=") == 2

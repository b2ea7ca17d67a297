"""The commands that ask for what was found, in 80 columns, on real servers."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from axiom.analytics.communities import compute_structure
from axiom.cli.export import COLUMNS, write_csv, write_parquet
from axiom.engines.execute import Engine
from axiom.engines.langgraph import run_in_process
from axiom.model import COMPARISON, Edge, EdgeType, Label, NodeRef, Quote, Reading
from axiom.stores.artifacts import MemoryArtifacts
from axiom.tasks.flows import flow_of
from axiom.tasks.services import services
from tests.integration.cli.conftest import Axiom, Said, fits

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = "2026-01-05T15:00:00Z"


def edge(kind: EdgeType, head: tuple[Label, str, str], tail: tuple[Label, str, str]) -> Edge:
    return Edge(
        kind, NodeRef(*head), NodeRef(*tail), "https://example.org/p", "as the profile says", 0.8,
        "local", "h", "replay", AT,
    )  # fmt: skip


APPLE, CORN = (Label.COMPANY, "AAPL", "Apple Inc."), (Label.COMPANY, "corning", "Corning")
AMD = (Label.COMPANY, "AMD", "AMD")
SUPPLIES = edge(EdgeType.SUPPLIES, CORN, APPLE)
RIVALS = edge(EdgeType.COMPETES_WITH, CORN, AMD)


@pytest.fixture
def filled(axiom: Axiom, servers: None) -> Axiom:
    """Two hours of a small graph: in the second, one edge is no longer stated."""
    graph, read = services().graph, [Reading("https://example.org/p", "AAPL"), Reading(COMPARISON)]
    graph.upsert_edges([SUPPLIES, RIVALS], read, "replay", "run-1", AT, AT)
    graph.upsert_edges([SUPPLIES], read, "replay", "run-2", AT + HOUR, AT + HOUR)
    services().analyses.keep_snapshot(
        "run-1", "replay", AT, graph.counts("replay", AT), 0.5, {"created": 2},
        compute_structure(graph.links("replay", AT), "Company:"),
    )  # fmt: skip
    quotes = [
        Quote("AAPL", 10.0 + n, AT - timedelta(days=back), "replay", flag="jump" if n else None)
        for n, back in enumerate((5, 3, 0))
    ]
    services().prices.upsert_quotes(quotes, "run-1")
    return axiom


def ok(said: Said) -> str:
    assert (said.code, said.err) == (0, "")
    assert fits(said)
    return said.out


@pytest.mark.parametrize(
    "command",
    ["graph", "graph show", "graph history", "graph path", "graph top", "graph communities",
     "search", "prices", "export"],
)  # fmt: skip
def test_help_fits_and_leaves_nothing_out(axiom: Axiom, command: str) -> None:
    said = ok(axiom(*command.split(), "--help"))
    assert said.startswith(f"Usage: axiom {command}")
    assert "..." not in said.partition("\n")[2]


def test_the_graph_is_shown_as_it_is_and_as_it_was(filled: Axiom) -> None:
    assert "1 edges of replay, now." in ok(filled("graph"))
    assert f"2 edges of replay, as known at {AT:%Y-%m-%d %H:%M:%S}." in ok(
        filled("graph", "--as-of", TIME)
    )
    edges = filled("graph", "--as-of", TIME, "--json").json["edges"]
    assert {each["type"] for each in edges} == {"SUPPLIES", "COMPETES_WITH"}
    assert all("recorded_to" not in each["evidence"] for each in edges)


@pytest.mark.parametrize("company", ["AAPL", "apple", "Apple, Inc."])
def test_a_company_is_shown_by_any_of_its_names_with_its_evidence(
    filled: Axiom, company: str
) -> None:
    said = ok(filled("graph", company))
    assert "Corning" in said
    assert "as the profile says" in said
    assert "1 edges around AAPL" in said


def test_the_moment_may_stand_on_either_side_of_the_company(filled: Axiom) -> None:
    before = [filled("graph", "--as-of", TIME, "corning", "--json").json["edges"],
              filled("graph", "corning", "--as-of", TIME, "--json").json["edges"]]  # fmt: skip
    assert before[0] == before[1]
    assert len(before[0]) == 2


def test_a_path_is_told_step_by_step_with_its_evidence(filled: Axiom) -> None:
    told = ok(filled("graph", "path", "AMD", "Apple", "--as-of", TIME))
    assert told.index("Corning competes with AMD") < told.index("Corning supplies Apple Inc.")
    assert "0.80, local, https://example.org/p" in told
    assert ok(filled("graph", "path", "AMD", "Apple")).startswith("No path of at most 6 edges")


def test_history_top_and_communities_are_shown(filled: Axiom) -> None:
    assert "closed" in ok(filled("graph", "history", "AMD"))
    assert ok(filled("graph", "top", "--by", "degree")).index("corning") > 0
    assert filled("graph", "communities", "--json").json["communities"] == [
        ["AAPL", "AMD", "corning"]
    ]
    assert filled("graph", "top", "--as-of", "2025-01-01T00:00:00Z").code == 1


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["graph", "nobody"], "no company 'nobody'; list what is watched: axiom universe"),
        (["graph", "--as-of", "soon"],
         "time: 'soon' is not a time; write it as 2026-01-31T14:00:00Z"),
        (["graph", "top", "--by", "fame"], "--by: 'fame' is none of degree, strength, pagerank"),
        (["search", "x", "--kind", "fame"], "--kind: 'fame' is none of event, profile"),
        (["prices", "ZZZ"], "no price of ZZZ in replay; what is watched: axiom universe"),
        (["prices", "AAPL", "--bars", "week"], "--bars: 'week' is none of minute, day"),
        (["export", "fame", "-o", "x.csv"],
         "export: 'fame' is none of prices, events, correlations, edges"),
        (["export", "prices", "-o", "x.xls"], "--format: 'xls' is none of csv, parquet"),
        (["graph", "path", "AAPL", "apple"], "'AAPL' and 'apple' are one company, AAPL"),
        (["export", "prices", "-o", "x.csv", "--as-of", TIME],
         "--as-of: it is for edges; prices go by --since and --until"),
        (["export", "edges", "-o", "x.csv", "--since", TIME],
         "--since, --until: edges are of one moment; name it by --as-of"),
        (["export", "prices", "-o", "away/x.csv"],
         "cannot write beside away/x.csv: No such file or directory"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_sentence(filled: Axiom, command: list[str], told: str) -> None:
    said = filled(*command)
    assert (said.code > 0, said.err) == (True, f"axiom: {told}\n")


@pytest.mark.parametrize("command", [["graph", "nobody"], ["prices", "ZZZ"]])
def test_what_is_not_known_has_an_exit_code_of_its_own(filled: Axiom, command: list[str]) -> None:
    assert filled(*command).code == 4


def test_bars_up_to_a_day_to_come_are_the_newest_ones(filled: Axiom) -> None:
    far = filled("prices", "AAPL", "--until", "9999-12-31T23:59:59Z", "--json").json
    assert [bar["close"] for bar in far["bars"]] == [10, 11, 12]


def test_a_span_without_prices_is_told_in_words(filled: Axiom) -> None:
    said = ok(filled("prices", "AAPL", "--since", "2099-01-01"))
    assert said.startswith("No price of AAPL in replay from 2099-01-01 00:00:00 to ")


def test_prices_are_shown_with_currency_zone_adjustment_and_gaps(filled: Axiom) -> None:
    said = ok(filled("prices", "aapl", "--limit", "2"))
    assert "AAPL of replay in USD, time of America/New_York." in said
    assert "Prices are adjusted by the source. There are earlier ones." in said
    bars = filled("prices", "AAPL", "--json").json
    assert [bar["close"] for bar in bars["bars"]] == [10, 11, 12]
    assert [bar["flagged"] for bar in bars["bars"]] == [0, 1, 1]
    assert [gap["reason"] for gap in bars["gaps"]] == ["exchange closed"]  # New Year's Day


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("what", list(COLUMNS))
def test_each_kind_is_exported_whole_and_leaves_nothing_else(
    filled: Axiom, tmp_path: Path, what: str, form: str
) -> None:
    file = tmp_path / "out" / f"rows.{form}"
    file.parent.mkdir()
    told = filled("export", what, "-o", str(file), "--json").json
    found = _read(file)
    assert told == {"what": what, "rows": len(found), "file": str(file), "format": form}
    assert len(found) == {"prices": 3, "edges": 1}.get(what, 0)
    assert list(file.parent.iterdir()) == [file]


def test_edges_are_exported_as_they_were_known(filled: Axiom, tmp_path: Path) -> None:
    file = tmp_path / "edges.csv"
    ok(filled("export", "edges", "-o", file.name, "--as-of", TIME))
    assert len(_read(file)) == 2


def _read(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        return list(parquet.read_table(file).to_pylist())
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


COLUMN = {"text": "string", "price": "double", "at": "timestamp"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_a_csv_has_no_formula_from_outside_and_parquet_keeps_the_text(
    tmp_path: Path, text: str
) -> None:
    rows = [{"text": text, "price": -1.5, "at": AT}]
    assert write_csv(tmp_path / "a.csv", COLUMN, rows) == 1
    [row] = _read(tmp_path / "a.csv")
    assert (row["text"], row["price"]) == (f"'{text}", "-1.5")
    assert write_parquet(tmp_path / "a.parquet", COLUMN, rows) == 1
    assert _read(tmp_path / "a.parquet") == rows


def test_an_export_that_fails_leaves_the_file_that_was_there(
    filled: Axiom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("before")

    def fails(*given: Any) -> Iterator[dict[str, Any]]:
        yield {"ticker": "A"}
        raise RuntimeError("in the middle")

    monkeypatch.setattr(services().bars, "stream_ticks", fails)
    monkeypatch.setattr("sys.argv", ["axiom", "export", "prices", "-o", str(file)])
    from axiom.cli.main import main

    with pytest.raises(RuntimeError):
        main()
    assert file.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".csv"] == ["prices.csv"]


def test_search_finds_what_the_pipelines_kept(axiom: Axiom, servers: None) -> None:
    assert ok(axiom("search", "anything")).startswith("Nothing was found;")
    engine = Engine(services().ledger, services(), MemoryArtifacts(), "langgraph", "here")
    assert run_in_process(engine, flow_of("graph"), AT).run.state == "succeeded"
    told = ok(axiom("search", "makers of soft drinks", "--kind", "profile", "-n", "2"))
    assert "profile  KO" in told
    assert axiom("search", "soft drinks", "-n", "1", "--json").json[0]["kind"] == "profile"

"""The commands that list, show and compare runs, in 80 columns, on real servers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from axiom.cli.show import facts, shorten
from axiom.flow import Call
from axiom.ledger.ledger import Ledger
from axiom.model import RunState
from tests.integration.cli.conftest import (
    AT,
    FAILED_ID,
    ID,
    LONG,
    TICKERS,
    Axiom,
    begin,
    finish,
    fits,
)


def test_two_runs_are_compared_by_what_differs(axiom: Axiom, ledger: Ledger) -> None:
    for run_id, at, params in (("one", AT, {}), ("two", AT + timedelta(1), {"tickers": ["[b]"]})):
        ledger.claim(
            run_id, "ingestion", at, engine="celery", trigger="manual",
            deadline=timedelta(minutes=1), params=params,
        )  # fmt: skip
        ledger.plan(run_id, [Call("fetch")], {"shape": []})
        finish(ledger, run_id, Call("fetch"), {"rows": len(run_id) + len(params)})
        ledger.close(run_id, RunState.SUCCEEDED)
    said = axiom("runs", "compare", "two")
    assert said.code == 0
    assert fits(said)
    assert "[b]" in said.out
    told = axiom("runs", "compare", "two", "one", "--json").json
    assert (told["a"], told["b"]) == ("one", "two")
    rows = {(row["part"], row["name"]): (row["a"], row["b"]) for row in told["differences"]}
    assert rows["Parameters", "tickers"] == (None, ["[b]"])
    assert rows["What the steps returned", "fetch.rows"] == (3, 4)
    assert axiom("runs", "compare", "nobody").code == 4
    shown = axiom("runs", "show", "two")
    assert "with tickers=[b]" in shown.out
    assert axiom("runs", "show", "two", "--json").json["attempts"] == []


def test_an_empty_ledger_says_what_to_do(axiom: Axiom, ledger: Ledger) -> None:
    assert axiom("runs").out == "No runs. Ask for one: axiom trigger ingestion\n"
    assert axiom("runs", "--json").json == []


def test_runs_are_listed_newest_first_with_whole_ids_and_their_reasons(
    axiom: Axiom, history: Ledger
) -> None:
    said = axiom("runs")
    assert (said.code, said.err) == (0, "")
    assert fits(said)
    assert re.findall(r"^ ?([0-9a-f]{8}) +(\w+) ", said.out, re.MULTILINE) == [
        (FAILED_ID[:8], "correlation"), (ID[:8], "ingestion"), (FAILED_ID[:8], "the"),
    ]  # fmt: skip
    assert "2026-01-05 14:00:00  failed" in said.out
    assert "the provider said [bold]nothing[/] of use" in said.out
    assert said.out.rstrip().endswith("…")


def test_runs_as_json_are_whole(axiom: Axiom, history: Ledger) -> None:
    failed, good = axiom("runs", "--json").json
    assert (failed["id"], failed["reason"]) == (FAILED_ID, LONG)
    assert good["logical_at"] == AT.isoformat()
    assert good["duration_s"] > 0


def test_runs_are_chosen_by_pipeline_state_and_number(axiom: Axiom, history: Ledger) -> None:
    def ids(*options: str) -> list[str]:
        return [run["id"] for run in axiom("runs", "--json", *options).json]

    assert ids("--pipeline", "ingestion") == [ID]
    assert ids("--state", "failed") == [FAILED_ID]
    assert ids("--limit", "1") == [FAILED_ID]
    assert ids("--pipeline", "ingestion", "--state", "failed") == []


@pytest.mark.parametrize("asked", [ID, ID[:8], ID[:3]])
def test_a_run_is_shown_with_what_its_steps_said(axiom: Axiom, history: Ledger, asked: str) -> None:
    said = axiom("runs", "show", asked)
    assert said.code == 0
    assert fits(said)
    assert said.out.startswith("ingestion at 2026-01-05 15:00:00: succeeded in ")
    assert f"run {ID}\n" in said.out
    told = " ".join(said.out.split())
    assert "since=- tickers=25" in told
    assert "newest=2026-01-05T15:00:00 fetched=6275" in told
    assert "gaps=none late=AAPL,株 freshness_s=0.125" in told
    assert "axiom:artifact" not in told


def test_a_failed_run_is_shown_with_its_errors_whole_and_many_items_counted(
    axiom: Axiom, history: Ledger
) -> None:
    said = axiom("runs", "show", FAILED_ID[:8])
    assert said.code == 0
    assert fits(said)
    told = " ".join(said.out.split())
    assert " ".join(LONG.split()) in told
    assert "fetch_profile ×25" in told
    assert "correlate 120-spearman failed" in told


def test_a_run_as_json_is_whole(axiom: Axiom, history: Ledger) -> None:
    found = axiom("runs", "show", ID[:8], "--json").json
    assert (found["id"], found["state"]) == (ID, "succeeded")
    outputs = {step["name"]: step["output"] for step in found["steps"]}
    assert outputs["select_instruments"] == {"tickers": TICKERS, "since": None}
    assert outputs["fetch_quotes"]["quotes"] == f"axiom:artifact:{ID}:quotes"


def test_a_start_that_several_runs_have_is_told(axiom: Axiom, ledger: Ledger) -> None:
    for n in range(2):
        begin(ledger, f"abc{n}", "ingestion", AT + n * timedelta(minutes=1), [Call("x")])
        ledger.close(f"abc{n}", RunState.SUCCEEDED)
    said = axiom("runs", "show", "abc")
    assert said.code == 4
    assert said.err == "axiom: several runs start with 'abc'; list them: axiom runs\n"


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (None, "-"),
        ([], "none"),
        (["AAPL", "MSFT"], "AAPL,MSFT"),
        ([f"T{n}" for n in range(25)], "25 items"),
        ({"changes": {"edges": 3, "nodes": -1}}, "changes=edges:3,nodes:-1"),
        ({"ok": True, "bad": False, "density": 0.0071590001}, "ok=yes bad=no density=0.007159"),
        ({f"{n:024}": ["AAPL"] for n in range(9)}, "9 items"),
        ({"rows": "memory:x:rows", "pairs": 300}, "pairs=300"),
        ({"text": "two\nlines"}, "text=two lines"),
        ({"deep": {"a": {"b": 1}}}, "deep=1"),
    ],
)
def test_what_a_step_handed_on_is_told_short(output: Any, told: str) -> None:
    assert facts(output) == told


def test_what_is_long_ends_in_an_ellipsis_between_two_words() -> None:
    assert shorten("one two three", 13) == "one two three"
    assert shorten("one two three", 12) == "one two…"
    assert shorten("x" * 99, 10) == "x" * 9 + "…"
    assert len(facts({f"key{n}": "word " * 20 for n in range(20)})) <= 160

"""Status, pause, schedule, backfill and audit, in 80 columns, on real servers."""

from __future__ import annotations

import io
import re
import sys
from datetime import datetime, timedelta

import pytest

from axiom.config import settings
from axiom.flow import Call
from axiom.ledger.ledger import Ledger
from axiom.ledger.slots import parse_slots
from axiom.model import PIPELINES
from axiom.stores.postgres import Postgres
from axiom.tasks.services import services
from tests.integration.cli.conftest import AT, ID, Axiom, Said, begin, fits

# --- status, pause, resume ---


def test_status_tells_how_each_pipeline_stands(axiom: Axiom, history: Ledger) -> None:
    history.pause("events", by="ann", reason="the feed is wrong since tuesday " * 3)
    said = axiom("status")
    assert said.code == 0
    assert fits(said)
    for line in (
        r"ingestion +succeeded +2026-01-05 15:00:00 +\d+ d ago +in ",
        r"graph +never ran +- +never +in ",
        r"events +paused +- +never +- *$",
        r"correlation +failed +2026-01-05 14:00:00 +never +in ",
        r"events +by ann: the feed is wrong since tuesday",
    ):
        assert re.search(rf"^ {line}", said.out, re.MULTILINE)


def test_a_backfill_says_nothing_of_how_a_pipeline_stands(axiom: Axiom, history: Ledger) -> None:
    made = services().backfills.create(
        "ingestion", parse_slots("1m"), AT - timedelta(hours=1), AT, by="ann"
    )
    begin(history, "of-a-backfill", "ingestion", AT - timedelta(hours=1), [Call("fetch_quotes")])
    Postgres(settings().require("postgres_url")).execute(
        "UPDATE runs SET backfill_id = %(of)s WHERE id = 'of-a-backfill'", {"of": made.id}
    )
    assert axiom("status", "--json").json["pipelines"][0]["last_run"] == ID
    assert "of-a-backfill" not in [run.id for run in history.runs(backfilled=False)]
    assert "of-a-backfill" in [run.id for run in history.runs()]


def test_status_as_json_is_one_document(axiom: Axiom, history: Ledger) -> None:
    found = axiom("status", "--json").json
    assert [each["pipeline"] for each in found["pipelines"]] == list(PIPELINES)
    ingestion = found["pipelines"][0]
    assert (ingestion["last_run"], ingestion["good_at"]) == (ID, AT.isoformat())
    assert ingestion["fresh"] is False
    assert datetime.fromisoformat(ingestion["next_at"]) > datetime.fromisoformat(found["at"])


def test_a_pause_lasts_until_it_is_taken_back(axiom: Axiom, ledger: Ledger) -> None:
    said = axiom("pause", "correlation", "--reason", "feed is wrong")
    assert said.out == "correlation: paused; let it go on: axiom resume correlation\n"
    assert ledger.pauses()["correlation"]["pause_reason"] == "feed is wrong"
    assert axiom("pause", "correlation").out == "correlation: was paused already\n"
    assert axiom("resume", "correlation").out == "correlation: goes on by its schedule\n"
    assert axiom("resume", "correlation").out == "correlation: was not paused\n"
    assert ledger.pauses() == {}


def test_pause_and_resume_as_json_are_one_document(axiom: Axiom, ledger: Ledger) -> None:
    asked = ("pause", "pause", "resume", "resume")
    found = [axiom(word, "events", "--json").json for word in asked]
    assert [(each["paused"], each["changed"]) for each in found] == [
        (True, True), (True, False), (False, True), (False, False),
    ]  # fmt: skip


# --- schedule, backfill, audit ---


def test_a_schedule_is_shown_changed_and_taken_back(axiom: Axiom, ledger: Ledger) -> None:
    said = axiom("schedule")
    assert said.code == 0
    assert fits(said)
    assert re.search(r"events +\*/5 \* \* \* \* +latest +in .* +default", said.out)
    [changed] = axiom("schedule", "events", "every 90s", "--catch-up", "all:24", "--json").json
    assert (changed["schedule"], changed["catch_up"], changed["default"]) == (
        "every 90s", "all:24", False,
    )  # fmt: skip
    assert changed["changed_by"].endswith(" (cli)")
    assert "every 90s" in axiom("schedule", "events").out
    [back] = axiom("schedule", "events", "--default", "--json").json
    assert (back["schedule"], back["default"]) == ("*/5 * * * *", True)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("schedule", "events", "soon"), "schedule: 'soon' is neither an interval"),
        (("schedule", "events", "--catch-up", "some"), "catch-up: 'some' is none of"),
        (("schedule", "--default"), "schedule: name the pipeline"),
        (("schedule", "events", "5m", "--default"), "--default: goes with neither"),
        (("trigger", "events", "--at", "2126-01-05"), "at: 2126-01-05T00:00:00+00:00 lies in"),
        (("trigger", "events", "-p", "x=" + "x" * 70_000), "params: 70,009 bytes; at most"),
        (("trigger", "events", "-p", "day=1"), "params: no parameter 'day'; known: hours (number)"),
        (("trigger", "events", "-p", "hours=soon"), "params.hours: 'soon' is no number"),
        (("run", "events", "-p", "day=1"), "params: no parameter 'day'; known: hours (number)"),
        (("run", "events", "--at", "2126-01-05"), "at: 2126-01-05T00:00:00+00:00 lies in"),
        (("run", "events", "-p", "x=" + "x" * 70_000), "params: 70,009 bytes; at most"),
        (("pause", "events", "--reason", "r" * 501), "reason: 501 characters; at most 500"),
        (("token", "create", "--name", ""), "name: is empty"),
        (("user", "add", ""), "name: is empty"),
        (("alerts", "mute", "nonsense"), "WHAT: 'nonsense' is no rule"),
        (("backfill", "events"), "--since: says where the range begins"),
        (("backfill", "events", "--since", "2126-01-05T15:00:00Z", "--until",
          "2126-01-06T15:00:00Z"), "range: ends in the future"),
    ],
)  # fmt: skip
def test_a_wrong_schedule_or_range_is_told_and_changes_nothing(
    axiom: Axiom, ledger: Ledger, command: tuple[str, ...], sentence: str
) -> None:
    said = axiom(*command)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"axiom: {sentence}")
    assert axiom("audit", "--json").json == []


def test_a_range_may_be_days_in_utc(
    axiom: Axiom, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axiom.tasks.client.send", lambda *_, **__: None)
    made = axiom(
        "backfill", "events", "--since", "2026-01-05", "--until", "2026-01-06", "--json"
    ).json
    assert made["total"] == 288


def test_what_a_schedule_had_of_changes_is_forgotten_with_one_audit_row(
    axiom: Axiom, ledger: Ledger
) -> None:
    axiom("schedule", "events", "15m", "--catch-up", "none")
    [back] = axiom("schedule", "events", "--default", "--json").json
    assert back["default"]
    rows = axiom("audit", "--json").json
    assert [row["action"] for row in rows] == ["schedule"] * 2
    assert (rows[0]["details"]["spec"], rows[0]["details"]["catch_up"]) == (None, None)


def test_accounts_tokens_budgets_and_mutes_are_in_the_audit(
    axiom: Axiom, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (
        "user add bob --role operator", "token create --name ci", "token revoke ci",
        "token revoke ci", "alerts mute graph", "alerts unmute graph", "budget --day 2.50",
        "budget --reset", "alerts ack nobody", "user remove bob",
    ):  # fmt: skip
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        axiom(*command.split())
    rows = axiom("audit", "--json").json[::-1]
    assert [row["action"] for row in rows] == [
        "user add", "token create", "token revoke", "token revoke", "mute", "unmute", "budget",
        "budget", "acknowledge", "user remove",
    ]  # fmt: skip
    assert all(row["by"].endswith(" (cli)") for row in rows)
    assert rows[0]["details"] == {"user": "bob", "role": "operator"}
    assert rows[6]["details"] == {"limits_usd": {"day": "2.50"}}
    assert [n for n, row in enumerate(rows) if "failed" in row["details"]] == [3, 8]


def test_an_account_that_is_there_is_replaced_only_when_asked_and_keeps_its_role(
    axiom: Axiom, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO("a password of some length\n"))
        return axiom("user", "add", "bob", *arguments)

    assert add("--role", "operator").code == 0
    again = add()
    assert (again.code, "--replace" in again.err) == (3, True)
    assert add("--replace").out == "bob is a operator now\n"


def test_backfills_are_listed(axiom: Axiom, ledger: Ledger) -> None:
    assert axiom("backfill").out.startswith("No backfills. ")
    made = services().backfills.create(
        "events", parse_slots("5m"), AT, AT + timedelta(hours=1), by="ann"
    )
    said = axiom("backfill")
    assert fits(said)
    assert re.search(rf"{made.id[:8]} +events +2026-01-05 15:00:00 +running +0/12", said.out)
    assert axiom("backfill", "--json").json[0]["total"] == 12


def test_who_did_what_is_told(axiom: Axiom, ledger: Ledger) -> None:
    assert axiom("audit").out == "Nobody did anything yet.\n"
    axiom("pause", "events", "--reason", "the [bold]feed[/] is wrong")
    said = axiom("audit")
    assert fits(said)
    assert "(cli)" in said.out
    assert "events reason=the [bold]feed[/] is wrong" in " ".join(said.out.split())
    [row] = axiom("audit", "--json").json
    assert (row["action"], row["pipeline"]) == ("pause", "events")


def test_what_cannot_be_cancelled_or_retried_is_refused(axiom: Axiom, history: Ledger) -> None:
    for command in ("cancel", "retry"):
        said = axiom(command, ID[:8])
        assert (said.code, said.out) == (3, "")
        assert said.err.startswith(f"axiom: run {ID[:8]} ")
        assert axiom(command, "nonsense").code == 4

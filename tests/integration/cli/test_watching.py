"""The commands that look at what runs, in 80 columns, with servers and without."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from axiom.cli import doctor as doctors
from axiom.cli.alerts import span
from axiom.cli.monitor import Watch
from axiom.cli.screen import draw
from axiom.errors import ConfigError, StoreUnavailable
from axiom.model import PIPELINES
from axiom.stores.alerts import AlertStore, Finding, Policy
from tests.fakes.hook import Hook
from tests.fakes.mail import MailServer
from tests.integration.cli.conftest import Axiom, Said, fits, process

DOWN = Finding("service_down", "service_down/chroma", "critical", "Chroma is away", "axiom doctor")
EVIL = Finding(
    "run_failed", "run_failed/graph", "warning", "[red]bad[/] \x1b[2J" + "株 again " * 60, "look",
    "graph",
)  # fmt: skip


def raised(alerts: AlertStore, *found: Finding) -> None:
    number = alerts.take_round("me", timedelta(0))
    assert number
    alerts.reconcile(number, found, ["service_down", "run_failed"], Policy([]))


@pytest.mark.parametrize(
    "command",
    ["alerts", "alerts list", "alerts ack", "alerts mute", "alerts unmute", "alerts test",
     "queues", "workers", "doctor", "monitor", "universe", "universe check"],
)  # fmt: skip
def test_help_fits_and_leaves_nothing_out(axiom: Axiom, command: str) -> None:
    said = axiom(*command.split(), "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: axiom {command}")
    assert fits(said)
    assert "..." not in said.out.partition("\n")[2]


# --- alerts ---


def test_without_alerts_it_says_so_and_ends_well(axiom: Axiom, alerts: AlertStore) -> None:
    said = axiom("alerts")
    assert said.code == 0
    assert said.out.startswith("Nothing is wrong that anybody knows of.")
    assert axiom("alerts", "--json").json == {"alerts": [], "mutes": [], "unsent": []}


def test_a_critical_alert_is_exit_code_six_until_somebody_looks_after_it(
    axiom: Axiom, alerts: AlertStore
) -> None:
    raised(alerts, DOWN, EVIL)
    said = axiom("alerts")
    assert said.code == 6
    assert "Chroma is away" in said.out
    assert said.out.index("critical") < said.out.index("warning")
    [first, second] = axiom("alerts", "list", "--json").json["alerts"]
    assert (first["cause"], first["hint"]) == ("service_down/chroma", "axiom doctor")
    assert axiom("alerts", "ack", first["id"][:6], "--json").json["state"] == "acknowledged"
    assert axiom("alerts").code == 0
    assert second["state"] == "open"


def test_a_text_that_others_wrote_is_shown_as_text(axiom: Axiom, alerts: AlertStore) -> None:
    raised(alerts, EVIL)
    said = axiom("alerts")
    assert "[red]bad[/]" in said.out
    assert "\x1b[2J" not in said.out


def test_what_is_muted_is_no_exit_code_and_is_told(axiom: Axiom, alerts: AlertStore) -> None:
    raised(alerts, DOWN)
    assert axiom("alerts", "mute", "service_down", "--for", "2h").code == 0
    said = axiom("alerts")
    assert said.code == 0
    assert "muted" in said.out
    assert axiom("alerts", "unmute", "service_down", "--json").json["changed"]
    assert axiom("alerts").code == 6


def test_what_has_passed_is_listed_with_all(axiom: Axiom, alerts: AlertStore) -> None:
    raised(alerts, DOWN)
    alerts._db.execute("UPDATE alerts SET seen_at = seen_at - interval '1 hour'")
    raised(alerts)
    assert "Chroma is away" not in axiom("alerts").out
    assert "resolved" in axiom("alerts", "--all").out
    assert axiom("alerts", "--rule", "run_failed", "--json").json == []


@pytest.mark.parametrize(
    ("command", "sentence", "code"),
    [
        ("alerts ack nobody", "there is no alert 'nobody'; list them: axiom alerts", 4),
        ("alerts mute nonsense", "'nonsense' is no rule (run_late, run_failed", 2),
        ("alerts mute graph --for ever", "'ever' is no length of time, such as 30min", 2),
        ("alerts mute graph --for 0h", "'0h' is no length of time", 2),
        ("alerts mute graph --for 999999d", "is no length of time", 2),
        ("workers --forget nobody", "no process 'nobody' is known", 4),
        ("universe --ticker XYZ", "'XYZ' is not watched", 1),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    axiom: Axiom, alerts: AlertStore, command: str, sentence: str, code: int
) -> None:
    said = axiom(*command.split())
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_lengths_of_time_are_read() -> None:
    assert [span(text) for text in ("30min", "2h", "1d", "90 s", "5m")] == [
        timedelta(minutes=30), timedelta(hours=2), timedelta(days=1), timedelta(seconds=90),
        timedelta(minutes=5),
    ]  # fmt: skip
    for wrong in ("", "h", "-1h", "1.5h", "1y", "1h30"):
        with pytest.raises(ConfigError):
            span(wrong)


def test_a_test_message_goes_out_by_every_channel(
    axiom: Axiom, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail, hook = MailServer(), Hook()
    mail.start()
    monkeypatch.setenv("AXIOM_SMTP_URL", f"smtp://127.0.0.1:{mail.port}")
    monkeypatch.setenv("AXIOM_ALERT_TO", "ann@example.org")
    monkeypatch.setenv("AXIOM_ALERT_WEBHOOK", hook.url)
    assert axiom("alerts", "test").code == 0
    assert (len(mail.inbox.mails), len(hook.posts)) == (1, 1)
    hook.status = 500
    said = axiom("alerts", "test", "--json")
    assert said.code == 1
    assert [each["ok"] for each in said.json["channels"]] == [True, False]
    assert "sec-ret" not in said.out
    mail.stop()
    hook.close()


def test_without_a_channel_a_test_says_which_settings_make_one(axiom: Axiom) -> None:
    said = axiom("alerts", "test")
    assert said.code == 1
    assert "AXIOM_SMTP_URL with AXIOM_ALERT_TO" in said.out


# --- queues and workers ---


def test_queues_say_what_waits_and_who_works(
    axiom: Axiom, alerts: AlertStore, redis_url: str
) -> None:
    process(redis_url, "io@here", size=6, busy=2)
    said = axiom("queues")
    assert said.code == 0
    assert fits(said)
    assert "io@here" in said.out
    assert "none" in said.out
    rows = {row["name"]: row for row in axiom("queues", "--json").json}
    assert (rows["io"]["workers"], rows["cpu"]["workers"]) == (["io@here"], [])


def test_a_process_that_is_gone_is_exit_code_six_until_it_is_forgotten(
    axiom: Axiom, alerts: AlertStore, redis_url: str
) -> None:
    process(redis_url, "io@here", size=6, busy=2, memory_bytes=7 << 20)
    process(redis_url, "a-machine-with-a-long-name.example.org", 90)
    said = axiom("workers")
    assert said.code == 6
    assert fits(said)
    assert re.search(r"gone 9\d s", said.out)
    living = axiom("workers", "--forget", "io@here")
    assert (living.code, "io@here lives" in living.err) == (3, True)
    assert axiom("workers", "--forget", "a-machine-with-a-long-name.example.org").code == 0
    assert axiom("workers", "--json").code == 0


# --- monitor ---


def test_one_frame_fits_and_says_what_is_there(
    axiom: Axiom, alerts: AlertStore, redis_url: str
) -> None:
    process(redis_url, "io@here", size=6, busy=2, memory_bytes=99 << 20)
    raised(alerts, DOWN, EVIL)
    said = axiom("monitor", "--once")
    assert said.code == 0
    assert fits(said)
    assert len(said.out.splitlines()) <= 24
    for word in ("ingestion", "correlation", "never ran", "claude", "io@here", "2/6", "99 MB",
                 "Chroma is away", "alerts (2)", "analyst local"):  # fmt: skip
        assert word in said.out
    assert "\x1b[2J" not in said.out
    frame = axiom("monitor", "--json").json
    assert frame["errors"] == {}
    assert frame["memory_bytes"] == 99 << 20
    assert frame["pipelines"][0]["pipeline"] == "ingestion"


@pytest.mark.parametrize("height", [24, 40])
def test_a_pipeline_s_reason_is_read_in_80_columns(height: int) -> None:
    from rich.console import Console

    at = datetime(2026, 1, 5, 15, tzinfo=UTC)
    rows = [
        {"pipeline": name, "state": "skipped", "last_at": at, "good_at": at,
         "fresh": True, "next_at": at, "reason": "run 1a2b3c4d is still running, since 14:58"}
        for name in PIPELINES
    ]  # fmt: skip
    people = [
        {"name": f"io{n}@here", "alive": True, "busy": 0, "size": 1, "memory_bytes": 1,
         "seen_at": at, "started_at": at, "seen_s": 0.0}
        for n in range(9)
    ]  # fmt: skip
    frame = {"at": at, "pipelines": rows, "processes": people, "queues": [], "alerts": [],
             "runs": [], "errors": {}}  # fmt: skip
    terminal = Console(width=80, height=height, record=True, file=io.StringIO())
    terminal.print(draw(frame, 80, height))
    shown = terminal.export_text().splitlines()
    assert len(shown) <= height
    assert all(len(line) <= 80 for line in shown)
    assert "ingestion: run 1a2b3c4d is still running, since 14:58" in shown
    [row] = [line for line in shown if line.startswith("ingestion ")]
    assert "2026-01-05" in row
    assert "…" not in row


def test_a_frame_without_servers_says_what_is_missing(axiom: Axiom) -> None:
    said = axiom("monitor", "--once")
    assert said.code == 0
    assert fits(said)
    assert said.out.count("not known") >= 4
    assert set(axiom("monitor", "--json").json["errors"]) == {"ledger", "broker"}


def test_a_source_that_fails_keeps_what_it_said_last() -> None:
    answers = iter([{"queues": [1]}, StoreUnavailable("away"), {"queues": [2]}])

    def ask() -> dict[str, Any]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = Watch({"broker": ask})
    seen = []
    for _ in range(3):
        watch.ask("broker")
        frame = watch.frame()
        seen.append((frame["queues"], frame["errors"].get("broker")))
    assert seen == [([1], None), ([1], "away"), ([2], None)]


def test_the_monitor_draws_in_place_and_q_ends_it(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", "from axiom.cli.main import main; main()", "monitor"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, start_new_session=True,
        env=os.environ | {"AXIOM_DATA_DIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "80",
                          "LINES": "24", "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 30
    while b"q quits" not in shown:
        assert time.monotonic() < deadline, shown
        shown += os.read(ours, 65536)
    os.write(ours, b"q")
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # it closed its terminal
        pass
    assert running.wait(10) == 0
    assert b"\x1b[?1049h" in shown  # the alternate screen, and back
    assert b"\x1b[?1049l" in shown
    os.close(ours)


# --- universe ---


def test_the_universe_is_listed(axiom: Axiom) -> None:
    said = axiom("universe")
    assert fits(said)
    assert "25 instruments are priced, 30 companies are read about." in said.out
    [apple] = axiom("universe", "--ticker", "aapl", "--json").json
    assert (apple["name"], apple["priced"], apple["read"]) == ("Apple Inc.", True, True)


def checked(axiom: Axiom, tmp_path: Path, universe: Any) -> Said:
    file = tmp_path / "mine.json"
    file.write_text(universe if isinstance(universe, str) else json.dumps(universe))
    return axiom("universe", "check", str(file), "--json")


def test_a_universe_file_is_checked(axiom: Axiom, tmp_path: Path) -> None:
    shipped = Path(doctors.__file__).parents[1] / "data" / "universe.json"
    assert checked(axiom, tmp_path, shipped.read_text()).json["problems"] == []
    said = checked(axiom, tmp_path, "{")
    assert (said.code, "is not a universe" in said.json["problems"][0]) == (1, True)
    twice = [{"ticker": "AAPL", "name": "Apple"}] * 2
    wrong = [{"ticker": "a b", "name": "", "exchange": "NOWHERE"}]
    problems = checked(
        axiom, tmp_path, {"instruments": [*twice, *wrong], "companies": []}
    ).json["problems"]  # fmt: skip
    for part in ("AAPL is named 2 times", "'a b': a ticker is", "has no name", "'NOWHERE'"):
        assert any(part in problem for problem in problems)

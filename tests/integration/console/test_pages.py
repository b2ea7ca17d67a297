"""Pages over a ledger with something in it, and over servers that are away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from axiom.config import Settings, settings
from axiom.console.app import create_app
from axiom.flow import Call
from axiom.ledger.ledger import Ledger
from axiom.model import PIPELINES, RunState
from axiom.stores.log_lines import LogLines
from axiom.stores.postgres import named_queries
from axiom.tasks.flows import flow_of
from axiom.tasks.services import services
from axiom.telemetry.log_lines import Line
from tests.integration.console.conftest import log_in

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
Operator = tuple[TestClient, str]


@pytest.fixture
def ledger(app: FastAPI) -> Ledger:
    return Ledger(app.state.console.postgres)


def make_run(
    ledger: Ledger, run_id: str, *, minute: int = 0, error: str = "", state: str = ""
) -> None:
    """Make a run of ingestion, as an engine would."""
    flow = flow_of("ingestion")
    claim = ledger.claim(
        run_id, "ingestion", AT + timedelta(minutes=minute), engine="celery", trigger="manual",
        deadline=PIPELINES["ingestion"].deadline, params={"n": minute},
    )  # fmt: skip
    assert claim.granted
    calls = [call for stage in flow.plan() for call in stage.calls()]
    ledger.plan(run_id, calls, {"shape": flow.describe(), "items": [], "code": "0.1.0 abc"})
    if state == "running":
        ledger.start_step(run_id, calls[0], worker="io@here", task_id="t")
        return
    for call in calls:
        last = call == calls[-1]
        ledger.start_step(run_id, call, worker="io@here", task_id="t")
        if error and call == Call("store_prices"):
            ledger.fail_step(run_id, call, error=error, traceback=f"Traceback: {error}")
            continue
        verdict = RunState.PARTIAL if error else RunState.SUCCEEDED
        closing = (verdict, error or None) if last else None
        ledger.finish_step(run_id, call, {"rows": minute}, closing=closing)


def test_what_a_step_says_never_becomes_html(operator: Operator, ledger: Ledger) -> None:
    client, _ = operator
    make_run(ledger, "bad", error="<script>alert(1)</script>")
    for path in ("/", "/pipelines/ingestion", "/runs", "/runs/bad", "/runs/bad/compare"):
        page = client.get(path).text
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;alert" in page or path.endswith("compare")


def test_a_run_page_says_what_failed_why_and_what_to_press(
    operator: Operator, ledger: Ledger
) -> None:
    client, _ = operator
    make_run(ledger, "bad", error="the disk is full")
    page = client.get("/runs/bad").text
    for told in ("the disk is full", "Traceback:", 'data-wrong="store_prices"', "$0.00",
                 "/do/retry/bad", "io@here", "0.1.0 abc"):  # fmt: skip
        assert told in page


def test_a_short_id_leads_to_its_run_and_an_unknown_one_says_so(
    operator: Operator, ledger: Ledger
) -> None:
    client, _ = operator
    make_run(ledger, "abcdef")
    assert client.get("/runs/abc").headers["location"] == "/runs/abcdef"
    missing = client.get("/runs/zzz")
    assert missing.status_code == 404
    assert "there is no run" in missing.text
    assert client.get("/api/v1/runs/zzz").json() == {"error": "there is no run 'zzz'"}


def test_runs_are_paged_without_gaps_or_repeats(operator: Operator, ledger: Ledger) -> None:
    client, _ = operator
    for n in range(7):
        make_run(ledger, f"run-{n}", minute=n)
    seen, after = [], {}
    while True:
        page = client.get("/api/v1/runs", params={"limit": 3, **after}).json()
        seen += [run["id"] for run in page["runs"]]
        if not (after := page["next"]):
            break
    assert seen == [f"run-{n}" for n in reversed(range(7))]


def test_two_runs_are_told_apart_by_what_they_were_made_of(
    operator: Operator, ledger: Ledger
) -> None:
    client, _ = operator
    make_run(ledger, "one", minute=1)
    make_run(ledger, "two", minute=2)
    told = client.get("/api/v1/runs/one/compare/two").json()
    assert told["a"]["run"]["params"] == {"n": 1}
    assert told["b"]["values"]["close_run.rows"] == 2
    page = client.get("/runs/two/compare").text
    assert 'class="changed"' in page


def test_a_grid_shows_each_run_by_step(operator: Operator, ledger: Ledger) -> None:
    client, _ = operator
    make_run(ledger, "good", minute=1)
    make_run(ledger, "bad", minute=2, error="no")
    told = client.get("/api/v1/pipelines/ingestion").json()
    assert [each["run"]["id"] for each in told["runs"]] == ["bad", "good"]
    assert told["schedule"]["schedule"] == "* * * * *"
    page = client.get("/pipelines/ingestion").text
    assert 'cell failed" tabindex="-1" href="/runs/bad#step-store_prices"' in page
    assert 'cell succeeded" tabindex="-1" href="/runs/good#step-store_prices"' in page


def test_what_cannot_be_done_is_said_in_the_form_that_asked(
    operator: Operator, ledger: Ledger
) -> None:
    client, csrf = operator
    make_run(ledger, "good")
    refused = client.post("/do/cancel/good", data={"csrf": csrf})
    assert refused.status_code == 409
    assert "has ended already" in refused.text
    wrong = client.post("/do/trigger/graph", data={"csrf": csrf, "at": "yesterday"})
    assert "is not a time" in wrong.text
    assert client.post("/do/trigger/nonsense", data={"csrf": csrf}).status_code == 404


def test_a_run_is_asked_for_with_the_parameters_that_its_form_offers(
    operator: Operator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr("axiom.tasks.client.send", lambda task, kwargs, **_: sent.append(kwargs))
    client, csrf = operator
    form = client.get("/do/trigger/ingestion").text
    assert 'name="param.tickers"' in form
    assert "only these instruments; none: all (names, comma-separated)" in form
    for given in ("AAPL,<b>", "nobody"):
        wrong = client.post("/do/trigger/ingestion", data={"csrf": csrf, "param.tickers": given})
        assert wrong.status_code == 409
        assert "is none of AAPL, AMD" in wrong.text
        assert "<b>" not in wrong.text
    asked = {"csrf": csrf, "param.tickers": "AAPL, MSFT"}
    assert client.post("/do/trigger/ingestion", data=asked).status_code == 303
    assert [kwargs["params"] for kwargs in sent] == [{"tickers": ["AAPL", "MSFT"]}]


def test_the_api_tells_the_parameters_of_a_pipeline_and_refuses_others(
    operator: Operator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axiom.tasks.client.send", lambda *_, **__: None)
    client, csrf = operator
    [told] = client.get("/api/v1/pipelines/events").json()["params"]
    assert (told["name"], told["kind"], told["default"]) == ("hours", "number", 0.0)
    headers = {"X-CSRF-Token": csrf}
    for params, status in (({"hours": 2}, 202), ({"hours": "x"}, 400), ({"hour": 2}, 400)):
        body = {"params": params}
        answer = client.post("/api/v1/pipelines/events/runs", json=body, headers=headers)
        assert answer.status_code == status, answer.text
    assert answer.json() == {"error": "params: no parameter 'hour'; known: hours (number)"}


def test_a_schedule_and_what_it_catches_up_change_by_page_and_api(
    operator: Operator, ledger: Ledger
) -> None:
    client, csrf = operator
    form = {"csrf": csrf, "spec": "every 9m", "catch_up": "all:24"}
    assert client.post("/do/schedule/events", data=form).status_code == 303
    assert 'value="all:24"' in client.get("/do/schedule/events").text
    wrong = client.post("/do/schedule/events", data=form | {"catch_up": "some"})
    assert "is none of" in wrong.text
    path, headers = "/api/v1/pipelines/events/schedule", {"X-CSRF-Token": csrf}
    kept = client.put(path, json={"catch_up": "none"}, headers=headers).json()
    assert (kept["schedule"], kept["catch_up"]) == ("every 9m", "none")
    for body in ({}, {"spec": "every 2m", "catch_up": "some"}):
        assert client.put(path, json=body, headers=headers).status_code == 400
    back = client.put(path, json={"spec": None, "catch_up": None}, headers=headers).json()
    assert (back["schedule"], back["default"]) == ("*/5 * * * *", True)


def test_what_was_an_alert_and_who_may_come_in_is_told_by_the_api_too(
    operator: Operator, ledger: Ledger
) -> None:
    client, csrf = operator
    assert services().alerts.raise_alert("event:1", severity="info", subject="one", detail={})
    [past] = client.get("/api/v1/alerts/history").json()
    assert (past["cause"], past["state"]) == ("event:1", "noted")
    after = {"before": past["raised_at"]}
    assert client.get("/api/v1/alerts/history", params=after).json() == []
    client.post("/do/mute/run_failed", data={"csrf": csrf})
    assert [row["what"] for row in client.get("/api/v1/mutes").json()] == ["run_failed"]
    told = client.get("/api/v1/access").json()
    assert [row["name"] for row in told["accounts"]] == ["axiom"]
    assert len(told["sessions"]) == 1
    assert "hash" not in str(told)


def test_without_the_broker_pages_still_show_the_past(
    here: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(ledger, "good")
    monkeypatch.setenv("AXIOM_REDIS_URL", "redis://127.0.0.1:1")
    settings.cache_clear()
    services.cache_clear()
    client = _logged_in(here.model_copy(update={"redis_url": "redis://127.0.0.1:1"}))
    for path in ("/", "/pipelines/ingestion", "/runs", "/runs/good"):
        assert client.get(path).status_code == 200, path
    assert "The broker does not answer." in client.get("/").text
    assert "/runs/good" in client.get("/pipelines/ingestion").text


def _logged_in(here: Settings) -> TestClient:
    from axiom.login import built_in

    app = create_app(here)
    app.state.console.access.ensure_built_in(built_in(here))
    client = TestClient(app, base_url="http://localhost", follow_redirects=False)
    log_in(client)
    return client


def test_without_postgres_pages_say_what_is_away_and_what_to_try(here: Settings) -> None:
    nowhere = "postgresql://axiom:x@127.0.0.1:1/axiom"
    app = create_app(here.model_copy(update={"postgres_url": nowhere}))
    client = TestClient(app, base_url="http://localhost", follow_redirects=False)
    client.cookies.set("axiom_session", "anything")
    page = client.get("/runs")
    assert page.status_code == 503
    assert "Postgres cannot be reached" in page.text
    assert "axiom up" in page.text
    assert client.get("/ready").status_code == 503
    assert client.get("/live").text == "ok"


def test_the_api_describes_itself_with_a_name_for_every_answer(operator: Operator) -> None:
    client, _ = operator
    schema = client.get("/api/openapi.json").json()
    described = [op for path in schema["paths"].values() for op in path.values()]
    assert len(described) >= 19
    assert all(op["description"] and op["tags"] for op in described)


def test_a_backfill_does_not_pose_as_the_pipelines_state(
    operator: Operator, app: FastAPI, ledger: Ledger
) -> None:
    client, _ = operator
    make_run(ledger, "mine", minute=1)
    make_run(ledger, "old-slot", minute=2, error="an old slot is broken")
    db = app.state.console.postgres
    db.execute("UPDATE runs SET backfill_id = 'b' WHERE id = 'old-slot'")
    history = app.state.console.history
    row = next(each for each in history.overview() if each["pipeline"] == "ingestion")
    assert (row["last"].id, [each["id"] for each in row["recent"]]) == ("mine", ["mine"])
    assert history.newest("ingestion").id == "mine"
    assert history.failing("ingestion") is None
    assert "/runs/old-slot" not in client.get("/pipelines/ingestion").text
    assert "/runs/old-slot" in client.get("/pipelines/ingestion?backfills=1").text


def test_a_running_backfill_is_shown_however_many_others_came_after(
    operator: Operator, app: FastAPI
) -> None:
    client, _ = operator
    app.state.console.postgres.execute("""
        INSERT INTO backfills (id, pipeline, kind, spec, since, until, next_at, total, state,
                               created_by, created_at)
        SELECT 'b' || n, CASE WHEN n <= 7 THEN 'ingestion' ELSE 'graph' END, 'backfill',
               'every 1m', now(), now(), now(), 1, CASE n WHEN 1 THEN 'running' ELSE 'done' END,
               'ann', now() + n * interval '1 s'
        FROM generate_series(1, 60) AS n""")
    page = client.get("/pipelines/ingestion").text
    assert page.count('data-backfill="done"') == 4
    assert "/do/cancel-backfill/b1" in page


def test_a_late_run_says_so_everywhere_with_its_last_error(
    operator: Operator, app: FastAPI, ledger: Ledger
) -> None:
    client, _ = operator
    make_run(ledger, "slow", state="running")
    first = next(iter(ledger.steps("slow")))
    ledger.retry_step("slow", Call(first.name), error="the feed hangs", traceback="", delay_s=900)
    app.state.console.postgres.execute("UPDATE runs SET deadline_at = created_at")
    for path in ("/", "/pipelines/ingestion", "/runs/slow"):
        page = client.get(path).text
        assert 'class="state late"' in page, path
        assert f"{first.name}: the feed hangs" in page, path


def test_after_a_retry_time_and_deadline_count_from_there(
    operator: Operator, app: FastAPI, ledger: Ledger
) -> None:
    client, _ = operator
    make_run(ledger, "bad", error="no")
    app.state.console.postgres.execute(
        """UPDATE runs SET created_at = now() - interval '2 hours', retries = 1, ended_at = now(),
               deadline_at = now() - interval '3 s' + %(deadline)s""",
        {"deadline": PIPELINES["ingestion"].deadline},
    )
    page = client.get("/runs").text
    assert "3.0 s" in page
    assert "2 h" not in page


def test_the_log_shows_the_facts_of_a_line(
    operator: Operator, app: FastAPI, ledger: Ledger
) -> None:
    client, _ = operator
    make_run(ledger, "bad", error="no")
    line = Line(
        run_id="bad", step="store_prices", item="", attempt=1, at=datetime.now(UTC),
        level="error", text="step_failed", worker="io@here",
        facts={"error": "the <disk> is full"},
    )  # fmt: skip
    LogLines(app.state.console.postgres).keep([line])
    assert "error=the &lt;disk&gt; is full" in client.get("/runs/bad").text


def test_what_goes_on_is_found_by_an_index(app: FastAPI, ledger: Ledger) -> None:
    make_run(ledger, "one")
    db = app.state.console.postgres
    sql = named_queries("history")["pulse"]
    with db.transaction() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row["QUERY PLAN"] for row in cursor.fetchall())
    assert "Index Cond: (ended_at > (statement_timestamp()" in plan


def test_news_is_told_apart_from_alarms(operator: Operator, app: FastAPI) -> None:
    alerts = app.state.console.services.alerts
    alerts.raise_alert("event/1", severity="info", subject="AMD: <b>price_move</b>", detail={})
    client, _ = operator
    card = client.get("/").text.partition('<h2 id="alerts">')[2].partition("</section>")[0]
    alarms, _, news = card.partition("<h3>News</h3>")
    assert "Nothing wants you." in alarms
    assert "price_move" not in alarms
    assert "AMD: &lt;b&gt;price_move&lt;/b&gt;" in news
    assert "<svg" not in news
    told = client.get("/api/v1/overview").json()
    assert told["alerts"] == []
    assert [each["cause"] for each in told["news"]] == ["event/1"]

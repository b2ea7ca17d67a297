"""Who gets in, who may act, and what a browser is told."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from axiom.console import doors
from axiom.console.access import Access
from axiom.console.guard import COOKIE
from axiom.console.live import Live
from axiom.errors import StoreUnavailable
from axiom.ledger.ledger import Ledger
from axiom.stores import postgres
from tests.integration.console.conftest import HERE, PASSWORD, log_in

Operator = tuple[TestClient, str]


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path, with something in place of its parameters."""
    found = []
    for path, methods in app.openapi()["paths"].items():
        found += [(method.upper(), path) for method in methods]
    hidden: list[Any] = [r for r in _flat(app.routes) if getattr(r, "methods", None)]
    found += [(method, route.path) for route in hidden for method in route.methods]
    return [(method, re.sub(r"{[^}]*}", "graph", path)) for method, path in set(found)]


def _flat(routes: list[Any]) -> list[Any]:
    found = []
    for route in routes:
        router = getattr(route, "original_router", None)
        found += _flat(router.routes) if router is not None else [route]
    return found


def access(app: FastAPI) -> Access:
    found: Access = app.state.console.access
    return found


def test_without_credentials_every_page_but_the_probes_is_closed(
    app: FastAPI, nobody: TestClient
) -> None:
    asked = routes(app)
    assert len(asked) > 35
    opened = set()
    for method, path in asked:
        answer = nobody.request(method, path)
        to_login = answer.headers.get("location", "").startswith("/login")
        if answer.status_code != 401 and not to_login:
            opened.add((path, answer.status_code))
    assert opened == {("/live", 200), ("/ready", 200), ("/login", 200)}


CLOSED = ("/api/v1/overview", "/stream?topic=overview:", "/api/openapi.json")


@pytest.mark.parametrize("path", CLOSED)
def test_a_program_without_a_token_gets_401_and_is_told_what_to_send(
    nobody: TestClient, path: str
) -> None:
    answer = nobody.get(path)
    assert answer.status_code == 401
    assert "Bearer" in answer.json()["error"]


def test_an_operator_sees_every_page(operator: Operator) -> None:
    client, _ = operator
    for path in ("/", "/pipelines/graph", "/runs", "/alerts", "/audit", "/access", "/api",
                 "/do/trigger/graph", "/api/v1/overview", "/metrics", "/health"):  # fmt: skip
        assert client.get(path).status_code == 200, path


def test_a_wrong_password_says_as_little_as_an_unknown_name(nobody: TestClient) -> None:
    told = []
    for name in ("axiom", "zzzzz"):
        answer = nobody.post("/login", data={"name": name, "password": "wrong"})
        assert answer.status_code == 401
        told.append(answer.text.replace(f'value="{name}"', ""))
    assert told[0] == told[1]


def test_guessing_is_braked_by_address(nobody: TestClient) -> None:
    for _ in range(20):
        assert nobody.post("/login", data={"name": "x", "password": "y"}).status_code == 401
    braked = nobody.post("/login", data={"name": "axiom", "password": PASSWORD})
    assert braked.status_code == 429
    assert int(braked.headers["retry-after"]) > 200


def test_the_cookie_is_out_of_reach_of_scripts_and_secure_over_https(
    app: FastAPI, nobody: TestClient
) -> None:
    login = {"name": "axiom", "password": PASSWORD}
    plain = nobody.post("/login", data=login).headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "Secure" not in plain
    over = TestClient(app, base_url="https://localhost", follow_redirects=False)
    assert "Secure" in over.post("/login", data=login).headers["set-cookie"]


def test_a_form_without_its_token_does_nothing(operator: Operator, app: FastAPI) -> None:
    client, _ = operator
    for data in ({}, {"csrf": "x" * 40}):
        assert client.post("/do/pause/graph", data=data).status_code == 403
    assert Ledger(app.state.console.postgres).paused("graph") is None


def test_another_site_can_post_nothing_not_even_a_login(operator: Operator) -> None:
    client, csrf = operator
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in ("/do/pause/graph", "/login", "/logout"):
            assert client.post(path, data={"csrf": csrf}, headers=headers).status_code == 403


def test_what_is_larger_than_any_form_is_refused(nobody: TestClient) -> None:
    def large() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * (1 << 16)

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert nobody.post("/login", content=large(), headers=form).status_code == 413


def test_a_form_with_its_token_acts_and_the_audit_says_who(operator: Operator) -> None:
    client, csrf = operator
    answer = client.post("/do/pause/graph", data={"csrf": csrf, "reason": "a <b>reason</b>"})
    assert answer.status_code == 303
    page = client.get("/pipelines/graph").text
    assert "by axiom (console): a &lt;b&gt;reason&lt;/b&gt;" in page
    [row] = client.get("/api/v1/audit").json()
    assert (row["by"], row["action"], row["pipeline"]) == ("axiom (console)", "pause", "graph")


def test_a_viewer_sees_and_does_not_act(app: FastAPI, nobody: TestClient) -> None:
    access(app).put_account("vera", "viewer", "vera's own password", by="test")
    csrf = log_in(nobody, "vera", "vera's own password")
    assert 'class="viewer"' in nobody.get("/").text
    for answer in (
        nobody.get("/do/pause/graph"),
        nobody.post("/do/pause/graph", data={"csrf": csrf}),
    ):
        assert answer.status_code == 403
        assert "vera is a viewer" in answer.text
    for path in ("/", "/pipelines/graph", "/runs", "/alerts"):
        page = nobody.get(path)
        assert page.status_code == 200
        assert "/do/" not in page.text, path
    assert nobody.post("/logout", data={"csrf": csrf}).status_code == 303


def test_a_token_opens_the_api_by_its_role_until_it_is_revoked(
    app: FastAPI, nobody: TestClient
) -> None:
    viewer = access(app).make_token("ci", "viewer", by="test")
    operator = access(app).make_token("deploy", "operator", by="test")
    see, act = ({"Authorization": f"Bearer {token}"} for token in (viewer, operator))
    assert nobody.get("/api/v1/runs", headers=see).json() == {"runs": [], "next": None}
    assert nobody.post("/api/v1/pipelines/graph/pause", json={}, headers=see).status_code == 403
    done = nobody.post("/api/v1/pipelines/graph/pause", json={}, headers=act)
    assert done.json()["said"] == "paused"
    assert nobody.get("/api/v1/audit", headers=see).json()[0]["by"] == "deploy (token)"
    wrong = {"Authorization": f"Bearer {viewer}x"}
    assert nobody.get("/api/v1/runs", headers=wrong).status_code == 401
    store = access(app)._store
    assert store.remove_token("ci")
    access(app)._known.clear()  # else it works on for five seconds
    assert nobody.get("/api/v1/runs", headers=see).status_code == 401


def test_neither_passwords_nor_secrets_are_kept(operator: Operator, app: FastAPI) -> None:
    client, _ = operator
    token = access(app).make_token("ci", "viewer", by="test")
    cookie = client.cookies["axiom_session"]
    for table in ("accounts", "sessions", "api_tokens"):
        kept = str(app.state.console.postgres.query(f"SELECT * FROM {table}"))
        assert all(secret not in kept for secret in (PASSWORD, token, cookie))


def test_logging_out_everywhere_ends_every_login(app: FastAPI, operator: Operator) -> None:
    client, csrf = operator
    other = TestClient(app, base_url=HERE, follow_redirects=False)
    log_in(other)
    client.post("/logout/everywhere", data={"csrf": csrf})
    assert client.get("/").headers["location"].startswith("/login")
    assert other.get("/").headers["location"].startswith("/login")


def test_a_login_ends_when_it_was_not_used(app: FastAPI, operator: Operator) -> None:
    client, _ = operator
    db = app.state.console.postgres
    db.execute("UPDATE sessions SET seen_at = seen_at - interval '9 hours'")
    access(app)._known.clear()
    assert client.get("/").status_code == 303


def test_another_password_in_the_setting_ends_the_logins_of_the_old_one(
    app: FastAPI, operator: Operator
) -> None:
    from axiom.login import Login

    client, _ = operator
    access(app).ensure_built_in(Login("axiom", "quite another password"))
    access(app)._known.clear()
    assert client.get("/").status_code == 303
    with pytest.raises(AssertionError):
        log_in(client)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1"])
def test_a_name_that_is_not_ours_gets_nothing(nobody: TestClient, host: str) -> None:
    """A page elsewhere whose name leads to this machine must not read this."""
    assert nobody.get("/login", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("where", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_login_leads_to_no_other_site(nobody: TestClient, where: str) -> None:
    login = {"name": "axiom", "password": PASSWORD, "next": where}
    assert nobody.post("/login", data=login).headers["location"] == "/"


def test_pages_run_no_script_but_ours_and_stand_in_no_frame(operator: Operator) -> None:
    client, _ = operator
    answer = client.get("/pipelines/graph")
    assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    inline = r"<script(?![^>]*src=)|\son\w+=|\sstyle=|https?://(?!127|www.w3)"
    assert not re.search(inline, answer.text)


@pytest.mark.parametrize("kind", ["token", "login"])
def test_a_stream_ends_with_the_token_or_login_that_opened_it(
    app: FastAPI, nobody: TestClient, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "CHECKED_S", 0.05)
    if kind == "token":
        header = (
            b"authorization",
            f"Bearer {access(app).make_token('ci', 'viewer', by='t')}".encode(),
        )
    else:
        log_in(nobody)
        header = (b"cookie", f"{COOKIE}={nobody.cookies[COOKIE]}".encode())
    app.state.live = Live(app.state.console)
    request = Request({"type": "http", "app": app, "headers": [header]})

    async def main() -> None:
        told = doors._events(request, "alerts:")
        await anext(told)
        nothing = asyncio.ensure_future(anext(told, None))
        await asyncio.wait({nothing}, timeout=0.3)
        assert not nothing.done()
        access(app)._store.remove_token("ci")
        access(app).log_out_everywhere("axiom")  # forgets who was known, too
        assert await asyncio.wait_for(nothing, 10) is None

    asyncio.run(main())


def test_probes_ask_nobody_who_they_are(
    app: FastAPI, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(secret: str) -> None:
        raise AssertionError("Postgres was asked")

    monkeypatch.setattr(access(app), "by_session", asked)
    client, _ = operator
    assert client.get("/live").text == "ok"
    assert client.get("/static/app.css").status_code == 200


def test_a_postgres_that_hangs_is_said_to_be_silent_and_is_asked_again_later(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "SILENT_S", 60.0)
    impatient = postgres.Postgres(app.state.console.postgres.url, statement_timeout_s=0.3)
    [backend] = impatient.query("SELECT pg_backend_pid() AS pid")
    os.kill(backend["pid"], signal.SIGSTOP)
    try:
        for _ in range(2):  # the second is not even put
            with pytest.raises(StoreUnavailable, match="Postgres does not answer"):
                impatient.query("SELECT 1")
    finally:
        os.kill(backend["pid"], signal.SIGCONT)
    impatient._silent_until_s = 0.0
    assert impatient.query("SELECT 1 AS one") == [{"one": 1}]


def test_no_form_or_request_that_is_wrong_breaks_the_console(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axiom.tasks.client.send", lambda *_, **__: None)
    client, csrf = operator
    bad = {"X-CSRF-Token": "\u00e9".encode()}
    assert client.post("/do/pause/graph", headers=bad).status_code == 403
    assert client.get(f"/audit?before={10**20}").status_code == 422
    assert client.get(f"/api/v1/audit?before={10**20}").status_code == 422
    headers = {"X-CSRF-Token": csrf}
    asked = {
        "/pipelines/events/runs": ({"at": "9999-12-31T23:59:59Z"}, 400),
        "/pipelines/graph/runs": ({"params": {"x": "x" * 70_000}}, 400),
        "/pipelines/events/backfill": ({"since": "2026-01-05T00:00", "until": "2026-01-06"}, 202),
        "/mutes": ({"what": "nonsense", "until": "2026-01-06T00:00"}, 400),
        "/alerts/nobody/acknowledge": ({}, 404),
    }
    for path, (body, status) in asked.items():
        answer = client.post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code == status, (path, answer.text)
    assert client.get("/api/v1/audit").status_code == 200
    assert client.get("/api/v1/overview").json()["pipelines"][0]["paused_at"] is None


def test_a_form_reads_a_naive_time_as_utc_and_refuses_the_future(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axiom.tasks.client.send", lambda *_, **__: None)
    client, csrf = operator
    answer = client.post("/do/trigger/events", data={"csrf": csrf, "at": "9999-12-31T23:59"})
    assert answer.status_code == 409
    assert "9999-12-31T23:59:00+00:00 lies in the future" in answer.text
    form = {"csrf": csrf, "since": "2026-01-05T00:00", "until": "2026-01-06T00:00"}
    assert client.post("/do/backfill/events", data=form).status_code == 303


def test_a_mute_and_its_end_are_in_the_audit_by_page_and_api(operator: Operator) -> None:
    client, csrf = operator
    headers = {"X-CSRF-Token": csrf}
    assert client.post("/do/mute/run_failed", data={"csrf": csrf}).status_code == 303
    assert client.post("/do/mute/nonsense", data={"csrf": csrf}).status_code == 409
    assert client.post("/do/mute/run_failed/graph", data={"csrf": csrf}).status_code == 303
    for what in ("run_failed", "run_failed/graph"):
        said = client.delete(f"/api/v1/mutes/{what}", headers=headers).json()["said"]
        assert said == f"{what} is told of again"
    rows = client.get("/api/v1/audit").json()
    assert [row["action"] for row in rows] == ["unmute", "unmute", "mute", "mute"]
    assert {row["by"] for row in rows} == {"axiom (console)"}

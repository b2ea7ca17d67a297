"""The app on a real Postgres and Redis, asked without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from axiom.config import Settings, load_settings, settings
from axiom.console.app import create_app
from axiom.tasks.services import services

PASSWORD = "a password for the tests"
HERE = "http://localhost"


@pytest.fixture
def here(
    postgres_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings of this process that lead to the test's servers."""
    for name, value in {
        "POSTGRES_URL": postgres_url, "REDIS_URL": redis_url, "DATA_DIR": str(tmp_path),
        "CONSOLE_PASSWORD": PASSWORD,
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AXIOM_{name}", value)
    settings.cache_clear()
    services.cache_clear()
    yield load_settings()
    settings.cache_clear()
    services.cache_clear()


@pytest.fixture
def app(here: Settings) -> FastAPI:
    return create_app(here)


@pytest.fixture
def nobody(app: FastAPI) -> Iterator[TestClient]:
    """One who has no login; the built-in account is there."""
    from axiom.console.access import Access
    from axiom.login import built_in

    access: Access = app.state.console.access
    access.ensure_built_in(built_in(app.state.console.settings))
    with TestClient(app, base_url=HERE, follow_redirects=False) as client:
        yield client


def log_in(client: TestClient, name: str = "axiom", password: str = PASSWORD) -> str:
    """Log a client in; return what its forms carry."""
    answer = client.post("/login", data={"name": name, "password": password})
    assert answer.status_code == 303, answer.text
    page = client.get("/access").text
    return page.split('name="csrf" value="')[1].split('"')[0]


@pytest.fixture
def operator(nobody: TestClient) -> tuple[TestClient, str]:
    """One who is logged in, and what their forms carry."""
    return nobody, log_in(nobody)

"""Search, and what holds for all Intelligence pages: access, what is empty, what they import."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient


def test_a_search_that_no_worker_answers_says_so(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from axiom.tasks import search  # with Celery, when it is needed

    monkeypatch.setattr(search, "WAIT_S", 1)
    assert "no worker of the cpu queue answered" in client.get("/search?q=chips").text
    assert client.get("/api/v1/search?q=chips").status_code == 400


PAGES = ("/prices", "/graph/top", "/graph/path", "/events", "/correlation", "/search")


@pytest.mark.parametrize("path", [*PAGES, "/graph"])
def test_what_is_empty_says_so(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, "/graph", "/api/v1/prices", "/api/v1/events"])
def test_nobody_reads_without_a_login(nobody: TestClient, path: str) -> None:
    assert nobody.get(path).status_code in (303, 401)


def test_each_answer_of_the_api_is_described(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()["paths"]
    ours = [
        path for path in described if re.match(r"/api/v1/(prices|graph|events|corr|search)", path)
    ]
    assert len(ours) == 13
    for path in ours:
        answer = described[path]["get"]["responses"]["200"]["content"]["application/json"]
        assert answer["schema"], path


def test_the_pages_import_nothing_heavy() -> None:
    code = (
        "import sys; from axiom.console.intelligence import routers; routers(); "
        "import axiom.stores.bars, axiom.stores.graph_reading; "
        "print({'chromadb', 'pandas', 'scipy', 'numpy', 'onnxruntime', 'exchange_calendars'} "
        "& set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"

"""The command, run in this process in 80 columns, on real servers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from axiom.cli.main import main
from axiom.config import settings
from axiom.flow import Call
from axiom.ledger.ledger import Ledger
from axiom.model import RunState
from axiom.stores.alerts import AlertStore
from axiom.stores.heartbeats import KEY
from axiom.stores.postgres import Postgres
from axiom.tasks.services import services

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
TIME = "2026-01-05T15:00:00Z"
ID = "ece77398-1de4-4fea-a8e1-e10062d1f9e0"
FAILED_ID = "0c549279-0871-4bf5-bbb3-c22542f1e1ae"
LONG = "the provider said [bold]nothing[/] of use " + "again and again " * 30
TICKERS = [f"T{n}" for n in range(25)]


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)  # fails unless it is one document


Axiom = Callable[..., Said]


@pytest.fixture
def axiom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Axiom]:
    """Run the command in this process, with fresh settings, in 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AXIOM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["axiom", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        code = ended.value.code
        return Said(code if isinstance(code, int) else int(code is not None), *printed)

    known = sys.modules.pop("celeryconfig", None)  # reads the settings where it is imported
    settings.cache_clear()
    services.cache_clear()
    yield run
    for name in ("postgres", "graph"):
        if name in services().__dict__:
            getattr(services(), name).close()
    sys.modules.pop("celeryconfig", None)
    if known:
        sys.modules["celeryconfig"] = known
    settings.cache_clear()
    services.cache_clear()


@pytest.fixture
def ledger(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("AXIOM_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("AXIOM_REDIS_URL", "redis://127.0.0.1:1")  # named, and not asked
    return Ledger(Postgres(postgres_url))


@pytest.fixture
def history(ledger: Ledger) -> Ledger:
    """A run that succeeded, and one of many items that failed with much to say."""
    ingest = [Call("select_instruments"), Call("fetch_quotes"), Call("close_run")]
    begin(ledger, ID, "ingestion", AT, ingest)
    finish(ledger, ID, ingest[0], {"tickers": TICKERS, "since": None})
    ref = f"axiom:artifact:{ID}:quotes"
    finish(ledger, ID, ingest[1], {"quotes": ref, "newest": AT.isoformat(), "fetched": 6275})
    finish(ledger, ID, ingest[2], {"gaps": [], "late": ["AAPL", "株"], "freshness_s": 0.125})
    ledger.close(ID, RunState.SUCCEEDED)
    read = [Call("fetch_profile", ticker) for ticker in TICKERS]
    windows = [Call("correlate", f"{n}-spearman") for n in (60, 120, 250)]
    begin(ledger, FAILED_ID, "correlation", AT - timedelta(hours=1), [*read, *windows])
    for call in read:
        finish(ledger, FAILED_ID, call, 1)
    for call in windows:
        ledger.start_step(FAILED_ID, call, worker="w", task_id="t")
        ledger.fail_step(FAILED_ID, call, error=LONG, traceback="Traceback")
    ledger.close(FAILED_ID, RunState.FAILED, LONG)
    return ledger


def begin(ledger: Ledger, run_id: str, pipeline: str, at: datetime, calls: list[Call]) -> None:
    ledger.claim(
        run_id, pipeline, at, engine="celery", trigger="schedule", deadline=timedelta(minutes=1)
    )
    ledger.plan(run_id, calls, {"shape": []})


def finish(ledger: Ledger, run_id: str, call: Call, output: object) -> None:
    ledger.start_step(run_id, call, worker="w", task_id="t")
    ledger.finish_step(run_id, call, output)


def fits(said: Said) -> bool:
    return all(len(line) <= 80 for line in (said.out + said.err).splitlines())


@pytest.fixture
def servers(
    ledger: Ledger, redis_url: str, graph_url: str, chroma_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("AXIOM_REDIS_URL", redis_url)
    monkeypatch.setenv("AXIOM_GRAPH_URL", graph_url)
    monkeypatch.setenv("AXIOM_CHROMA_URL", chroma_url)


@pytest.fixture
def alerts(postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AlertStore:
    monkeypatch.setenv("AXIOM_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("AXIOM_REDIS_URL", redis_url)
    return AlertStore(Postgres(postgres_url))


def process(redis_url: str, name: str, age_s: float = 0.0, **facts: Any) -> None:
    from axiom.resilience.store import connect

    with connect(redis_url) as client:
        known = {"mark": name, "kind": "worker", "host": "here", "pid": 1, "queues": ["io"]}
        client.hset(KEY, name, f"{client.time()[0] - age_s} {json.dumps(known | facts)}")

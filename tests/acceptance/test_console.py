"""The console while what it stands on is killed; and its accounts from the terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from axiom.embedded.servers import free_port
from axiom.model import RunState
from tests.acceptance.conftest import BIN, Stack, end, wait_for

pytestmark = pytest.mark.timeout(240)
PASSWORD = "a password for the tests"


class Console:
    """A console process, and a token for it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.port = free_port()
        made = stack.axiom("token", "create", "--name", f"test-{self.port}")
        self.token = made["token"]
        self.start()

    def start(self) -> None:
        env = self._stack.env | {
            "AXIOM_CONSOLE_PORT": str(self.port), "AXIOM_CONSOLE_PASSWORD": PASSWORD,
        }  # fmt: skip
        log = (self._stack.data_dir / "logs" / "console.log").open("ab")
        self.process = subprocess.Popen(
            [str(BIN / "axiom"), "console"], env=env, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        wait_for(lambda: self.status("/live") == 200, what="the console")

    def status(self, path: str) -> int:
        return self.get(path)[0]

    def get(self, path: str) -> tuple[int, str]:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=15) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


@pytest.fixture
def console(stack: Stack) -> Iterator[Console]:
    made = Console(stack)
    yield made
    end(made.process)


def test_every_past_run_is_shown_whatever_is_killed(stack: Stack, console: Console) -> None:
    worker = stack.worker()
    asked = stack.axiom("trigger", "ingestion")["run"]
    run = stack.ended(asked)
    assert run.state is RunState.SUCCEEDED
    flower = subprocess.Popen(
        [str(BIN / "celery"), "-A", "axiom", "flower"],
        env=stack.env | {"AXIOM_FLOWER_PORT": str(free_port())},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip

    def all_is_shown() -> None:
        for path in ("/", "/pipelines/ingestion", "/runs", f"/runs/{run.id}"):
            code, page = console.get(path)
            assert code == 200, (path, page)
        page = console.get(f"/runs/{run.id}")[1]
        assert 'data-step="close_run" data-state="succeeded"' in page
        assert run.id in console.get("/pipelines/ingestion")[1]

    all_is_shown()
    for process in (flower, worker):
        os.killpg(process.pid, signal.SIGKILL)
        all_is_shown()
    os.killpg(console.process.pid, signal.SIGKILL)
    console.process.wait()
    console.start()
    all_is_shown()
    broker = stack.processes["redis"]
    broker.kill()
    broker.wait()
    all_is_shown()
    assert "The broker does not answer." in console.get("/")[1]
    stack.restart("redis")
    wait_for(lambda: "The broker does not answer." not in console.get("/")[1], what="the broker")


def test_postgres_comes_back_and_so_do_the_pages(stack: Stack, console: Console) -> None:
    postgres = stack.processes["postgres"]
    postgres.kill()
    postgres.wait()
    code, page = console.get("/runs")
    assert code == 503
    assert "Postgres" in page
    stack.restart("postgres")
    wait_for(lambda: console.status("/runs") == 200, what="the pages")


def test_accounts_and_tokens_are_made_and_taken_away_in_the_terminal(stack: Stack) -> None:
    made = stack.axiom("user", "add", "vera", "--role", "viewer")
    assert len(made["password"]) >= 20  # nothing came in by stdin
    listed = {row["name"]: row["role"] for row in stack.axiom("user", "list")}
    assert listed["vera"] == "viewer"
    stack.axiom("user", "remove", "vera")
    gone = stack.run("axiom", "user", "remove", "vera", check=False)
    assert gone.returncode == 4
    assert "there is no account 'vera'" in gone.stderr
    token = stack.axiom("token", "create", "--name", "ci", "--role", "operator")
    assert token["token"].startswith("axm_")
    assert token["token"] not in json.dumps(stack.axiom("token", "list"))
    twice = stack.run("axiom", "token", "create", "--name", "ci", check=False)
    assert "there is a token 'ci' already" in twice.stderr
    stack.axiom("token", "revoke", "ci")
    wrong = stack.run("axiom", "user", "add", "x", "--role", "admin", check=False)
    assert "no role 'admin'; choose viewer or operator" in wrong.stderr

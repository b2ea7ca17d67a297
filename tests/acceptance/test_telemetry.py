"""What a running Axiom tells of itself: pages, metrics, traces and logs, on all of its processes.

One `axiom up --fake-claude` serves the module. Prometheus and promtool come from
`.ci/prometheus.sh`, or from the PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from axiom.embedded.servers import free_port
from axiom.ledger.ledger import Ledger
from axiom.stores.log_lines import LogLines
from tests.acceptance.conftest import BIN, end, wait_for
from tests.acceptance.observed import PIPELINES, System, observed
from tests.acceptance.test_live import canaries, look

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROCESSES = {"beat", "control", "io", "cpu", "claude", "flower", "console"}
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with observed() as running:
        yield running


# --- pages ---


def test_every_process_is_live_ready_and_says_what_it_is(system: System) -> None:
    assert set(system.pages) == PROCESSES
    for name, url in system.pages.items():
        wait_for(lambda url=url: look(f"{url}/live")[0] == 200, 15, f"{name}'s life")
        assert look(f"{url}/ready") == (200, {"ready": True, "missing": {}})
        status, told = look(f"{url}/health")
        assert (status, told["live"], told["ready"]) == (200, True, True)
        assert told["kind"] in ("beat", "console", "flower", "worker")
        assert look(f"{url}/nothing")[0] == 404


def test_a_worker_takes_its_canary_from_a_queue_of_its_own(system: System) -> None:
    urls = [system.pages[name] for name in ("control", "io", "cpu", "claude")]
    before = [canaries(url) for url in urls]
    for url, n in zip(urls, before, strict=True):
        wait_for(lambda url=url, n=n: canaries(url) > n, 30, f"a canary at {url}")


# --- metrics ---


def tool(name: str) -> str:
    folder = os.environ.get("AXIOM_TEST_PROMETHEUS")
    found = f"{folder}/{name}" if folder else shutil.which(name)
    assert found, f'no {name}: .ci/prometheus.sh unpacks it; or leave out: -m "not tools"'
    return found


def promtool(*args: str, said: str = "") -> str:
    done = subprocess.run(
        [tool("promtool"), *args], input=said, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.tools
@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_metrics_keep_to_the_naming_rules(system: System, name: str) -> None:
    exposed = system.metrics(name)
    assert "axiom_process_info" in exposed
    assert "process_resident_memory_bytes" in exposed
    assert promtool("check", "metrics", said=exposed).strip() == ""


def sample(exposed: str, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels."""
    found = 0.0
    for line in exposed.splitlines():
        if re.match(rf"{name}[{{ ]", line) and all(f'{k}="{v}"' in line for k, v in labels.items()):
            found += float(line.rpartition(" ")[2])
    return found


def test_counters_are_the_ledgers_whichever_child_did_the_work_and_outlive_beat(
    system: System,
) -> None:
    ledger = Ledger(system.postgres)
    steps = [step for run_id in system.runs.values() for step in ledger.steps(run_id)]
    [paid] = system.postgres.query(
        "SELECT count(*) AS n, sum(usd)::float8 AS usd, sum(output_tokens) AS tokens FROM calls"
    )

    def check() -> None:
        exposed = system.metrics("beat")
        assert sample(exposed, "axiom_runs_total", state="succeeded") == 4
        assert sample(exposed, "axiom_steps_total") == len(steps)
        assert sample(exposed, "axiom_step_duration_seconds_count") == len(steps)
        for pipeline in PIPELINES:
            assert sample(exposed, "axiom_run_duration_seconds_count", pipeline=pipeline) == 1
        rows = sample(exposed, "axiom_rows_total", step="store_prices", what="rows")
        assert rows == system.postgres.query("SELECT count(*) AS n FROM prices")[0]["n"]
        assert sample(exposed, "axiom_claude_calls_total") == paid["n"] > 30
        assert sample(exposed, "axiom_claude_dollars_total") == pytest.approx(paid["usd"])
        assert sample(exposed, "axiom_claude_tokens_total", kind="output") == paid["tokens"]

    check()
    check()  # looking counts nothing again
    told = look(f"{system.pages['beat']}/health")[1]
    psutil.Process(int(str(told["pid"]))).terminate()  # or its lock would be held on to for 30 s
    wait_for(lambda: beat_leads_again(system, told["pid"]), 60, "another beat")
    check()


def beat_leads_again(system: System, former: object) -> bool:
    try:
        told = look(f"{system.pages['beat']}/health")[1]
    except OSError:
        return False
    return told["pid"] != former and bool(told["leading"])


@pytest.mark.tools
def test_the_rules_fire_when_they_should() -> None:
    promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.compose.yml"))
    promtool("check", "rules", str(DEPLOY / "prometheus" / "alerts.yml"))
    promtool("test", "rules", str(DEPLOY / "prometheus" / "alerts.test.yml"))
    rules = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    tests = (DEPLOY / "prometheus" / "alerts.test.yml").read_text()
    for alert in re.findall(r"alert: (\w+)", rules):
        assert f"alertname: {alert}" in tests


@pytest.fixture(scope="module")
def prometheus(system: System) -> Iterator[str]:
    """A real Prometheus with our configuration, but for the path and the pace."""
    home = system.data_dir / "prometheus"
    home.mkdir()
    wanted = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    wanted = wanted.replace("../../.axiom/health", str(system.data_dir / "health"))
    wanted = re.sub(r": 1[05]s", ": 1s", wanted)
    (home / "prometheus.yml").write_text(wanted)
    shutil.copy(DEPLOY / "prometheus" / "alerts.yml", home)
    port = free_port()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [tool("prometheus"), f"--config.file={home}/prometheus.yml",
             f"--storage.tsdb.path={home}/data", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}/api/v1"
    try:
        # a rate needs two scrapes
        wait_for(
            lambda: up_to_date(url), 60, "two scrapes of every process"
        )  # fmt: skip
        yield url
    finally:
        end(process)


def up_to_date(url: str) -> bool:
    try:
        found = ask(url, 'count_over_time(up{job="axiom"}[1m]) >= 3')
    except OSError:
        return False
    return len(found) == len(PROCESSES)


def ask(url: str, expression: str) -> list[Any]:
    """Put a question to Prometheus; return the series that answer it."""
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/query?{query}", timeout=15) as answer:
        told = json.loads(answer.read())
    assert told["status"] == "success", told
    return list(told["data"]["result"])


def panels() -> list[tuple[str, str]]:
    found = []
    for path in sorted((DEPLOY / "grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                found.append((f"{path.stem}: {panel['title']}", target["expr"]))
    return found


@pytest.mark.tools
def test_every_panel_shows_something(prometheus: str) -> None:
    assert len(panels()) > 30
    empty = [title for title, expression in panels() if not ask(prometheus, expression)]
    assert empty == []


@pytest.mark.tools
def test_every_metric_that_a_rule_asks_for_is_there(prometheus: str) -> None:
    rules = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    names = set(re.findall(r"\baxiom_\w+\b", rules)) - {"axiom_pipeline_last_"}
    assert len(names) > 10
    assert [name for name in sorted(names) if not ask(prometheus, name)] == []
    with urllib.request.urlopen(f"{prometheus}/rules", timeout=15) as answer:
        [group] = json.loads(answer.read())["data"]["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}


def test_dashboards_take_their_data_source_from_a_variable_and_nothing_from_elsewhere() -> None:
    for path in (DEPLOY / "grafana").glob("*.json"):
        text = path.read_text()
        assert "://" not in text
        told = json.loads(text)
        sources = {json.dumps(p["datasource"]) for p in told["panels"]}
        assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
        assert len({p["id"] for p in told["panels"]}) == len(told["panels"])


# --- traces ---


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_run_is_one_tree_whichever_processes_ran_it(system: System, pipeline: str) -> None:
    run_id = system.runs[pipeline]
    ledger = Ledger(system.postgres)
    steps = Counter((step.name, step.item) for step in ledger.steps(run_id))

    def complete() -> bool:
        told = system.collector.of(run_id)
        return len([s for s in told if "axiom.step" in s.facts]) == len(steps) and any(
            not s.parent_id for s in told
        )

    wait_for(complete, 20, "the whole trace")
    spans = system.collector.of(run_id)
    assert len({span.trace_id for span in spans}) == 1
    [root] = [span for span in spans if not span.parent_id]
    assert (root.name, root.facts["axiom.state"]) == (f"run {pipeline}", "succeeded")
    below = [span for span in spans if "axiom.step" in span.facts]
    assert {span.parent_id for span in below} == {root.span_id}
    assert steps == Counter((s.facts["axiom.step"], s.facts["axiom.item"]) for s in below)
    assert {s.facts["axiom.attempt"] for s in below} == {1}
    asked = [span for span in spans if span.name.startswith("chat ")]
    assert {span.parent_id for span in asked} <= {span.span_id for span in below}
    assert asked or pipeline not in ("graph", "events")
    for span in asked:
        assert span.facts["gen_ai.provider.name"] == "anthropic"
        assert span.facts["gen_ai.usage.output_tokens"] > 0
    assert len(spans) == 1 + len(below) + len(asked)


# --- logs ---


def test_each_step_has_its_log_lines(system: System) -> None:
    store, ledger = LogLines(system.postgres), Ledger(system.postgres)
    for run_id in system.runs.values():
        for step in ledger.steps(run_id):
            said = store.lines(run_id, step.name, step.item, limit=10_000)
            [last] = [line for line in said if line.text == "step_succeeded"]
            assert (last.attempt, last.worker) == (1, step.worker)


def test_log_lines_are_json_with_what_they_belong_to(system: System) -> None:
    seen = set()
    for name in ("control", "io", "cpu", "claude"):
        for line in (system.data_dir / "logs" / f"{name}.log").read_text().splitlines():
            if '"step_succeeded"' in line:
                told = json.loads(line)
                seen.add(told["run"])
                assert told["worker"].startswith(f"{name}@")
                assert {"pipeline", "step", "item", "attempt", "task", "timestamp"} <= told.keys()
    assert seen == set(system.runs.values())


def test_axiom_logs_shows_the_lines_of_a_run_within_80_columns(system: System) -> None:
    shown = axiom_logs(system, system.runs["ingestion"][:8])
    assert "store_prices step_succeeded" in shown
    assert max(map(len, shown.splitlines())) <= 80
    [line] = axiom_logs(
        system, system.runs["ingestion"], "--step", "store_prices", "--json"
    ).splitlines()
    assert json.loads(line)["step"] == "store_prices"
    followed = axiom_logs(system, system.runs["graph"], "--follow", "--level", "info", "-n", "1000")
    assert "verify_graph step_succeeded" in followed
    assert axiom_logs(system, system.runs["graph"], "--level", "error") == ""


def axiom_logs(system: System, *args: str) -> str:
    return subprocess.run(
        [BIN / "axiom", "logs", *args], check=True, capture_output=True, text=True, timeout=60,
        env=os.environ | {"AXIOM_DATA_DIR": str(system.data_dir), "COLUMNS": "80"},
    ).stdout  # fmt: skip


def test_no_secret_is_in_anything_that_was_said(system: System) -> None:
    held = json.loads((system.data_dir / "secrets.json").read_text())
    secrets = [value for value in held.values() if isinstance(value, str)] + ["sk-ant-fake"]
    assert len(secrets) >= 4
    said = {path.name: path.read_text(errors="replace")
            for path in (system.data_dir / "logs").iterdir() if path.is_file()}  # fmt: skip
    said |= {name: system.metrics(name) for name in system.pages}
    said |= {f"{name}'s health": json.dumps(look(f"{url}/health"))
             for name, url in system.pages.items()}  # fmt: skip
    rows = system.postgres.query("SELECT text, facts::text AS facts FROM log_lines")
    said["log_lines"] = json.dumps(rows)
    said["traces"] = repr(system.collector.raw)
    assert sum(map(len, said.values())) > 100_000
    for secret in secrets:
        assert [name for name, text in said.items() if secret in text] == []


PLANTED = "Planted-1@/x"


def test_no_secret_of_a_server_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    url = f"redis://:{urllib.parse.quote(PLANTED, safe='')}@127.0.0.1:1/0"
    env = os.environ | {
        "AXIOM_DATA_DIR": str(tmp_path), "AXIOM_REDIS_URL": url, "AXIOM_LOG_LEVEL": "DEBUG",
        "AXIOM_POSTGRES_URL": f"postgresql{url.removeprefix('redis')}", "FLOWER_PORT": "0",
    }  # fmt: skip
    commands = {
        "worker": ["celery", "-A", "axiom", "worker", "-Q", "io", "-c", "1", "-l", "DEBUG"],
        "beat": ["celery", "-A", "axiom", "beat", "-l", "DEBUG"],
        "flower": ["celery", "-A", "axiom", "flower"],
        "trigger": ["axiom", "trigger", "ingestion"],
        "run": ["axiom", "run", "ingestion"],
    }
    logs = {name: tmp_path / f"{name}.log" for name in commands}
    with ExitStack() as stack:
        for name, (command, *args) in commands.items():
            out = stack.enter_context(logs[name].open("wb"))
            process = subprocess.Popen(
                [BIN / command, *args], env=env, stdout=out, stderr=out, start_new_session=True
            )
            stack.callback(end, process)
        for name, log in logs.items():
            wait_for(lambda log=log: "refused" in log.read_text(), 60, f"{name}'s complaint")
    for log in logs.values():
        said = log.read_text()
        assert PLANTED not in said
        assert urllib.parse.quote(PLANTED, safe="") not in said

"""What a day of Claude costs, and what it would cost if it were asked naively.

    python benchmarks/claude_cost.py [--hours N] [--json]

Embedded servers, the replay, and the imitation of the API, whose books count the dollars of
both. Ours: the real pipelines at their logical times (each hour a run of graph and of
correlation and twelve of events; ingestion is run each hour too, and catches up the minutes
between), through the real analyst and gateway. Before each run the imitation's clock is moved
on to the simulated minute, so that cached prefixes grow old as they would in such a day. An
answer takes a moment, so that what is asked side by side does not profit from each other's
cache.

Naive: a call for each headline that a run of events fetched, for each company in each run of
graph, and for each change that was to be explained; the same models, prompts and schemas, no
mark for the cache, no batches, no novelty, no store of answers. It is kept cheap: headlines go
to the small model alone, though ours asks the larger one about the unsure, and nothing is
repaired. Each of its calls is made. The last line is the sternest comparison: each of its
different questions asked once, as if it had a store of answers and nothing else.

The imitation counts a token as so many bytes and answers by rules: the dollars are those of
its answers, and the ratio is what is compared.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from axiom.analysts.question import Question
    from axiom.engines.execute import Engine
    from axiom.tasks.services import Services
    from tests.fakes.claude import FakeClaude

sys.path.insert(0, str(Path(__file__).parents[1]))
BOUND = 0.20
START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR_MINUTES, EVENTS_MINUTES = 60, 5
LATENCY_S = 0.02
THREADS = 4  # as a worker of the queue `claude` has
ASKING = ("graph", "events", "correlation")
NAIVE = (
    "naive: a call per headline (small model alone), per company and run, per explanation; "
    "same models and prompts, no cache"
)
KINDS = ("input_tokens", "cache_write_5m", "cache_write_1h", "cache_read", "output_tokens")
NANO = 10**9


@dataclass
class Spent:
    """Calls of a kind by the imitation's books."""

    calls: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    nano_dollars: int = 0

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows of the books."""
        for row in rows:
            self.calls += 1
            self.nano_dollars += row["nano_dollars"]
            self.tokens.update({kind: row[kind] for kind in KINDS})

    @property
    def usd(self) -> float:
        """In dollars."""
        return self.nano_dollars / NANO


@dataclass
class Day:
    """What was asked, ours and naively, by pipeline."""

    ours: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    by_model: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    naive: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    distinct: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    questions: dict[str, list[Question]] = field(default_factory=lambda: defaultdict(list))
    runs: Counter[str] = field(default_factory=Counter)
    our_books_usd: Decimal = Decimal(0)


# --- ours ---


@contextmanager
def prepared() -> Iterator[tuple[Services, FakeClaude]]:
    from axiom.config import Settings
    from axiom.embedded.servers import running
    from axiom.stores.schema import migrate
    from axiom.tasks.services import Services
    from tests.fakes.claude import fake_claude

    ample = {"requests": 10**6, "input_tokens": 10**9, "output_tokens": 10**9}
    with (
        TemporaryDirectory() as scratch,
        running(Path(scratch)) as urls,
        fake_claude(limits=ample, answer="axiom.embedded.fake_claude.analyst:answer") as fake,
    ):
        migrate(urls["postgres_url"])
        given = urls | {
            "data_dir": Path(scratch), "market": "replay", "analyst": "claude",
            "ANTHROPIC_API_KEY": fake.key, "ANTHROPIC_BASE_URL": fake.base_url,
            "claude_imitation": True, "claude_requests_per_minute": 10**6,
            "claude_input_tokens_per_minute": 10**9, "claude_output_tokens_per_minute": 10**9,
            "claude_day_usd": Decimal(1000), "claude_pipeline_usd": Decimal(1000),
            "claude_run_usd": Decimal(1000),
        }  # fmt: skip
        yield Services(Settings(_env_file=None, **given)), fake


def live_through(services: Services, fake: FakeClaude, hours: int) -> Day:
    from axiom.engines.execute import Engine
    from axiom.stores.artifacts import MemoryArtifacts

    day = Day()
    engine = Engine(services.ledger, services, MemoryArtifacts(), "langgraph", "benchmark")
    began, advanced_s, seen = time.monotonic(), 0.0, 0
    fake.control(latency_s=LATENCY_S)
    for minute in range(0, hours * HOUR_MINUTES, EVENTS_MINUTES):
        behind_s = minute * 60 - (time.monotonic() - began) - advanced_s
        if behind_s > 0:
            fake.control(advance_s=behind_s)
            advanced_s += behind_s
        due = ("events",) if minute % HOUR_MINUTES else ("ingestion", *ASKING)
        for pipeline in due:
            run_id = run(engine, pipeline, START + timedelta(minutes=minute))
            day.questions[pipeline] += naive_questions(engine, pipeline, run_id)
            day.runs[pipeline] += 1
            rows = fake.books(since=seen)
            seen += len(rows)
            day.ours[pipeline].add(rows)
            for row in rows:
                day.by_model[row["model"]].add([row])
    fake.control(latency_s=0)
    booked = services.claude.book.costs("pipeline", datetime.now(UTC) - timedelta(days=2))
    day.our_books_usd = sum((row["usd"] for row in booked), Decimal(0))
    return day


def run(engine: Engine, pipeline: str, at: datetime) -> str:
    from axiom.engines.langgraph import require_state, run_in_process
    from axiom.model import RunState
    from axiom.tasks.flows import flow_of

    claim = run_in_process(engine, flow_of(pipeline), at, max_concurrency=THREADS)
    require_state(claim)
    if claim.run.state is not RunState.SUCCEEDED:
        sys.exit(f"{pipeline} at {at} ended {claim.run.state}: {claim.run.reason}")
    return claim.run.id


# --- the naive design ---


def naive_questions(engine: Engine, pipeline: str, run_id: str) -> list[Question]:
    """What one call each would ask in a run that has just been made."""
    if pipeline not in ASKING:
        return []
    steps = {(row.name, row.item): row.output for row in engine.ledger.steps(run_id)}
    return _MAKERS[pipeline](engine, steps)


def of_companies(engine: Engine, steps: Mapping[tuple[str, str], Any]) -> list[Question]:
    from axiom.analysts.claude import company
    from axiom.analysts.claude.material import PROFILE, clean
    from axiom.model import Profile

    large = engine.services.settings.claude_large
    refs = [said["profile"] for (name, _), said in steps.items() if name == "fetch_profile"]
    profiles = [Profile(**engine.artifacts.get(ref)) for ref in refs]
    return [
        company._question(large, None, each, clean(each.text, PROFILE, lines=True))
        for each in profiles
    ]


def of_headlines(engine: Engine, steps: Mapping[tuple[str, str], Any]) -> list[Question]:
    from axiom.analysts.claude import events
    from axiom.pipelines.events import _headlines
    from axiom.pipelines.linking import EntityFinder

    settings = engine.services.settings
    finder = EntityFinder(engine.services.universe.companies)
    rows = engine.artifacts.get(steps["fetch_headlines", ""]["headlines"])
    told = events.as_told([(each, finder.find(each)) for each in _headlines(rows)], {})
    return [
        events._question([each], settings.claude_small, settings.claude_effort) for each in told
    ]


def of_changes(engine: Engine, steps: Mapping[tuple[str, str], Any]) -> list[Question]:
    from axiom.analysts.claude import explain
    from axiom.pipelines.changes import change_from

    rows = engine.artifacts.get(steps["find_changes", ""]["changes"])
    large = engine.services.settings.claude_large
    return [explain._question([change_from(row)], large, None) for row in rows]


_MAKERS = {"graph": of_companies, "events": of_headlines, "correlation": of_changes}


def ask_naively(day: Day, fake: FakeClaude) -> None:
    client = fake.client()
    seen = len(fake.books())
    for pipeline in ASKING:
        with ThreadPoolExecutor(THREADS) as threads:
            asked = threads.map(lambda q: client.messages.create(**naive_request(q)),
                                day.questions[pipeline])  # fmt: skip
            for _ in asked:
                pass
        rows = fake.books(since=seen)
        seen += len(rows)
        day.naive[pipeline].add(rows)
        day.distinct[pipeline].add({row["prompt_hash"]: row for row in rows}.values())


def naive_request(question: Question) -> dict[str, Any]:
    from axiom.analysts.sdk import make_request

    return make_request(question) | {"system": question.system}


# --- what is told ---


def total(spent: Mapping[str, Spent]) -> Spent:
    found = Spent()
    for each in spent.values():
        found.calls += each.calls
        found.nano_dollars += each.nano_dollars
        found.tokens.update(each.tokens)
    return found


def share(part: Spent, whole: Spent) -> float | None:
    return part.nano_dollars / whole.nano_dollars if whole.nano_dollars else None


def report(day: Day) -> dict[str, Any]:
    rows = {name: (day.ours[name], day.naive[name]) for name in ASKING}
    rows["all"] = (total(day.ours), total(day.naive))
    return {
        "runs": {name: day.runs[name] for name in ASKING},
        "pipelines": {
            name: {
                "calls": ours.calls, "usd": ours.usd, **{k: ours.tokens[k] for k in KINDS},
                "naive_calls": naive.calls, "naive_usd": naive.usd, "ratio": share(ours, naive),
            }
            for name, (ours, naive) in rows.items()
        },
        "models": {m: {"calls": s.calls, "usd": s.usd} for m, s in sorted(day.by_model.items())},
        "ratio": share(*rows["all"]),
        "bound": BOUND,
        "our_books_usd": float(day.our_books_usd),
        "naive_distinct_calls": total(day.distinct).calls,
        "naive_distinct_usd": total(day.distinct).usd,
    }  # fmt: skip


def print_table(found: Mapping[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("pipeline", no_wrap=True)
    for name in (
        "runs", "calls", "input", "written", "read", "output", "USD", "naive", "naive USD",
        "ratio", "bound",
    ):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in found["pipelines"].items():
        counts = (
            row["calls"], row["input_tokens"], row["cache_write_5m"] + row["cache_write_1h"],
            row["cache_read"], row["output_tokens"],
        )  # fmt: skip
        table.add_row(
            name, str(found["runs"].get(name, "")), *(f"{count:,}" for count in counts),
            f"{row['usd']:.4f}", f"{row['naive_calls']:,}", f"{row['naive_usd']:.4f}",
            "" if row["ratio"] is None else f"{row['ratio']:.3f}",
            f"{BOUND:.2f}" if name == "all" else "",
        )  # fmt: skip
    console = Console(width=max(112, Console().width), highlight=False)
    console.print(table)
    console.print(NAIVE)
    models = ", ".join(f"{m} {s['calls']} for {s['usd']:.4f}" for m, s in found["models"].items())
    console.print(f"ours by model: {models}; by our own books {found['our_books_usd']:.4f} USD")
    once = found["naive_distinct_usd"]
    console.print(
        f"each different naive question asked once: {found['naive_distinct_calls']:,} calls, "
        f"{once:.4f} USD; ratio {found['pipelines']['all']['usd'] / once:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=int, default=24, help="of the simulated day")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    with prepared() as (services, fake):
        day = live_through(services, fake, options.hours)
        ask_naively(day, fake)
    found = report(day)
    print_table(found)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()

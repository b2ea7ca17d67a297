"""What the gateway adds to a call: the same questions put by the bare SDK, in turns.

    python benchmarks/gateway_overhead.py [--json]

Embedded Redis and Postgres, and the imitation of the API, which answers at once. What is
added is the answer store, the budget, the breaker, the rate limit, the bulkhead, and a row
in the call book before and after.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.analysts.question import Question

sys.path.insert(0, str(Path(__file__).parents[1]))
BOUND_MS, ROUNDS, WARM_UP = 2.0, 400, 40


def make_question(n: int) -> Question:
    from axiom.analysts.question import Question

    schema = {
        "type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"],
        "additionalProperties": False,
    }  # fmt: skip
    return Question(
        prompt="benchmark-1", system="Answer in a word. " * 150, material=f"Question {n}?",
        schema=schema, model="claude-haiku-5-5", max_tokens=200, subjects=("AAPL",),
    )  # fmt: skip


@contextmanager
def prepared() -> Iterator[Any]:
    from axiom.config import Settings
    from axiom.embedded.servers import running
    from axiom.stores.schema import migrate
    from axiom.tasks.claude import Claude
    from tests.fakes.claude import fake_claude

    ample = {"requests": 10**6, "input_tokens": 10**9, "output_tokens": 10**9}
    with (
        TemporaryDirectory() as scratch,
        running(Path(scratch), ["redis", "postgres"]) as urls,
        fake_claude(limits=ample) as fake,
    ):
        migrate(urls["postgres_url"])
        given = {
            "redis_url": urls["redis_url"], "postgres_url": urls["postgres_url"],
            "ANTHROPIC_API_KEY": fake.key, "ANTHROPIC_BASE_URL": fake.base_url,
            "claude_imitation": True, "data_dir": Path(scratch),
            "claude_requests_per_minute": 10**6, "claude_input_tokens_per_minute": 10**9,
            "claude_output_tokens_per_minute": 10**9, "claude_day_usd": Decimal(1000),
            "claude_pipeline_usd": Decimal(1000), "claude_run_usd": Decimal(1000),
        }  # fmt: skip
        yield Claude(Settings(**given)), fake.client()


def timed_ms(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def measure() -> dict[str, float]:
    from axiom.analysts.sdk import make_request

    bare: list[float] = []
    ours: list[float] = []
    known: list[float] = []
    with prepared() as (claude, client):
        gateway = claude.gateway
        for n in range(WARM_UP + ROUNDS):
            question, request = make_question(n), make_request(make_question(-n - 1))
            bare.append(timed_ms(lambda r=request: client.messages.create(**r)))  # type: ignore[misc]
            ours.append(timed_ms(lambda q=question: gateway(q)))  # type: ignore[misc]
            known.append(timed_ms(lambda q=question: gateway(q)))  # type: ignore[misc]
    medians = [statistics.median(each[WARM_UP:]) for each in (bare, ours, known)]
    return {
        "bare_ms": medians[0], "gateway_ms": medians[1], "known_ms": medians[2],
        "added_ms": statistics.median(b - a for a, b in zip(bare, ours, strict=True)),
    }  # fmt: skip


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    found = measure()
    table = Table(f"a question, median of {ROUNDS}", "milliseconds", "bound")
    table.add_row("by the bare SDK", f"{found['bare_ms']:.2f}", "")
    table.add_row("through the gateway", f"{found['gateway_ms']:.2f}", "")
    table.add_row("what the gateway adds", f"{found['added_ms']:.2f}", f"{BOUND_MS}")
    table.add_row("one that was answered before", f"{found['known_ms']:.2f}", "")
    Console().print(table)
    if "--json" in sys.argv:
        print(json.dumps(found))


if __name__ == "__main__":
    main()

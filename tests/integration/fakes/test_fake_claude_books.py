"""The real SDK against the imitation: what it books."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.fakes.claude import FakeClaude, fake_claude
from tests.integration.fakes.asking import (
    HAIKU,
    OPUS,
    SONNET,
    ask,
    batch_of,
    cached,
    ended,
    limited,
)


class TestBooks:
    @pytest.mark.parametrize(
        ("model", "ttl", "write", "read", "into", "out"),
        [
            (HAIKU, "5m", 125, 10, 100, 500),
            (HAIKU, "1h", 200, 10, 100, 500),
            (SONNET, "5m", 2500, 100, 2000, 10_000),
            (SONNET, "1h", 4000, 100, 2000, 10_000),
            (OPUS, "5m", 5000, 200, 4000, 20_000),
            (OPUS, "1h", 8000, 200, 4000, 20_000),
        ],
    )
    def test_know_each_kind_of_token_by_its_price(
        self, client: Any, fake: FakeClaude, model: str, ttl: str,
        write: int, read: int, into: int, out: int,
    ) -> None:  # fmt: skip
        fake.control(script=[{"text": "x" * 40, "next": 2}])
        for _ in range(2):
            ask(client, "y" * 80, model=model, system=cached(ttl=ttl))
        first, second = (row["nano_dollars"] for row in fake.books())
        assert first == 1000 * write + 20 * into + 10 * out
        assert second == 1000 * read + 20 * into + 10 * out
        total = fake.summary()["by_model"][model]
        assert total["nano_dollars"] == first + second
        assert total["micro_dollars"] == pytest.approx((first + second) / 1000)

    def test_tell_questions_that_were_asked_again(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"fault": "overloaded"}, {"fault": "cut_off"}])
        for error in (anthropic.OverloadedError, anthropic.APIConnectionError):
            with pytest.raises(error):
                ask(client, "once")
        ask(client, "once")
        assert fake.summary()["requests_asked_again"] == 0
        ask(client, "twice")
        ask(client, "once")
        ask(client, "once")
        ended(client, client.messages.batches.create(requests=batch_of("once", max_tokens=100)).id)
        said = fake.summary()
        assert (said["questions_asked_again"], said["requests_asked_again"]) == (1, 3)

    def test_are_kept_in_a_file_too(self, tmp_path: Path) -> None:
        path = tmp_path / "books.jsonl"
        with fake_claude(books=path) as fake:
            client = fake.client()
            ask(client)
            fake.control(script=[{"fault": "api_error"}])
            with pytest.raises(anthropic.InternalServerError):
                ask(client)
            batch = ended(client, client.messages.batches.create(requests=batch_of("a", "b")).id)
            list(client.messages.batches.results(batch.id))
            rows = fake.books()
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert {row["request_id"]: row for row in lines} == {row["request_id"]: row for row in rows}

    def test_agree_with_many_clients_at_once(self, fake: FakeClaude, client: Any) -> None:
        fake.control(**limited())
        at_once = threading.Barrier(16)

        def run(worker: int) -> list[Any]:
            at_once.wait(10)
            return [ask(client, f"{worker} {n}", system=cached()).usage for n in range(25)]

        began = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            usages = [usage for found in pool.map(run, range(16)) for usage in found]
        took = time.monotonic() - began
        total = fake.summary()["by_model"][HAIKU]
        assert total["requests"] == total["delivered"] == len(usages) == 400
        assert total["cache_read"] == sum(u.cache_read_input_tokens for u in usages) == 399_000
        assert total["output_tokens"] == sum(u.output_tokens for u in usages)
        # 300/s and more when the machine is free; slower would be a 40 ms delayed ACK a call
        assert len(usages) / took > 100

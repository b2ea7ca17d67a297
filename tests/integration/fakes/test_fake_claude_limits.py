"""The real SDK against the imitation: what it limits."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import anthropic
import pytest

from tests.fakes.claude import FakeClaude
from tests.integration.fakes.asking import HAIKU, LONG, SONNET, ask, cached, limited


class TestLimits:
    def test_are_said_with_each_answer(self, client: Any, fake: FakeClaude) -> None:
        fake.control(
            limits={"requests": 60, "input_tokens": 50_000, "output_tokens": 9000},
            script=[{"text": "x" * 40_000}],
        )
        said = client.messages.with_raw_response.create(
            model=HAIKU, max_tokens=2600, messages=[{"role": "user", "content": "y" * 60_000}]
        ).headers
        prefix = "anthropic-ratelimit-"
        assert {k.removeprefix(prefix): v for k, v in said.items() if k.startswith(prefix)} == {
            "requests-limit": "60", "requests-remaining": "59",
            "requests-reset": said[f"{prefix}requests-reset"],
            "input-tokens-limit": "50000", "input-tokens-remaining": "35000",
            "input-tokens-reset": said[f"{prefix}input-tokens-reset"],
            "output-tokens-limit": "9000", "output-tokens-remaining": "6000",  # of 6400
            "output-tokens-reset": said[f"{prefix}output-tokens-reset"],
        }  # fmt: skip
        reset = time.strptime(said[f"{prefix}input-tokens-reset"], "%Y-%m-%dT%H:%M:%SZ")
        assert time.mktime(reset) > time.mktime(
            time.strptime(said[f"{prefix}requests-reset"], "%Y-%m-%dT%H:%M:%SZ")
        ), "15,000 of 50,000 tokens take longer than one of 60 requests"

    def test_requests_are_refused_until_one_is_allowed_again(
        self, client: Any, fake: FakeClaude
    ) -> None:
        fake.control(**limited(requests=3))
        for n in range(3):
            ask(client, f"{n}")
        with pytest.raises(anthropic.RateLimitError) as caught:
            ask(client)
        headers = caught.value.response.headers
        assert caught.value.type == "rate_limit_error"
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert 19 <= int(headers["retry-after"]) <= 20
        fake.control(advance_s=int(headers["retry-after"]))
        ask(client)
        with pytest.raises(anthropic.RateLimitError):
            ask(client)

    def test_are_of_one_model(self, client: Any, fake: FakeClaude) -> None:
        fake.control(**limited(), model_limits={HAIKU: {"requests": 1}})
        ask(client)
        with pytest.raises(anthropic.RateLimitError, match=HAIKU):
            ask(client)
        ask(client, model=SONNET)

    def test_input_that_is_read_from_the_cache_is_free(self, client: Any, fake: FakeClaude) -> None:
        fake.control(**limited(input_tokens=1010))
        for _ in range(5):
            ask(client, "1234", system=cached())
        with pytest.raises(anthropic.RateLimitError, match="1,010 input tokens per minute"):
            ask(client, system=LONG)

    def test_a_request_above_the_whole_limit_is_never_let_in(
        self, client: Any, fake: FakeClaude
    ) -> None:
        fake.control(**limited(input_tokens=500))
        for _ in range(2):
            with pytest.raises(anthropic.RateLimitError):
                ask(client, system=LONG)
            fake.control(advance_s=60)

    def test_output_counts_when_it_is_produced(self, client: Any, fake: FakeClaude) -> None:
        fake.control(**limited(output_tokens=60), script=[{"text": "x" * 400, "next": 2}])
        ask(client, max_tokens=100_000, timeout=10)  # 100 tokens: 40 in debt
        with pytest.raises(anthropic.RateLimitError, match="output tokens") as caught:
            ask(client)
        assert 40 <= int(caught.value.response.headers["retry-after"]) <= 41
        fake.control(advance_s=41)
        ask(client)

    def test_the_burst_is_a_share_of_the_minute(self, client: Any, fake: FakeClaude) -> None:
        fake.control(**limited(requests=40, burst=0.05))
        statuses = []
        for _ in range(5):
            try:
                ask(client)
                statuses.append(200)
            except anthropic.RateLimitError as error:
                statuses.append(error.status_code)
        assert statuses == [200, 200, 429, 429, 429]

    def test_refused_requests_cost_neither_money_nor_room(
        self, client: Any, fake: FakeClaude
    ) -> None:
        fake.control(**limited(requests=1))
        ask(client)
        for _ in range(5):
            with pytest.raises(anthropic.RateLimitError):
                ask(client)
        fake.control(advance_s=60)
        ask(client)
        assert Counter(row["status"] for row in fake.books()) == {200: 2, 429: 5}
        assert sum(row["nano_dollars"] > 0 for row in fake.books()) == 2

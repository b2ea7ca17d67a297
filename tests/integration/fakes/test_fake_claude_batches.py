"""The real SDK against the imitation: its batches."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.fakes.claude import FakeClaude
from tests.integration.fakes.asking import batch_of, ended


class TestBatches:
    def test_are_answered_later_in_no_order_at_half_the_price(
        self, client: Any, fake: FakeClaude
    ) -> None:
        fake.control(batch_delay_s=None)
        batches = client.messages.batches
        batch = batches.create(requests=batch_of(*(f"Question {n}" for n in range(20))))
        assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 20)
        assert (batch.results_url, batch.ended_at) == (None, None)
        with pytest.raises(anthropic.AnthropicError, match="Has it finished"):
            batches.results(batch.id)
        fake.control(finish_batches=True)
        batch = ended(client, batch.id)
        assert (batch.request_counts.succeeded, batch.request_counts.processing) == (20, 0)
        results = list(batches.results(batch.id))
        names = [result.custom_id for result in results]
        assert sorted(names) == sorted(f"q-{n}" for n in range(20)) != names
        assert all(r.result.message.id.startswith("msg_fake_") for r in results)
        assert results[0].result.message.usage.service_tier == "batch"
        items = [row for row in fake.books() if row["endpoint"] == "batch_item"]
        assert {row["delivered"] for row in items} == {True}
        third = next(row for row in items if row["custom_id"] == "q-3")
        single = third["input_tokens"] * 100 + third["output_tokens"] * 500
        assert third["nano_dollars"] == single // 2

    def test_bad_items_fail_alone(self, client: Any, fake: FakeClaude) -> None:
        requests = batch_of("good", "bad")
        requests[1]["params"]["max_tokens"] = -1
        batch = ended(client, client.messages.batches.create(requests=requests).id)
        assert (batch.request_counts.succeeded, batch.request_counts.errored) == (1, 1)
        (bad,) = [r for r in client.messages.batches.results(batch.id) if r.custom_id == "q-1"]
        assert bad.result.type == "errored"
        assert bad.result.error.error.type == "invalid_request_error"

    def test_items_can_be_made_to_fail(self, client: Any, fake: FakeClaude) -> None:
        fake.control(
            script=[{"on": "batch_item", "fault": "api_error"}, {"on": "batch_item", "text": "ok"}],
            batch_rates={"refusal": 1},
        )
        batch = client.messages.batches.create(requests=batch_of("a", "b", "c"))
        ended(client, batch.id)
        results = {r.custom_id: r.result for r in client.messages.batches.results(batch.id)}
        assert results["q-0"].error.error.type == "api_error"
        assert results["q-1"].message.content[0].text == "ok"
        assert results["q-2"].message.stop_reason == "refusal"

    def test_can_be_cancelled(self, client: Any, fake: FakeClaude) -> None:
        fake.control(batch_delay_s=None)
        batch = client.messages.batches.create(requests=batch_of("a", "b"))
        assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
        batch = ended(client, batch.id)
        assert batch.request_counts.canceled == 2
        assert batch.cancel_initiated_at
        assert {r.result.type for r in client.messages.batches.results(batch.id)} == {"canceled"}
        assert fake.summary()["total"]["nano_dollars"] == 0
        with pytest.raises(anthropic.BadRequestError, match="has ended"):
            client.messages.batches.cancel(batch.id)

    def test_can_expire(self, client: Any, fake: FakeClaude) -> None:
        fake.control(batch_delay_s=None)
        batch = client.messages.batches.create(requests=batch_of("a"))
        fake.control(expire_batches=True)
        assert ended(client, batch.id).request_counts.expired == 1

    def test_are_listed_page_by_page_and_deleted(self, client: Any) -> None:
        batches = client.messages.batches
        made = [batches.create(requests=batch_of("a")).id for _ in range(5)]
        listed = [batch.id for batch in batches.list(limit=2)]
        assert listed[:5] == made[::-1]
        for name in made:
            ended(client, name)
            assert batches.delete(name).id == name
        with pytest.raises(anthropic.NotFoundError):
            batches.retrieve(made[0])

    @pytest.mark.parametrize(
        ("requests", "says"),
        [
            ([], "requests: List should have at least 1 item"),
            (batch_of("a") * 2, "duplicate custom_id"),
            ([{"custom_id": "a b", "params": {}}], r"requests\.0\.custom_id"),
        ],
    )
    def test_wrong_batches_are_refused(self, client: Any, requests: Any, says: str) -> None:
        with pytest.raises(anthropic.BadRequestError, match=says):
            client.messages.batches.create(requests=requests)

    def test_requests_about_batches_can_fail(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"on": "batches", "fault": "overloaded"}])
        with pytest.raises(anthropic.OverloadedError):
            client.messages.batches.create(requests=batch_of("a"))
        client.messages.batches.create(requests=batch_of("a"))

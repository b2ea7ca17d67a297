"""The real SDK against the imitation: what it breaks."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

import anthropic
import pytest

from tests.fakes.claude import FakeClaude
from tests.integration.fakes.asking import Findings, ask, structured


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "error", "status", "kind"),
        [
            ("rate_limit", anthropic.RateLimitError, 429, "rate_limit_error"),
            ("overloaded", anthropic.OverloadedError, 529, "overloaded_error"),
            ("api_error", anthropic.InternalServerError, 500, "api_error"),
            ("unavailable", anthropic.ServiceUnavailableError, 503, "api_error"),
            ("timeout", anthropic.GatewayTimeoutError, 504, "timeout_error"),
        ],
    )
    def test_errors_of_the_service_for_as_many_requests_as_told(
        self, client: Any, fake: FakeClaude, fault: str, error: Any, status: int, kind: str
    ) -> None:
        fake.control(script=[{"next": 2, "fault": fault}], retry_after_s=7)
        for _ in range(2):
            with pytest.raises(error) as caught:
                ask(client)
            assert (caught.value.status_code, caught.value.type) == (status, kind)
            assert caught.value.request_id.startswith("req_fake_")
            if fault == "rate_limit":
                assert caught.value.response.headers["retry-after"] == "7"
        ask(client)
        rows = fake.books()
        assert [row["status"] for row in rows] == [status, status, 200]
        assert [row["fault"] for row in rows] == [fault, fault, None]
        assert [row["answered"] for row in rows] == [False, False, True]

    @pytest.mark.parametrize(
        ("fault", "paid"), [("closed", False), ("lost", True), ("cut_off", True)]
    )
    def test_broken_connections(
        self, client: Any, fake: FakeClaude, fault: str, paid: bool
    ) -> None:
        fake.control(script=[{"fault": fault}])
        with pytest.raises(anthropic.APIConnectionError):
            ask(client)
        (row,) = fake.books()
        assert (row["answered"], row["nano_dollars"] > 0, row["delivered"]) == (paid, paid, False)
        ask(client)
        assert fake.summary()["requests_asked_again"] == 0, "no answer had arrived"

    def test_an_answer_that_the_client_did_not_wait_for_is_paid(
        self, client: Any, fake: FakeClaude
    ) -> None:
        fake.control(slow_s=0.4, script=[{"fault": "slow"}])
        with pytest.raises(anthropic.APITimeoutError):
            ask(client, timeout=0.1)
        deadline = time.monotonic() + 5
        while not (row := fake.books()[0])["answered"]:
            assert time.monotonic() < deadline
        assert row["nano_dollars"] > 0
        assert not row["delivered"]

    @pytest.mark.parametrize("delay", [0.05, {"low": 0.05, "high": 0.06}, {"median": 0.5}])
    def test_answers_take_the_time_they_are_told(
        self, client: Any, fake: FakeClaude, delay: Any
    ) -> None:
        fake.control(latency_s=delay, seed=3)
        began = time.monotonic()
        ask(client)
        assert time.monotonic() - began >= 0.05

    def test_malformed_json(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"fault": "malformed"}])
        message = ask(client, max_tokens=4000, **structured(Findings))
        assert message.stop_reason == "end_turn"
        with pytest.raises(ValueError, match=r"line 1 column"):
            json.loads(message.content[0].text)
        assert fake.books()[0]["nano_dollars"] > 0

    def test_an_answer_outside_of_the_schema(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"fault": "off_schema"}])
        found = json.loads(ask(client, **structured(Findings)).content[0].text)
        with pytest.raises(ValueError, match="Field required"):
            Findings.model_validate(found)

    def test_a_refusal_is_empty_paid_and_an_answer(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"fault": "refusal"}])
        message = ask(client)
        assert (message.stop_reason, message.content) == ("refusal", [])
        assert message.stop_details.type == "refusal"
        (row,) = fake.books()
        assert (row["stop_reason"], row["nano_dollars"] > 0) == ("refusal", True)

    def test_chance_is_seeded(self, client: Any, fake: FakeClaude) -> None:
        def statuses() -> list[int]:
            rates = {"overloaded": 0.3, "api_error": 0.2}
            fake.control(rates=rates, seed=11, forget_books=True)
            for _ in range(60):
                with suppress(anthropic.InternalServerError, anthropic.OverloadedError):
                    ask(client)
            return [row["status"] for row in fake.books()]

        first, second = statuses(), statuses()
        assert first == second
        assert 8 < first.count(529) < 28
        assert 3 < first.count(500) < 22

    def test_a_script_goes_before_chance(self, client: Any, fake: FakeClaude) -> None:
        fake.control(rates={"overloaded": 1}, script=[{"next": 1}])
        ask(client)
        with pytest.raises(anthropic.OverloadedError):
            ask(client)

    @pytest.mark.parametrize("down", ["closed", "refused"])
    def test_the_whole_service_can_be_away_and_come_back(
        self, client: Any, fake: FakeClaude, down: str
    ) -> None:
        ask(client)  # a connection is kept alive
        for _ in range(2):
            fake.control(down=down)
            for connected in (client, fake.client()):
                with pytest.raises(anthropic.APIConnectionError) as caught:
                    ask(connected)
            refused = "refused" in repr(caught.value.__cause__)
            assert refused == (down == "refused")
            fake.control(down=None)
            ask(client)

    def test_the_service_can_say_that_it_is_unavailable(
        self, client: Any, fake: FakeClaude
    ) -> None:
        fake.control(down="unavailable")
        with pytest.raises(anthropic.ServiceUnavailableError):
            ask(client)
        with pytest.raises(anthropic.ServiceUnavailableError):
            client.messages.batches.list()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"rates": {"gremlins": 0.1}},
            {"rates": {"overloaded": 0.7, "closed": 0.7}},
            {"keys": []},
            {"nonsense": 1},
            {"limits": {"requests": 0}},
        ],
    )
    def test_refuses_wrong_settings_and_keeps_the_old(self, fake: FakeClaude, wrong: Any) -> None:
        before = fake.control()
        with pytest.raises(urllib.error.HTTPError) as caught:
            fake.control(**wrong)
        with caught.value as answer:
            assert answer.code == 400
            assert json.load(answer)["errors"]
        assert fake.control() == before

    def test_obeys_no_page_of_a_browser(self, fake: FakeClaude) -> None:
        request = urllib.request.Request(
            f"{fake.control_url}/_books", headers={"host": "evil.example"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        with caught.value as answer:
            assert answer.code == 403

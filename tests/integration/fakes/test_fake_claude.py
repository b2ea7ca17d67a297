"""The real SDK against the imitation: what it refuses, limits, breaks and books."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import anthropic
import pytest
from pydantic import BaseModel, Field

from tests.fakes.claude import KEY, FakeClaude, fake_claude

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
LONG = "You read headlines. " * 200  # 1000 tokens


def ask(client: Any, text: str = "What is new?", **more: Any) -> Any:
    asked = {"model": HAIKU, "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    return client.messages.create(**(asked | more))


def cached(text: str = LONG, **control: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"} | control}]


def post(fake: FakeClaude, body: bytes, **headers: str) -> tuple[int, dict[str, Any], Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{fake.base_url}/v1/messages"
    request = urllib.request.Request(url, data=body, headers=sent, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


GOOD = json.dumps(
    {"model": HAIKU, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
).encode()
VERSION = "2026-10-21"


class TestWhatItChecks:
    def test_answers_a_good_request_and_says_that_the_answer_is_made_up(self, client: Any) -> None:
        message = ask(client, model=SONNET)
        assert message.id.startswith("msg_fake_")
        assert (message.model, message.role, message.type) == (SONNET, "assistant", "message")
        assert message.stop_reason == "end_turn"
        assert message.content[0].text
        assert message._request_id.startswith("req_fake_")

    @pytest.mark.parametrize("header", [{"authorization": f"Bearer {KEY}"}, {"x_api_key": KEY}])
    def test_takes_the_key_in_either_header(self, fake: FakeClaude, header: Any) -> None:
        status, body, _ = post(fake, GOOD, anthropic_version=VERSION, **header)
        assert (status, body["type"]) == (200, "message")

    def test_refuses_a_wrong_key(self, fake: FakeClaude) -> None:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            ask(fake.client(api_key="wrong"))
        assert caught.value.type == "authentication_error"

    def test_refuses_no_key(self, fake: FakeClaude) -> None:
        status, body, headers = post(fake, GOOD, anthropic_version=VERSION)
        assert status == 401
        assert body == {
            "type": "error",
            "error": {"type": "authentication_error", "message": "x-api-key header is required"},
            "request_id": headers["request-id"],
        }

    @pytest.mark.parametrize("version", [{}, {"anthropic_version": "1999-01-01"}])
    def test_refuses_a_missing_or_wrong_version(self, fake: FakeClaude, version: Any) -> None:
        status, body, _ = post(fake, GOOD, x_api_key=KEY, **version)
        assert (status, body["error"]["type"]) == (400, "invalid_request_error")
        assert "anthropic-version" in body["error"]["message"]

    def test_refuses_what_is_not_json(self, fake: FakeClaude) -> None:
        status, body, _ = post(fake, b"{", x_api_key=KEY, anthropic_version=VERSION)
        assert (status, body["error"]["type"]) == (400, "invalid_request_error")

    def test_does_not_know_every_model(self, client: Any) -> None:
        with pytest.raises(anthropic.NotFoundError, match="model: claude-none"):
            ask(client, model="claude-none")

    def test_does_not_know_every_path(self, client: Any) -> None:
        with pytest.raises(anthropic.NotFoundError):
            client.models.list()

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"max_tokens": 0}, "max_tokens: Input should be greater than 0"),
            ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
            ({"extra_body": {"temperature": 0.5}}, "temperature: Extra inputs are not permitted"),
            ({"extra_body": {"top_p": 0.5}}, "top_p: Extra inputs are not permitted"),
            ({"extra_body": {"top_k": 5}}, "top_k: Extra inputs are not permitted"),
            ({"extra_body": {"sytem": "x"}}, "sytem: Extra inputs are not permitted"),
            ({"messages": []}, "messages: List should have at least 1 item"),
            ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role: Input should be"),
            ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
            ({"messages": [{"role": "user", "content": ""}]}, "messages.0.content"),
            ({"messages": [{"role": "assistant", "content": "x"}]}, 'must use the "user" role'),
            (
                {"messages": [{"role": r, "content": "x"} for r in ("user", "assistant")]},
                "does not support assistant message prefill",
            ),
            ({"extra_body": {"stream": True}}, "stream"),
            ({"tools": []}, "tools: known to the API, but not imitated"),
            ({"system": cached() * 5}, "A maximum of 4 blocks with cache_control"),
            ({"system": cached() + cached(ttl="1h")}, "must not come after"),
            ({"system": cached(ttl="2h")}, "ttl: Input should be '5m' or '1h'"),
            ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be"),
            (
                {"thinking": {"type": "enabled", "budget_tokens": 2000}},
                "`max_tokens` must be greater than `thinking.budget_tokens`",
            ),
        ],
    )
    def test_refuses_a_wrong_request_in_the_words_of_the_api(
        self, client: Any, fake: FakeClaude, wrong: Any, says: str
    ) -> None:
        with pytest.raises(anthropic.BadRequestError) as caught:
            ask(client, **wrong)
        assert caught.value.type == "invalid_request_error"
        assert says in str(caught.value.api_message)
        (row,) = fake.books()
        assert (row["status"], row["nano_dollars"]) == (400, 0)

    def test_refuses_no_max_tokens(self, client: Any) -> None:
        with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
            ask(client, max_tokens=anthropic.omit)

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "number", "minimum": 0},
            {"type": "object", "properties": {}},
            {"type": "array", "items": {"type": "string"}, "minItems": 2},
            {"type": "string", "format": "colour"},
            {"type": "array", "items": {"type": "string", "maxLength": 3}},
        ],
    )
    def test_refuses_schemas_that_structured_output_does_not_know(
        self, client: Any, fake: FakeClaude, schema: Any
    ) -> None:
        asked = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
        with pytest.raises(anthropic.BadRequestError, match=r"output_config\.format\.schema"):
            ask(client, **asked)
        fake.control(strict_schema=False)
        assert ask(client, **asked).stop_reason == "end_turn"


class Finding(BaseModel):
    name: str = Field(min_length=12, max_length=14)
    kind: Literal["earnings", "product"]
    score: float = Field(ge=-1, le=-0.5)
    share: float = Field(gt=0, lt=1)
    count: int = Field(ge=3, le=4)
    note: str | None
    parts: list[Finding] = Field(max_length=2)


class Findings(BaseModel):
    findings: list[Finding] = Field(min_length=2, max_length=5)
    total: int = Field(ge=1)


def structured(model: type[BaseModel]) -> dict[str, Any]:
    schema = anthropic.transform_schema(model)
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


class TestAnswers:
    def test_follow_the_schema_and_the_bounds_in_its_descriptions(self, client: Any) -> None:
        texts = [
            ask(client, f"Question {n}", max_tokens=4000, **structured(Findings)).content[0].text
            for n in range(30)
        ]
        found = [Findings.model_validate_json(text) for text in texts]
        assert len({f.total for f in found}) > 5, "made from the prompt"

    def test_are_parsed_by_the_sdk(self, client: Any) -> None:
        message = client.messages.parse(
            model=HAIKU, max_tokens=4000, output_format=Findings,
            messages=[{"role": "user", "content": "Go"}],
        )  # fmt: skip
        assert message.parsed_output.total >= 1

    def test_are_the_same_for_the_same_question(self, client: Any) -> None:
        first, second = (ask(client, **structured(Findings), max_tokens=4000) for _ in range(2))
        assert first.content[0].text == second.content[0].text

    def test_may_come_from_a_function_of_ones_own(self) -> None:
        with fake_claude(answer="tests.fakes.claude_answers:shout") as fake:
            client = fake.client()
            assert ask(client, "hello").content[0].text == "HELLO"
            with pytest.raises(anthropic.InternalServerError, match="as asked"):
                ask(client, "fail")
            assert fake.summary()["total"]["answered"] == 1

    def test_may_be_written_beforehand(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"text": "one", "model": HAIKU}, {"text": "two"}])
        assert [ask(client).content[0].text for _ in range(2)] == ["one", "two"]
        assert ask(client).content[0].text not in ("one", "two")

    def test_end_at_max_tokens(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"text": "a" * 100}])
        message = ask(client, max_tokens=10)
        assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 10)
        assert message.content[0].text == "a" * 40

    def test_end_at_a_stop_sequence(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"text": "one STOP two END"}])
        message = ask(client, stop_sequences=["END", "STOP"])
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "STOP")
        assert message.content[0].text == "one "

    def test_bill_the_thinking(self, client: Any, fake: FakeClaude) -> None:
        fake.control(thinking_tokens=50, script=[{"text": "abcd", "next": 2}])
        usage = ask(client, thinking={"type": "adaptive"}).usage
        assert (usage.output_tokens, usage.output_tokens_details.thinking_tokens) == (51, 50)
        assert ask(client).usage.output_tokens == 1


class TestTokens:
    def test_are_bytes_by_four(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"text": "é" * 5}])  # ten bytes
        usage = ask(client, "123456789").usage
        assert (usage.input_tokens, usage.output_tokens) == (3, 3)

    def test_are_counted_as_they_are_billed(self, client: Any, fake: FakeClaude) -> None:
        asked = {"model": SONNET, "messages": [{"role": "user", "content": "x" * 99}],
                 "system": LONG, **structured(Findings)}  # fmt: skip
        counted = client.messages.count_tokens(**asked)
        usage = client.messages.create(**asked, max_tokens=1).usage
        assert counted.input_tokens == usage.input_tokens > 1000
        assert [row["nano_dollars"] > 0 for row in fake.books()] == [False, True]

    def test_are_checked_before_they_are_counted(self, client: Any) -> None:
        with pytest.raises(anthropic.BadRequestError, match="messages"):
            client.messages.count_tokens(model=HAIKU, messages=[])


def kinds(usage: Any) -> tuple[int, int, int, int]:
    created = usage.cache_creation
    assert usage.cache_creation_input_tokens == (
        created.ephemeral_5m_input_tokens + created.ephemeral_1h_input_tokens
    )
    return (
        usage.input_tokens,
        created.ephemeral_5m_input_tokens,
        created.ephemeral_1h_input_tokens,
        usage.cache_read_input_tokens,
    )


class TestCache:
    def test_writes_once_then_reads(self, client: Any) -> None:
        assert kinds(ask(client, "1234", system=cached()).usage) == (1, 1000, 0, 0)
        assert kinds(ask(client, "5678", system=cached()).usage) == (1, 0, 0, 1000)

    def test_does_nothing_without_a_mark_or_below_the_minimum(
        self, client: Any, fake: FakeClaude
    ) -> None:
        for system in (LONG, cached("x" * 4 * 511)):
            for _ in range(2):
                assert kinds(ask(client, system=system).usage)[1:] == (0, 0, 0)
        assert kinds(ask(client, system=cached("x" * 4 * 512)).usage)[1:] == (512, 0, 0)
        fake.control(model_cache_min_tokens={HAIKU: 2000})
        assert kinds(ask(client, system=cached(LONG + "more")).usage)[1:] == (0, 0, 0)

    def test_forgets_after_five_minutes_but_each_use_renews(
        self, client: Any, fake: FakeClaude
    ) -> None:
        for wait, read in ((0, 0), (200, 1000), (200, 1000), (301, 0)):
            fake.control(advance_s=wait)
            assert kinds(ask(client, system=cached()).usage)[3] == read

    def test_forgets_after_an_hour_when_that_was_paid(self, client: Any, fake: FakeClaude) -> None:
        assert kinds(ask(client, system=cached(ttl="1h")).usage)[1:] == (0, 1000, 0)
        for wait, read in ((3500, 1000), (3601, 0)):
            fake.control(advance_s=wait)
            assert kinds(ask(client, system=cached(ttl="1h")).usage)[3] == read

    def test_is_of_one_model_and_one_schema(self, client: Any) -> None:
        ask(client, system=cached())
        assert kinds(ask(client, system=cached(), model=SONNET).usage)[3] == 0
        assert kinds(ask(client, system=cached(), **structured(Findings)).usage)[3] == 0
        assert kinds(ask(client, system=cached(), **structured(Findings)).usage)[3] == 1000

    def test_knows_the_longest_prefix(self, client: Any) -> None:
        ask(client, system=cached(ttl="1h"))
        both = cached(ttl="1h") + cached("y" * 400)
        assert kinds(ask(client, "1234", system=both).usage) == (1, 100, 0, 1000)
        assert kinds(ask(client, "1234", system=both).usage) == (1, 0, 0, 1100)
        other = cached(ttl="1h") + cached("z" * 400)
        assert kinds(ask(client, "1234", system=other).usage) == (1, 100, 0, 1000)

    def test_may_be_asked_for_the_whole_request(self, client: Any) -> None:
        asked = {"system": LONG, "cache_control": {"type": "ephemeral"}}
        assert kinds(ask(client, "1234", **asked).usage) == (0, 1001, 0, 0)
        assert kinds(ask(client, "1234", **asked).usage) == (0, 0, 0, 1001)

    def test_is_not_written_by_a_request_that_failed(self, client: Any, fake: FakeClaude) -> None:
        fake.control(script=[{"fault": "overloaded"}])
        with pytest.raises(anthropic.OverloadedError):
            ask(client, system=cached())
        assert kinds(ask(client, system=cached()).usage)[1:] == (1000, 0, 0)


def limited(**limits: Any) -> dict[str, Any]:
    none = {"requests": None, "input_tokens": None, "output_tokens": None}
    return {"limits": none | limits, "remaining_rounded_to": 1}


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


def batch_of(*texts: str, **more: Any) -> list[Any]:
    return [
        {
            "custom_id": f"q-{n}",
            "params": {
                "model": HAIKU, "max_tokens": 50, "messages": [{"role": "user", "content": text}],
            } | more,
        }
        for n, text in enumerate(texts)
    ]  # fmt: skip


def ended(client: Any, name: str) -> Any:
    deadline = time.monotonic() + 5
    while (batch := client.messages.batches.retrieve(name)).processing_status != "ended":
        assert time.monotonic() < deadline
    return batch


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


def test_it_ends_with_whoever_started_it() -> None:
    with fake_claude() as fake:
        process = fake._process
        assert process.stdin
        process.stdin.close()
        assert process.wait(10) == 0


def test_it_says_what_is_wrong_with_its_configuration() -> None:
    with pytest.raises(RuntimeError, match="exit code 2"), fake_claude(nonsense=1):
        pass

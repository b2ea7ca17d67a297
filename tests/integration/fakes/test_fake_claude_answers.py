"""The real SDK against the imitation: what it refuses, and what it answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import anthropic
import pytest

from tests.fakes.claude import KEY, FakeClaude, fake_claude
from tests.integration.fakes.asking import HAIKU, SONNET, Findings, ask, cached, structured


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

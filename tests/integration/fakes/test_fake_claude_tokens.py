"""The real SDK against the imitation: how it counts tokens, and what it caches."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.fakes.claude import FakeClaude
from tests.integration.fakes.asking import HAIKU, LONG, SONNET, Findings, ask, cached, structured


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

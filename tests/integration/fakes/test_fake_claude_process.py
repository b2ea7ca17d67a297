"""The imitation as a process: how it ends, and what it does not start with."""

from __future__ import annotations

import pytest

from tests.fakes.claude import fake_claude


def test_it_ends_with_whoever_started_it() -> None:
    with fake_claude() as fake:
        process = fake._process
        assert process.stdin
        process.stdin.close()
        assert process.wait(10) == 0


def test_it_says_what_is_wrong_with_its_configuration() -> None:
    with pytest.raises(RuntimeError, match="exit code 2"), fake_claude(nonsense=1):
        pass

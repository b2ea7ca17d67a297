from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.claude import FakeClaude, fake_claude


@pytest.fixture(scope="session")
def _running() -> Iterator[FakeClaude]:
    with fake_claude() as fake:
        yield fake


@pytest.fixture
def fake(_running: FakeClaude) -> FakeClaude:
    """The imitation, as if just started."""
    _running.reset()
    return _running


@pytest.fixture(scope="session")
def _client(_running: FakeClaude) -> Iterator[Any]:
    with _running.client() as client:  # it takes 50 ms to make one
        yield client


@pytest.fixture
def client(fake: FakeClaude, _client: Any) -> Any:
    return _client

"""From when headlines are fetched: no run may leave any out that the next one will not fetch."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from axiom.flow import Context
from axiom.pipelines.events import fetch_headlines
from axiom.stores.artifacts import MemoryArtifacts

NOW = datetime(2026, 1, 5, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("previous", "hours", "since"),
    [
        (NOW - 3 * HOUR, None, NOW - 3 * HOUR),
        (NOW - 3 * HOUR, 1.0, NOW - 3 * HOUR),  # what lies between would be lost
        (NOW - 3 * HOUR, 24.0, NOW - 24 * HOUR),
        (None, 1.0, None),  # none ended well yet: all that there is
    ],
)
def test_a_run_that_is_told_hours_looks_back_further_and_never_less(
    previous: datetime | None, hours: float | None, since: datetime | None
) -> None:
    asked: list[datetime | None] = []

    def fetch(since: datetime | None, logical_at: datetime) -> list[Any]:
        asked.append(since)
        return []

    services = SimpleNamespace(
        history=SimpleNamespace(previous=lambda pipeline, at: previous),
        headlines=SimpleNamespace(fetch_headlines=fetch),
    )
    params = {"hours": hours} if hours else {}
    fetch_headlines(
        Context("run", "events", NOW, services, MemoryArtifacts(), params=params)  # type: ignore[arg-type]
    )
    assert asked == [since]

"""Of which slot a good run is due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from axiom.config import load_settings
from axiom.ledger.slots import parse_slots
from axiom.tasks.alerting.snapshot import due


@pytest.mark.parametrize(
    ("spec", "by", "slots", "expected"),
    [
        ("every 1m", "2026-01-05T15:00:30", 1, "2026-01-05T15:00"),
        ("every 1m", "2026-01-05T15:00:30", 2, "2026-01-05T14:59"),
        ("every 1h", "2026-01-05T15:00:00", 2, "2026-01-05T14:00"),
        ("0 9 * * mon-fri", "2026-01-05T08:00:00", 2, "2026-01-01T09:00"),  # over a week-end
    ],
)
def test_a_good_run_is_due_of_the_slot_that_is_as_many_back_as_may_be_missed(
    spec: str, by: str, slots: int, expected: str
) -> None:
    at = datetime.fromisoformat(by).replace(tzinfo=UTC)
    found = due(parse_slots(spec), at, load_settings(alert_stale_slots=slots))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)

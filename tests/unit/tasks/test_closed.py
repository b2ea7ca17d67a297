"""The end of the replay pauses what runs by its schedule, and nothing that a person asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from axiom.errors import ReplayEnded
from axiom.model import PIPELINES, SkipCode
from axiom.tasks import base

AT = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(("pauses", "paused"), [(True, list(PIPELINES)), (False, [])])
def test_only_a_scheduled_run_pauses_at_the_end_of_the_replay(
    monkeypatch: pytest.MonkeyPatch, pauses: bool, paused: list[str]
) -> None:
    def ended(_: datetime) -> None:
        raise ReplayEnded("over")

    asked: list[str] = []
    ledger = SimpleNamespace(pause=lambda name, **_: asked.append(name))
    fake = SimpleNamespace(market=SimpleNamespace(closed_reason=ended), ledger=ledger)
    monkeypatch.setattr(base, "services", lambda: fake)
    assert base._closed("events", AT, pauses, pauses=pauses) == ((SkipCode.ENDED, "over"))
    assert asked == paused

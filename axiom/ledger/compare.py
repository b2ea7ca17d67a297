"""What differs between two runs, for the console and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axiom.ledger.history import Side

Section = tuple[str, list[tuple[str, Any, Any]]]


def differences(a: Side, b: Side) -> list[Section]:
    """Pair what two runs were made of, by heading; equal values too."""

    def pairs(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
        found = [(key, one.get(key), other.get(key)) for key in sorted({*one, *other})]
        return sorted(found, key=lambda each: each[1] == each[2])  # what differs comes first

    def seconds(side: Side) -> dict[str, str]:
        return {
            step.name: f"{(step.ended_at - step.started_at).total_seconds():.2f} s"
            for step in side.steps.values()
            if step.ended_at and step.started_at
        }

    def counts(side: Side) -> dict[str, str]:
        return {
            step.name: ", ".join(f"{n} {state}" for state, n in sorted(step.counts.items()))
            for step in side.steps.values()
        }

    return [
        ("The run", pairs(_of_run(a), _of_run(b))),
        ("Parameters", pairs(a.run.params, b.run.params)),
        ("Prompts", [(each, each in a.prompts, each in b.prompts)
                     for each in sorted({*a.prompts, *b.prompts})]),
        ("Steps", pairs(counts(a), counts(b))),
        ("Durations", pairs(seconds(a), seconds(b))),
        ("What the steps returned", pairs(a.values, b.values)),
    ]  # fmt: skip


def _of_run(side: Side) -> dict[str, Any]:
    return {
        "state": side.run.state.value,
        "logical time": f"{side.run.logical_at:%Y-%m-%d %H:%M:%S}",
        "trigger": side.run.trigger,
        "engine": side.run.engine,
        "code version": side.code or "not kept",
        "duration": f"{side.run.duration_s:.2f} s" if side.run.duration_s else "not ended",
        "Claude calls": side.calls,
        "Claude dollars": f"{side.usd:.4f}",
        "items": len((side.run.plan or {}).get("items", ())),
    }

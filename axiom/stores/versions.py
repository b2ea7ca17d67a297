"""What a reading changes of what was recorded: pure, without a server.

A *claim* (an edge's `id`) has *versions*. One is recorded from `recorded_at`
until `recorded_to`, half-open, and holds the evidence as it then was. Versions
are added and ended, never changed in anything else and never deleted, so that
the graph as known at a moment stays what it was.

    superseded   the claim stands on other evidence: the next version takes over
    closed       it is no longer stated, or contradicted: `valid_to` says since when

A moment that is recorded late, after a later one, gets its place in between: what
was recorded later holds on from there. A moment recorded again changes nothing.
Moments are ISO 8601 texts in UTC, which sort as the times do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from axiom.model import EdgeType, content_hash

EVIDENCE = ("span", "confidence", "analyst", "prompt_hash")
NO_LONGER_STATED = "no longer stated"
CONTRADICTED = "contradicted"
ONE_AT_A_TIME = frozenset({EdgeType.HEADQUARTERED_IN})  # of these a company has one


@dataclass(frozen=True, slots=True)
class Version:
    """A claim and its evidence, from `recorded_at` until `recorded_to` (None: still)."""

    id: str
    type: EdgeType
    head: str
    tail: str
    source: str
    valid_from: str
    recorded_at: str
    evidence: Mapping[str, Any]
    recorded_to: str | None = None
    valid_to: str | None = None
    ended_because: str | None = None

    @property
    def key(self) -> str:
        """Name this version: its type and head lead to it without a search."""
        return f"{self.type}|{self.head}|{content_hash(self.id, self.recorded_at)[:16]}"

    def known_at(self, at: str) -> bool:
        """Whether it was in the graph at that moment."""
        return self.recorded_at <= at and (self.recorded_to is None or self.recorded_to > at)


@dataclass(slots=True)
class Changes:
    """Versions to add, and versions to end as given."""

    added: list[Version] = field(default_factory=list)
    ended: list[Version] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a reading speaks of: claims of these sources, each until it was read next."""

    at: str
    valid_at: str  # since when a claim that is gone no longer holds in the world
    until: Callable[[Version], str | None]
    covers: Callable[[Version], bool]
    same: Callable[[Version, Version], bool]


def moment(at: datetime) -> str:
    """Write a moment so that texts sort as times do."""
    return at.astimezone(UTC).isoformat()


def same_evidence(a: Version, b: Version) -> bool:
    """Whether two versions rest on the same evidence."""
    return all(a.evidence.get(name) == b.evidence.get(name) for name in EVIDENCE)


def compute_changes(found: Iterable[Version], stated: Sequence[Version], scope: Scope) -> Changes:
    """Return what to write, given all versions of the claims that may be touched."""
    by_id: dict[str, list[Version]] = {}
    for version in sorted(found, key=lambda version: version.recorded_at):
        by_id.setdefault(version.id, []).append(version)
    known = {id: now for id, each in by_id.items() if (now := _at(each, scope.at))}
    places = _places(known.values())
    changes, new_places = Changes(), dict[tuple[str, str], Version]()
    for version in stated:
        before = len(changes.added)
        rivalled = any(_disagree(version, each) for each in places.get(_place(version), ()))
        _state(by_id.get(version.id, []), version, scope, changes, rivalled)
        if len(changes.added) > before and version.type in ONE_AT_A_TIME:
            new_places[_place(version)] = version
    said = {version.id for version in stated}
    for current in (each for id, each in known.items() if id not in said):
        rival = new_places.get(_place(current))
        if scope.covers(current):
            _close(current, scope, NO_LONGER_STATED, scope.until(current), changes)
        elif rival and _disagree(rival, current):
            _close(current, scope, f"{CONTRADICTED} by {rival.key}", None, changes)
    return changes


def _place(version: Version) -> tuple[str, str]:
    return version.type, version.head


def _places(known: Iterable[Version]) -> dict[tuple[str, str], list[Version]]:
    found: dict[tuple[str, str], list[Version]] = {}
    for version in known:
        if version.type in ONE_AT_A_TIME:
            found.setdefault(_place(version), []).append(version)
    return found


def _disagree(a: Version, b: Version) -> bool:
    return a.tail != b.tail and a.source != b.source


def _at(versions: Sequence[Version], at: str) -> Version | None:
    return next((version for version in reversed(versions) if version.known_at(at)), None)


def _state(
    versions: Sequence[Version], stated: Version, scope: Scope, changes: Changes, rivalled: bool
) -> None:
    current = _at(versions, scope.at)
    until = scope.until(stated)
    if current is None:
        before = [version for version in versions if version.recorded_at <= scope.at]
        if rivalled and before and _lost(before[-1], stated):
            return  # it says again what was contradicted, and nothing new
        changes.added.append(replace(stated, recorded_to=_next(versions, scope.at, until)))
    elif current.recorded_at != scope.at and not scope.same(current, stated):
        ends = _supersede(current, scope.at, until, changes)
        changes.added.append(replace(stated, valid_from=current.valid_from, recorded_to=ends))


def _lost(last: Version, stated: Version) -> bool:
    return (last.ended_because or "").startswith(CONTRADICTED) and same_evidence(last, stated)


def _next(versions: Sequence[Version], at: str, until: str | None) -> str | None:
    later = [version.recorded_at for version in versions if version.recorded_at > at]
    return min([*later, *([until] if until else [])], default=None)


def _supersede(current: Version, at: str, until: str | None, changes: Changes) -> str | None:
    """End the current version; return when the one that takes over ends."""
    ends = _rest(current, until, changes)
    changes.ended.append(replace(current, recorded_to=at, valid_to=None, ended_because=None))
    return ends


def _close(current: Version, scope: Scope, why: str, until: str | None, changes: Changes) -> None:
    if current.recorded_at == scope.at:
        return  # recorded at this very moment: it stays what it was
    _rest(current, until, changes)
    changes.ended.append(
        replace(current, recorded_to=scope.at, valid_to=scope.valid_at, ended_because=why)
    )


def _rest(current: Version, until: str | None, changes: Changes) -> str | None:
    """Keep what a later reading said: from `until` on the version holds again."""
    if until and (current.recorded_to is None or current.recorded_to > until):
        changes.added.append(replace(current, recorded_at=until))
        return until
    return current.recorded_to

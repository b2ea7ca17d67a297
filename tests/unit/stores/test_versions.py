"""What a reading changes, without a server: a model keeps what each run knew."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.model import EdgeType
from axiom.stores.versions import (
    CONTRADICTED,
    NO_LONGER_STATED,
    Changes,
    Scope,
    Version,
    compute_changes,
    same_evidence,
)


def moment(n: int) -> str:
    return f"2026-01-01T{n:02}:00:00+00:00"


def claim(name: str, at: str, span: str = "s", source: str = "p") -> Version:
    evidence = {"span": span, "confidence": 0.9, "analyst": "local", "prompt_hash": "h"}
    return Version(name, EdgeType.MAKES, "A", name, source, f"2014{at[4:]}", at, evidence)


def country(name: str, at: str, source: str) -> Version:
    return replace(
        claim(f"{name}-{source}", at, source=source), type=EdgeType.HEADQUARTERED_IN, tail=name
    )


def scope(at: str, sources: Iterable[str] = ("p",), until: str | None = None) -> Scope:
    read = set(sources)
    return Scope(
        at, f"2014{at[4:]}", lambda v: until if v.source in read else None,
        lambda v: v.source in read, same_evidence,
    )  # fmt: skip


class Rows:
    """What a store would hold; it does only what a store can do: add, and end."""

    def __init__(self) -> None:
        self.by_key: dict[str, Version] = {}

    def read(self, at: str, stated: list[Version], **given: object) -> Changes:
        changes = compute_changes(self.by_key.values(), stated, scope(at, **given))  # type: ignore[arg-type]
        for version in changes.ended:
            before = self.by_key[version.key]
            same = replace(
                version, recorded_to=before.recorded_to, valid_to=before.valid_to,
                ended_because=before.ended_because,
            )  # fmt: skip
            assert same == before
            self.by_key[version.key] = version
        for version in changes.added:
            assert version.key not in self.by_key
            self.by_key[version.key] = version
        return changes

    def known(self, at: str) -> dict[str, object]:
        found = [version for version in self.by_key.values() if version.known_at(at)]
        assert len({version.id for version in found}) == len(found)
        return {version.id: version.evidence["span"] for version in found}


def test_a_claim_that_is_stated_again_is_one_version() -> None:
    rows = Rows()
    for n in range(3):
        rows.read(moment(n), [claim("x", moment(n))])
    assert [v.recorded_at for v in rows.by_key.values()] == [moment(0)]


def test_other_evidence_is_another_version_of_the_same_claim_since_the_same_day() -> None:
    rows = Rows()
    rows.read(moment(0), [claim("x", moment(0))])
    rows.read(moment(1), [claim("x", moment(1), span="other")])
    old, new = rows.by_key.values()
    assert (old.recorded_to, old.valid_to) == (moment(1), None)
    assert (new.recorded_at, new.recorded_to, new.valid_from) == (moment(1), None, old.valid_from)


def test_what_is_no_longer_stated_is_closed_with_the_reason() -> None:
    rows = Rows()
    rows.read(moment(0), [claim("x", moment(0))])
    rows.read(moment(1), [])
    [old] = rows.by_key.values()
    assert (old.recorded_to, old.valid_to) == (moment(1), f"2014{moment(1)[4:]}")
    assert old.ended_because == NO_LONGER_STATED


def test_what_another_source_states_is_left_alone() -> None:
    rows = Rows()
    rows.read(moment(0), [claim("x", moment(0))])
    rows.read(moment(1), [], sources=["q"])
    assert rows.known(moment(1)) == {"x": "s"}


def test_another_country_closes_the_first_and_is_named_as_the_reason() -> None:
    rows = Rows()
    rows.read(moment(0), [country("us", moment(0), "p")])
    rows.read(moment(1), [country("ie", moment(1), "q")], sources=["q"])
    us, ie = rows.by_key.values()
    assert rows.known(moment(1)).keys() == {"ie-q"}
    assert us.ended_because == f"{CONTRADICTED} by {ie.key}"


def test_old_evidence_does_not_contradict_back() -> None:
    rows = Rows()
    rows.read(moment(0), [country("us", moment(0), "p")])
    rows.read(moment(1), [country("ie", moment(1), "q")], sources=["q"])
    assert rows.read(moment(2), [country("us", moment(2), "p")]) == Changes()
    renewed = replace(country("us", moment(3), "p"), evidence={"span": "moved back"})
    rows.read(moment(3), [renewed])
    assert rows.known(moment(3)).keys() == {"us-p"}


def test_once_its_rival_is_gone_the_old_evidence_counts_again() -> None:
    rows = Rows()
    rows.read(moment(0), [country("us", moment(0), "p")])
    rows.read(moment(1), [country("ie", moment(1), "q")], sources=["q"])
    rows.read(moment(2), [], sources=["q"])
    rows.read(moment(3), [country("us", moment(3), "p")])
    assert rows.known(moment(3)).keys() == {"us-p"}


Profile = st.dictionaries(st.sampled_from("vwxyz"), st.sampled_from(["s", "t"]), max_size=5)


@settings(max_examples=200, deadline=None)
@given(st.lists(Profile, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_runs_in_any_order_and_run_twice_give_back_each_run(
    profiles: list[dict[str, str]], chance: object
) -> None:
    """As-of N is what run N read, whatever ran before, after, or again."""
    rows, done = Rows(), list[int]()
    order = list(range(len(profiles)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    for n in order:
        until = min((m for m in done if m > n), default=None)
        stated = [claim(name, moment(n), span) for name, span in profiles[n].items()]
        told = {"until": moment(until) if until is not None else None}
        rows.read(moment(n), stated, **told)
        assert rows.read(moment(n), stated, **told) == Changes()
        done.append(n)
        for m in done:
            assert rows.known(moment(m)) == profiles[m]

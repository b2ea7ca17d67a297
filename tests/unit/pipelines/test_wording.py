"""What headlines state in figures, and which of their words tell the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiom.pipelines.figures import amounts, close, slots, slots_odd
from axiom.pipelines.likeness import Reading, features, read, undressed, unmet
from axiom.pipelines.wording import forms_of_one, stem


def both(one: str, other: str) -> tuple[Reading, Reading]:
    return read(one), read(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("for $3.1 billion", "for $3.1bn"),
        ("by 25 basis points", "by a quarter point"),
        ("by 25 bps", "by 0.25 percent"),
        ("a 505p offer", "an offer of 505 pence"),
        ("output of 48,200t", "output of 48.2kt"),
        ("$120k", "$120,000"),
        ("14% higher", "14 pct higher"),
    ],
)
def test_one_amount_written_otherwise_is_the_same(one: str, other: str) -> None:
    [a], [b] = amounts(one), amounts(other)
    assert close(a, b)


@pytest.mark.parametrize(
    ("one", "other"),
    [("5% of sales", "6% of sales"), ("$3 billion", "$3 million"), ("$100", "100%")],
)
def test_other_amounts_are_not_close(one: str, other: str) -> None:
    [a], [b] = amounts(one), amounts(other)
    assert not close(a, b)


@pytest.mark.parametrize(
    ("one", "other", "odd"),
    [
        ("Q1 profit", "second-quarter profit", True),
        ("Q2 profit", "second-quarter profit", False),
        ("H1 sales", "first-half sales", False),
        ("Phase II trial", "phase 3 trial", True),
        ("FY26 growth", "growth in 2026", False),
        ("inflation in June", "inflation in July", True),
        ("Q1 profit", "profit", False),
    ],
)
def test_another_period_or_number_is_at_odds(one: str, other: str, odd: bool) -> None:
    assert slots_odd(frozenset(slots(one)), frozenset(slots(other))) == odd


@given(st.floats(0.01, 1e12), st.floats(0.01, 1e12))
def test_closeness_is_mutual_and_every_amount_is_close_to_itself(a: float, b: float) -> None:
    assert close(("%", a), ("%", a))
    assert close(("%", a), ("%", b)) == close(("%", b), ("%", a))


@given(st.text("abcdeings", min_size=1, max_size=12), st.text("abcdeings", min_size=1, max_size=12))
def test_forms_of_a_word_are_so_both_ways(one: str, other: str) -> None:
    assert forms_of_one(stem(one), stem(other)) == forms_of_one(stem(other), stem(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BP chair Helge Lund quits", "BP chairman Lund to step down"),
        ("Ørsted resumes work", "Orsted restarts work"),
        ("European Central Bank cuts rates", "ECB lowers rates"),
        ("Intel sells Altera to Silver Lake", "Silver Lake to buy Intel's Altera"),
    ],
)
def test_the_other_way_of_saying_it_leaves_no_name_unsaid(one: str, other: str) -> None:
    a, b = both(one, other)
    assert not unmet(a, b).names
    assert not unmet(b, a).words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TTF gas +8% on frost", "TTF gas -8% on thaw"),
        ("Pemberton orders drop 12%", "Pemberton orders rise 12%"),
    ],
)
def test_the_same_figure_up_and_down_is_at_odds(one: str, other: str) -> None:
    assert features(*both(one, other), 0.9)["moves_odd"]


def test_two_of_a_kind_are_two() -> None:
    assert features(*both("Blackmoor copper output grows", "Blackmoor zinc output grows"), 0.9)[
        "siblings"
    ]


@pytest.mark.parametrize(
    "told",
    ["UPDATE 2-Intel names CEO", "BREAKING: Intel names CEO", "Intel names CEO, shares jump 5%"],
)
def test_agency_marks_and_what_the_shares_did_are_left_out(told: str) -> None:
    assert undressed(told) == "Intel names CEO"

"""What an explanation may say, and what it may not."""

from __future__ import annotations

from datetime import date

import pytest

from axiom.analysts import local_explain
from axiom.analysts.claim_words import value_of
from axiom.analysts.claims import Facts, facts_of, find_problems
from axiom.model import Correlation
from axiom.pipelines.changes import Change
from tests.unit.analysts.explanations import MUTATIONS, clean_texts, mutated_texts

NOW = Correlation("AAPL", "MSFT", 60, "pearson", 58, 0.6213, 0.4302, 0.7598, 0.0004, 0.0121)
BEFORE = Correlation("AAPL", "MSFT", 60, "pearson", 60, -0.1049, -0.35, 0.1502, 0.4, 0.61)
NAMES = {"AAPL": ("Apple Inc.", "Apple"), "MSFT": ("Microsoft",), "META": ("Meta",),
         "NVDA": ("NVIDIA", "Nvidia Corporation"), "V": ("Visa",)}  # fmt: skip
FACTS = facts_of(Change("new", NOW, BEFORE), NAMES)


def said(text: str, facts: Facts = FACTS) -> list[str]:
    return find_problems(f"AAPL and MSFT: {text}", facts)


@pytest.mark.parametrize(
    "text",
    [
        "the correlation is now 0.62, with a 95% interval of 0.43 to 0.76 over 58 days.",
        "from -0.10 to 0.62 (q 0.012).",
        "about 0.6 now, and -0.1 before.",
        "from \u22120.10 to 0.62 \u2013 a change of sign.",
        "the 95% confidence interval runs from 0.43 to 0.76, and q = 0.012.",
        "the interval 0.43-0.76 and 0.43\u20130.76 are the same.",
        "correlated at 62%, before at -10 percent.",
        "over 60 days the coefficient was -0.105.",
        "a 60-day window, 58 daily returns.",
        "sixty days, of which fifty-eight trading days count.",
        "they move with one another. Their ties are stronger; Pearson's r was 0.621.",
        "Apple moves with Microsoft now.",
        "the two stocks may move together.",
        "AAPL's returns and MSFT's returns (AAPL/MSFT, AAPL-MSFT) agree.",
        "\uff10.\uff16\uff12 is now the coefficient.",
        "q-value 0.61 before, p-value 0.0004 now.",
    ],
)
def test_what_is_stored_may_be_said(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    "text",
    [
        # numbers that are not stored, or not as they are printed
        "0.63", "-0.62", "0.10", "+0.63", "0.7", "0.620", "0.629", "1", "0", "0.0", "100%", "63%",
        "63 percent", "62.2%", "60%", "58%", "-62%", "6.2", "62", "0,62", ".63", "00.62", "0.62.1",
        "-.63", "\u22120.62", "\u20130.62", "- 0.62", "--0.62", "+-0.62", "0.6213e0", "6e-1",
        # stored, but as something else
        "60 weeks", "58 million shares", "60 times", "60-fold", "60x", "60", "58 stocks",
        "0.62 days", "0.62 points", "0.62 percentage points", "62 percentage points",
        "62 basis points", "62bp", "0.62%", "q 0.62", "q of 0.62", "q = 0.43", "p = 0.61",
        "r = 0.012", "n = 0.62", "n = 61", "62%-points", "-60 days", "60.0 days", "0.62-fold",
        # in disguise
        "\u0660.\u0666\u0663", "\uff10.\uff16\uff13", "0\u200b.63", "x\u00b2", "\u00bd", "\u2460",
        "\u2166", "3/4", "2:1", "10:30", "1,250 days", "1\u00a0250 days", "1 250 days", "12,50",
        "S60 days", "s1xty days", "COVID-19", "r-0.62", "No. 1", "#1", "1) it", "1.2.3", "0x3E",
        "6 2", "0. 63", "0.6 2", "$0.62", "\u20ac5", "~0.62", "<0.62", "q < 0.05", "\u00b10.62",
        # as words
        "thirty days", "sixty weeks", "sixty", "sixty-one days", "sixty percent", "one", "zero",
        "zero point six two", "twice as close", "halved", "a third", "doubled", "tenfold",
        "sixtyfold", "a dozen days", "first", "a quarter", "sixtydays", "s i x t y days",
        "six ty days", "fifty sixty days", "hundred days", "sixty two days", "trente jours",
        "vierzig Tage", "\u4e09\u5341", "sixty\u00adone days",
        # dates and times
        "2020-03-12", "since March", "in march", "in 2020", "since 2020", "on Monday", "last week",
        "this year", "yesterday", "12.03.2020", "12/03/2020", "Q3", "in the 1990s", "May 12",
        "over Christmas", "weekly", "two years ago", "since Jan", "FY25",
        # names and tickers
        "like NVDA", "like nvda", "like Nvidia", "like nvidia corporation", "like Meta",
        "like visa", "Nvidia rose.", "like BRK.B", "like $AAPL", "the S&P", "the Dow",
        "in Europe", "Tesla fell", "The Fed acted", "Covid came", "AAPL.X", "like AAPLX",
        "APPLE rose", "tim Cook", "in GOOG", "A B", "like msFt",
        # no prose
        "see https://x.io", "www.x.io", "x.com", "[a](b)", "<b>", "{x}", "`rm`", "a*b", "a_b",
        "a\nb", "\u202eabc", "\U000e0041", "a\u0301", "\u0430pple", "DROP TABLE events;",
        "x" * 500,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    assert said(text) != []
    assert said(f"now 0.62, {text}") != []


def test_an_explanation_names_both_tickers() -> None:
    assert find_problems("AAPL moves with it.", FACTS) == ["it does not name MSFT"]
    assert find_problems("", FACTS) == ["it is empty"]


def test_dates_count_where_they_are_stored() -> None:
    known = Facts(FACTS.tickers, FACTS.fractions, FACTS.counts, dates=frozenset({date(2020, 3, 2)}))
    assert said("until 2020-03-02.", known) == []
    assert said("until 2020-03-03.", known) != []


def test_thousands_may_be_parted() -> None:
    long = Correlation("AAPL", "MSFT", 1250, "pearson", 1250, 0.5, 0.4, 0.6, 0.001, 0.01)
    facts = facts_of(Change("new", long, None))
    for text in ("1250 days", "1,250 days", "1\u00a0250 days", "1\u202f250 days"):
        assert said(text, facts) == []
    for text in ("1.250 days", "12,50 days", "1,2500 days", "125 days", "1'250 days"):
        assert said(text, facts) != []


def test_tickers_with_dots_and_of_one_letter_are_known() -> None:
    c = Correlation("BRK.B", "V", 60, "spearman", 60, 0.5, 0.4, 0.6, 0.001, 0.01)
    facts = facts_of(Change("new", c, None), NAMES)
    assert find_problems("BRK.B and V move together. Visa too.", facts) == []
    assert find_problems("BRK.A and V move together.", facts) != []


@pytest.mark.parametrize("kind", ["new", "lost", "moved"])
def test_the_template_says_only_what_is_stored(kind: str) -> None:
    change = Change(kind, NOW, BEFORE)
    assert find_problems(local_explain.explain(change).text, facts_of(change, NAMES)) == []


@pytest.mark.parametrize(
    ("phrase", "value"),
    [
        ("sixty", 60), ("sixty-five", 65), ("two hundred and fifty", 250), ("hundred", None),
        ("one thousand two hundred", 1200), ("fifty sixty", None), ("five six", None),
        ("twelve", 12), ("sixty twelve", None), ("zero", 0),
    ],
)  # fmt: skip
def test_words_have_a_value_or_are_in_doubt(phrase: str, value: int | None) -> None:
    assert value_of(phrase) == value


def test_at_most_two_of_a_hundred_true_explanations_are_refused() -> None:
    texts = clean_texts(500, seed=1)
    assert len({str(text) for text in texts}) == 500
    refused = [str(text) for text in texts if find_problems(str(text), text.facts)]
    assert len(refused) <= 10, refused


def test_every_one_of_a_thousand_false_explanations_is_caught() -> None:
    made = list(mutated_texts(1000, seed=2))
    assert {name for name, *_ in made} == {mutate.__name__ for mutate in MUTATIONS}
    missed = [
        (name, str(text), str(wrong))
        for name, text, wrong in made
        if not find_problems(str(wrong), wrong.facts)
    ]
    assert missed == []

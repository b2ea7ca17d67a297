"""Adjustment and gaps, against figures worked out by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from axiom.analytics.bars import (
    CLOSED,
    NOT_OBSERVED,
    Bar,
    adjust_bars,
    adjust_closes,
    compute_action,
    find_gaps,
)

MONDAY = date(2020, 8, 24)
DAY = timedelta(days=1)
AT = datetime(2020, 8, 24, tzinfo=UTC)
BAR = Bar(MONDAY, AT, AT + DAY, 400, 420, 390, 400, 1000, "USD", 2, 1, MONDAY)


def test_a_split_divides_the_prices_before_it_and_multiplies_the_volumes() -> None:
    split = compute_action("split", MONDAY + 7 * DAY, 4, None)
    [before, after] = adjust_bars([BAR, replace(BAR, known_on=MONDAY + 7 * DAY)], [split])
    assert (before.open, before.high, before.low, before.close, before.volume) == (
        100, 105, 97.5, 100, 4000,
    )  # fmt: skip
    assert after.close == 400  # stored after the split, a price is in the new shares already


def test_a_dividend_scales_by_what_it_takes_from_the_close_before_it() -> None:
    dividend = compute_action("dividend", MONDAY + DAY, 2.0, 400.0)
    [before, on] = adjust_bars([BAR, replace(BAR, day=MONDAY + DAY)], [dividend])
    assert before.close == pytest.approx(400 * (1 - 2 / 400))
    assert (before.volume, on.close, before.flagged) == (1000, 400, 1)


def test_actions_multiply_and_a_dividend_without_a_close_before_it_changes_nothing() -> None:
    split = compute_action("split", MONDAY + DAY, 2, None)
    dividend = compute_action("dividend", MONDAY + 2 * DAY, 1.0, 200.0)
    unknown = compute_action("dividend", MONDAY + 3 * DAY, 1.0, None)
    [bar] = adjust_bars([BAR], [split, dividend, unknown])
    assert bar.close == pytest.approx(400 / 2 * (1 - 1 / 200))


def test_a_holder_s_return_over_split_and_dividend_is_that_of_the_adjusted_closes() -> None:
    days = [MONDAY + n * DAY for n in range(3)]
    actions = [
        {"kind": "split", "ex_date": days[1], "amount": 4.0},
        {"kind": "dividend", "ex_date": days[2], "amount": 1.0},
    ]
    adjusted = adjust_closes(days, [400.0, 100.0, 99.0], days, actions)
    assert adjusted == pytest.approx([99.0, 99.0, 99.0])  # one share became four and paid one


def test_neighbouring_spans_without_a_bar_are_one_gap_with_its_reason() -> None:
    spans = [(AT + n * DAY, AT + (n + 1) * DAY) for n in range(6)]
    seen = {AT + DAY, AT + 4 * DAY}
    reasons = {AT + 6 * DAY: CLOSED}
    gaps = [(g.start_at, g.n, g.reason) for g in find_gaps(spans, seen, reasons, timedelta(0))]
    assert gaps == [
        (AT + DAY, 2, NOT_OBSERVED), (AT + 4 * DAY, 1, NOT_OBSERVED), (AT + 5 * DAY, 1, CLOSED),
    ]  # fmt: skip

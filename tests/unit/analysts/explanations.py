"""Explanations that are true, in many styles, and ways to make each of them false.

The slots of a style are filled from the statistics of a change that was drawn, so that a
mutation knows what was true: what it leaves behind is another number, sign, date or ticker
than the statistics have, or the right number in the wrong place.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from axiom.analysts import local_explain
from axiom.analysts.claims import Facts, facts_of
from axiom.model import Correlation
from axiom.pipelines.changes import Change

_TICKERS = """
    AAPL AMD AMZN BAC BBY CVX GE GOOG HD JNJ JPM KO LLY META MRK MSFT NFLX NVDA PEP PFE PG RRC
    UNH WMT XOM
"""
TICKERS = tuple(_TICKERS.split())
NAMES = {ticker: (f"{ticker.title()} Incorporated",) for ticker in TICKERS}
CHANGED = [
    "{a} and {b} {verb} from {r0} to {r} over {n} days.",
    "The {method} correlation of {a} with {b} {verb} to {r}, from {r0} before.",
    "{a} and {b}: the coefficient went from {r0} to {r} ({n} days, q {q}).",
    "The correlation between {a} and {b} is now {r}; it was {r0} before.",
    "Previously {r0}, the correlation of {a} and {b} is now {r}, with a 95% interval "
    "of {lo} to {hi}.",
    "{a} and {b} are correlated at {r} now, against {r0} before (q {q} now, {q0} before).",
    "Over {n} daily returns, {a} and {b} have a coefficient of {r}, where it had been {r0}.",
    "For {a} and {b} the former coefficient of {r0} gave way to {r}, and q went from {q0} to {q}.",
    "{a} and {b} now move at {r} (95% interval {lo} to {hi}). Before, the interval "
    "was {lo0} to {hi0}.",
    "With {n} trading days, {a} and {b} stand at {r} now, and stood at {r0} previously.",
    "{a} and {b}: {r0} before, {r} now.",
    "The link of {a} and {b} is {stronger} than before: {r} now and {r0} earlier.",
    "The coefficient of {a} and {b} {verb} from {r0}, and is now {r} over {n} sessions.",
    "{a} moves with {b} at {r%} now and did so at {r0%} before.",
    "As of {last}, {a} and {b} are correlated at {r}; before, it was {r0}.",
]
ALONE = [
    "{a} and {b} now move together: {method} correlation {r} (95% interval {lo} to "
    "{hi}) over {n} days, q {q}.",
    "The correlation of {a} and {b} is now {r}, with a 95% interval of {lo} to {hi} over {n} days.",
    "{a} and {b} are correlated at {r%} over {n} daily returns.",
    "{a} and {b} now have a coefficient of {r}; the low end of its 95% interval is "
    "{lo}, the high end {hi}.",
    "Now {a} and {b} have a correlation of {r} ({lo} to {hi}), and q is {q}.",
    "From {first} to {last}, {a} and {b} had a correlation of {r} over {n} days.",
    "{a} and {b} correlate at {r} until {last}; the interval is {lo} to {hi}.",
    "q = {q}, r = {r}, n = {n}: {a} and {b}.",
    "The 95% confidence interval for {a} and {b} runs from {lo} to {hi}, and q is {q}.",
    "Between {a} and {b} the coefficient is {r}. The interval lies between {lo} and "
    "{hi}, so care is due.",
    "The q-value of {a} and {b} is {q}, and the coefficient {r}, measured over {n} common days.",
    "{a} and {b}: r of {r}, p-value {p}, q-value {q}.",
    "The {n}-day coefficient of {a} and {b} is {r}, though the interval {lo}-{hi} is wide.",
    "With q at {q}, the correlation of {r} between {a} and {b} is hardly chance.",
]
STYLES = {"new": ALONE + CHANGED, "moved": ALONE + CHANGED, "lost": ALONE + CHANGED}


@dataclass(frozen=True)
class Text:
    """A text by its pieces: what is written, and the slot it fills ("" between slots)."""

    change: Change
    facts: Facts
    pieces: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "".join(piece for piece, _ in self.pieces)

    def slots(self, *names: str) -> list[int]:
        return [n for n, (_, slot) in enumerate(self.pieces) if slot.rstrip("%") in names]

    def put(self, *new: tuple[int, str]) -> Text:
        pieces = list(self.pieces)
        for place, text in new:
            pieces[place] = (text, pieces[place][1])
        return replace(self, pieces=tuple(pieces))


def draw_text(draw: random.Random) -> Text:
    """Draw a change and tell it truly."""
    change, days = _change(draw), _days(draw)
    style = draw.choice(STYLES[change.kind] if change.before else ALONE)
    if draw.random() < 0.1:
        return _template(change, days)
    pieces = []
    for literal, name, _, _ in string.Formatter().parse(style):
        pieces.append((literal, ""))
        if name:
            pieces.append((_fill(name, change, days, draw), name))
    return Text(change, facts_of(change, NAMES, days), tuple(pieces))


def _template(change: Change, days: tuple[date, date]) -> Text:
    said = local_explain.explain(change).text
    slots = {change.now.a: "a", change.now.b: "b"} | {
        f"{value:.2f}": slot for slot, value in _values(change).items() if slot not in "pq"
    }
    pieces, rest = [], said
    while rest:
        starts = {rest.find(text): text for text in slots if text in rest}
        if not starts:
            break
        at = min(starts)
        text = max((t for t in slots if rest.startswith(t, at)), key=len)
        pieces += [(rest[:at], ""), (text, slots[text])]
        rest = rest[at + len(text) :]
    return Text(change, facts_of(change, NAMES, days), (*pieces, (rest, "")))


def _change(draw: random.Random) -> Change:
    a, b = sorted(draw.sample(TICKERS, 2))
    window = draw.choice((60, 120, 250))
    method = draw.choice(("pearson", "spearman"))
    kind = draw.choice(("new", "lost", "moved"))
    now = _correlation(draw, a, b, window, method, kind != "lost")
    before = _correlation(draw, a, b, window, method, kind != "new")
    return Change(kind, now, before if kind != "new" or draw.random() < 0.7 else None)


def _correlation(
    draw: random.Random, a: str, b: str, window: int, method: str, sure: bool
) -> Correlation:
    r = draw.choice((1, -1)) * draw.uniform(0.3, 0.9) if sure else draw.uniform(-0.25, 0.25)
    half = draw.uniform(0.05, 0.25)
    q = draw.uniform(0.001, 0.049) if sure else draw.uniform(0.06, 0.9)
    n = window - draw.choice((0, 0, 1, 2, 5))
    return Correlation(a, b, window, method, n, r, max(r - half, -1), min(r + half, 1), q / 3, q)


def _days(draw: random.Random) -> tuple[date, date]:
    last = date(2013, 6, 1) + timedelta(days=draw.randrange(3000))
    return last - timedelta(days=draw.randrange(80, 400)), last


def _values(change: Change) -> dict[str, float]:
    now, before = change.now, change.before
    told = {"r": now.r, "lo": now.low, "hi": now.high, "q": now.q, "p": now.p}
    if before:
        told |= {"r0": before.r, "lo0": before.low, "hi0": before.high, "q0": before.q}
    return told


def _fill(slot: str, change: Change, days: tuple[date, date], draw: random.Random) -> str:
    now, before = change.now, change.before
    if slot in ("first", "last"):
        day = days[slot == "last"]
        month = day.strftime(draw.choice(("%B", "%b")))
        return draw.choice(
            (day.isoformat(), f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}")
        )
    if slot in ("verb", "stronger") and before:
        pair = ("rose", "fell") if slot == "verb" else ("stronger", "weaker")
        grew = now.r > before.r if slot == "verb" else abs(now.r) > abs(before.r)
        return pair[0] if grew else pair[1]
    plain = {"a": now.a, "b": now.b, "method": now.method.title(), "n": str(now.n)}
    if slot in plain:
        return plain[slot]
    value = _values(change)[slot.rstrip("%")]
    if slot.endswith("%"):
        places = draw.choice((0, 1))
        return f"{100 * value:.{places}f}" + draw.choice(("%", " percent", " per cent"))
    places = draw.choice((3, 4)) if slot in ("q", "q0", "p") else draw.choice((2, 2, 2, 3, 4))
    text = f"{value:.{places}f}"
    if "0." in text and draw.random() < 0.05:
        text = text.replace("0.", ".", 1)
    return text.replace("-", "\u2212") if draw.random() < 0.2 else text


# --- making it false ---

NUMBERS = ("r", "lo", "hi", "q", "p", "r0", "lo0", "hi0", "q0")
Mutation = Callable[[Text, random.Random], "Text | None"]


def _read(text: str) -> tuple[float, int]:
    digits = text.split("%")[0].split(" ")[0].replace("\u2212", "-")
    places = len(digits.partition(".")[2])
    percent = digits != text.replace("\u2212", "-")
    return float(digits) / (100 if percent else 1), places + (2 if percent else 0)


def _is_false(text: str, slot: str, change: Change) -> bool:
    if slot == "n":
        counts = {c for each in (change.now, change.before) if each for c in (each.n, each.window)}
        return int(text) not in counts
    value, places = _read(text)
    return abs(value - _values(change)[slot.rstrip("%")]) > 0.5 * 10.0**-places + 1e-6


def another_digit(text: Text, draw: random.Random) -> Text | None:
    """Change one digit of a number."""
    places = text.slots(*NUMBERS, "n")
    if not places:
        return None
    at = draw.choice(places)
    said, slot = text.pieces[at]
    spot = draw.choice([n for n, char in enumerate(said) if char.isdigit()])
    digit = draw.choice([d for d in string.digits if d != said[spot]])
    wrong = said[:spot] + digit + said[spot + 1 :]
    return text.put((at, wrong)) if _is_false(wrong, slot, text.change) else None


def another_sign(text: Text, draw: random.Random) -> Text | None:
    """Turn the sign of a number round."""
    places = text.slots(*NUMBERS)
    if not places:
        return None
    at = draw.choice(places)
    said, slot = text.pieces[at]
    wrong = said[1:] if said[0] in "-\u2212" else "-" + said
    before = text.pieces[at - 1][0]
    if before.endswith("-"):
        return None
    return text.put((at, wrong)) if _is_false(wrong, slot, text.change) else None


def another_date(text: Text, draw: random.Random) -> Text | None:
    """Say another day, month or year."""
    places = text.slots("first", "last")
    if not places:
        return None
    at = draw.choice(places)
    said, slot = text.pieces[at]
    wrong = draw.choice((timedelta(1), timedelta(31), timedelta(365), timedelta(-10)))
    stored = text.facts.dates
    day = (min(stored) if slot == "first" else max(stored)) + wrong
    other = draw.choice((day.isoformat(), f"{day.day} {day:%B} {day.year}", f"{day:%B %Y}"))
    return text.put((at, other)) if day not in stored and other != said else None


def another_ticker(text: Text, draw: random.Random) -> Text | None:
    """Name a stock that is not of the pair."""
    pair = (text.change.now.a, text.change.now.b)
    return text.put(
        (draw.choice(text.slots("a", "b")), draw.choice([t for t in TICKERS if t not in pair]))
    )


def another_order(text: Text, draw: random.Random) -> Text | None:
    """Swap what is now with what was before, or the ends of the interval."""
    swaps = [("r", "r0"), ("lo", "hi"), ("q", "q0"), ("r", "q"), ("r", "lo"), ("r", "hi")]
    for one, other in draw.sample(swaps, len(swaps)):
        ours, theirs = text.slots(one), text.slots(other)
        if ours and theirs:
            a, b = text.pieces[ours[0]][0], text.pieces[theirs[0]][0]
            slots = text.pieces[ours[0]][1], text.pieces[theirs[0]][1]
            if _is_false(b, slots[0], text.change) and _is_false(a, slots[1], text.change):
                return text.put((ours[0], b), (theirs[0], a))
    return None


def another_pair(text: Text, draw: random.Random) -> Text | None:
    """Say of this pair what is true of another one."""
    other = draw_text(draw)
    coefficients = [(p, s) for p, s in other.pieces if s.rstrip("%") in ("r", "r0", "lo", "hi")]
    values = _values(text.change)
    wrong = [1 for p, s in coefficients if s.rstrip("%") in values and _is_false(p, s, text.change)]
    if not wrong or len(wrong) < len(coefficients):
        return None
    names = [(n, text.change.now.a) for n in other.slots("a")]
    names += [(n, text.change.now.b) for n in other.slots("b")]
    return replace(other.put(*names), change=text.change, facts=text.facts)


MUTATIONS: tuple[Mutation, ...] = (
    another_digit, another_sign, another_date, another_ticker, another_order, another_pair,
)  # fmt: skip


def clean_texts(count: int, seed: int) -> list[Text]:
    """Return that many true texts."""
    draw = random.Random(seed)
    return [draw_text(draw) for _ in range(count)]


def mutated_texts(count: int, seed: int) -> Iterator[tuple[str, Text, Text]]:
    """Yield the name of the mutation, the text before, and the text after; in equal parts."""
    draw, made = random.Random(seed), 0
    while made < count:
        mutate, text = MUTATIONS[made % len(MUTATIONS)], draw_text(draw)
        if wrong := mutate(text, draw):
            made += 1
            yield mutate.__name__, text, wrong

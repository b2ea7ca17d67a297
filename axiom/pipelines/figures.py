"""What a headline states in figures: amounts, and periods and numbered things."""

from __future__ import annotations

import re
from collections.abc import Iterator

from axiom.pipelines.wording import meaning, stem

Amount = tuple[str, float]  # its kind ("%", "money", what is counted) and its value
Slot = tuple[str, str]  # ("quarter", "2"), ("month", "jun"), ("year", "2024"), ("phase", "3")

_SCALE = r"(?:kt|k|thousand|m|mn|mln|million|b|bn|bln|billion|t|tn|trn|trillion|crore|cr|lakh)\b"
_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12, "thousand": 1e3, "lakh": 1e5, "c": 1e7}
_MONEY = r"(?:us|a|c|hk|nz|s|r)?\$|€|£|¥|₹|\b(?:rs\.?|usd|eur|gbp|inr|chf|sek|nok)"
_CURRENCIES = frozenset(
    [
        "euro",
        "dollar",
        "pound",
        "yen",
        "cent",
        "yuan",
        "rupe",
        "crown",
        "won",
        "franc",
        "peso",
        "real",
        "rand",
        "lira",
        "penc",
    ]
)
_NUMBER = re.compile(
    rf"({_MONEY})?\s?(?<![\w.])(\d[\d,]*(?:\.\d+)?)[\s-]?"
    rf"(?:(%|percent\b|per cent\b|pct\b)|(basis[ -]points?|bps?\b)|({_SCALE}))?"
    r"(p\b)?(?!\w)(?:[- ](?:a |per )?(?:full-time |of )?([a-z]{3,}))?"
)
_RANGE = re.compile(
    rf"(?<![\w.])(\d[\d,.]*)(\s?(?:-|–|to|and)\s?[$€£]?)(\d[\d,.]*)(\s?(?:{_SCALE}|%))"
)
# what it was before; what it is now parts one raised target from the next
_BEFORE = re.compile(
    r"(?<=[\w%])(,? (?:up |down )?(?:from|versus|vs\.?|compared (?:with|to)|against) )"
    rf"(?:{_MONEY})?\s?\d[\d.,]*(?:%|p\b)?(?:\s?{_SCALE})?(?: cents| percent| pct)?"
    r"(?: in [a-z]+)?(?: a year (?:ago|earlier))?"
)
_COUNTS = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
]
_SPELT = [
    (re.compile(pattern), digits)
    for pattern, digits in {
        r"\bquarter[- ](?:of a )?(?:percentage )?point\b": "0.25%",
        r"\bhalf[- ](?:a )?(?:percentage )?point\b": "0.5%",
        r"\bhalf[- ](?:a )?percent\b": "0.5%",
        r"\bthree[- ]quarters? of a (?:percentage )?point\b": "0.75%",
        r"\ba tenth\b|\bone in ten\b": "10%", r"\ba fifth\b|\bone in five\b": "20%",
        r"\ba third\b(?!.quarter)": "33%", r"\ba quarter (?=of (?:its|staff|the))": "25% ",
        r"\bby half\b|\bhalf of (?!year)": "50% ", r"\ba quarter of a\b": "0.25",
        r"\ba dozen\b": "12", r"\bone (?=million|billion)": "1 ",
        r"\bone[- ](?=(?:day|week|month|year)\b)": "1 ",
    }.items()
]  # fmt: skip
_COUNT = re.compile(rf"\b({'|'.join(_COUNTS)})\b(?![- ]quarter)")

_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "final": "4"}
_QUARTER = re.compile(
    r"\bq([1-4])\b|\b([1-4])q\b"
    rf"|\b({'|'.join(_ORDINALS)})[- ](?:fiscal[- ])?quarter\b",
    re.IGNORECASE,
)
_HALF = re.compile(
    r"\bh([12])\b|\b([12])h\b|\b(first|second)[- ]half\b|\b(half)[- ]year\b", re.IGNORECASE
)
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = re.compile(
    rf"\b({'|'.join(each for each in _MONTHS if each not in ('march', 'may'))})\b"
    r"|\b(jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b(?=[ .])"
    # these are words too
    r"|\b(?:in|of|for|to|by|from|late|early|mid|until|since|through)[ -](march|may)\b"
    r"|\b(march|may)(?= \d)"
)
_YEAR = re.compile(r"\b((?:19|20)\d\d)(?:/\d\d)?\b(?!\s?(?:million|billion|%|jobs|vehicles))")
_FISCAL = re.compile(r"\bfy\s?'?(?:20)?(\d\d)\b", re.IGNORECASE)
_WEEKDAY = re.compile(r"\b(mon|tues|wednes|thurs|fri|satur|sun)day\b")
_NTH = re.compile(
    r"\b(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)\b"
    r"(?![- ](?:fiscal[- ])?(?:quarter|half))"
)
_NUMBERED = re.compile(
    r"\b(phase|category|series|tier|class|stage|level|round|section|article)[- ]"
    r"(\d{1,2}|iii|ii|iv|i|v|[a-h])\b",
    re.IGNORECASE,
)
# "Switch 2", "S&P 500": a number that is part of a name
_MODEL = re.compile(
    rf"(?<=[\w,] )([A-Z][\w&]*)[ -](\d{{1,4}})\b(?![-,.]\d|\s?(?:%|percent|pct|basis|{_SCALE}))"
    r"|^([A-Z][\w&]*) (\d{1,4})(?= [A-Za-z-]+s\b)"
)
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}
CLOSE = 0.05  # how far apart a number and what it is rounded to may be


def amounts(text: str) -> Iterator[Amount]:
    """Yield the amounts of a text, without what they were before."""
    lower = without_slots(text).lower()
    for pattern, digits in _SPELT:
        lower = pattern.sub(digits, lower)
    lower = _COUNT.sub(lambda found: str(_COUNTS.index(found[1]) + 2), lower)
    lower = _RANGE.sub(r"\1\4\2\3\4", _BEFORE.sub(" ", lower))
    for money, digits, percent, basis, scale, pence, unit in _NUMBER.findall(lower):
        value = float(digits.replace(",", "") or 0)
        if scale and (money or scale != "t"):  # "48,200t" are tonnes
            value *= _SCALES.get(scale) or _SCALES[scale[:1]]
        if percent or basis:
            yield "%", value / 100 if basis else value
        elif money or pence or stem(unit) in _CURRENCIES:
            yield "money", value / 100 if pence or unit in ("cent", "cents", "pence") else value
        else:
            yield min(meaning(stem(unit)).senses) if unit else "many", value


def without_slots(text: str) -> str:
    """Return a text without the periods and numbered things that `slots` reads."""
    for pattern in (_YEAR, _FISCAL, _QUARTER, _HALF, _NUMBERED):
        text = pattern.sub(" ", text)
    if text.isupper() or text.istitle():
        return text
    return _MODEL.sub(lambda found: found[1] or found[3], text)


def slots(text: str) -> Iterator[Slot]:
    """Yield periods, and things that are known by their number."""
    lower = text.lower()
    yield from _periods(lower)
    yield from (("nth", nth) for nth in _NTH.findall(lower))
    for what, number in _NUMBERED.findall(lower):
        yield what, number if what in ("series", "class") else _ROMAN.get(number, number)
    if not (text.isupper() or text.istitle()):
        for name, number, first, its in _MODEL.findall(text):
            yield f"no. {stem((name or first).lower())}", number or its


def _periods(lower: str) -> Iterator[Slot]:
    for found in _QUARTER.findall(lower):
        yield "quarter", _ORDINALS.get("".join(found), "".join(found))
    for found in _HALF.findall(lower):
        said = "".join(found)
        yield "half", {"half": "1"}.get(said, _ORDINALS.get(said, said))
    yield from (("month", "".join(found)[:3]) for found in _MONTH.findall(lower))
    yield from (("year", year) for year in _YEAR.findall(lower))
    yield from (("year", f"20{year}") for year in _FISCAL.findall(lower))
    yield from (("weekday", day) for day in _WEEKDAY.findall(lower))


def slots_odd(a: frozenset[Slot], b: frozenset[Slot]) -> bool:
    """Say whether two texts name different ones of a kind: another quarter, another phase."""
    for kind in {kind for kind, _ in a} & {kind for kind, _ in b}:
        if not {each for each in a if each[0] == kind} & b:
            return True
    return False


def close(a: Amount, b: Amount) -> bool:
    """Say whether two amounts may be one: equal, or the one rounded to the other."""
    if a[0] != b[0] and "%" in (a[0], b[0]):
        return False
    apart, larger = abs(a[1] - b[1]), max(abs(a[1]), abs(b[1]))
    return apart <= 1e-9 * larger or apart < min(
        CLOSE * larger, 0.5 * max(_step(a[1]), _step(b[1]))
    )


def _step(value: float) -> float:
    """Return what the last digit of a number that is not zero counts."""
    digits = f"{value:.6g}"
    mantissa, _, exponent = f"{float(digits):e}".partition("e")
    return 10.0 ** (int(exponent) - len(mantissa.rstrip("0").partition(".")[2]))


def meet(a: frozenset[Amount], b: frozenset[Amount]) -> tuple[int, bool]:
    """Count amounts that both state, as rounded as they may be; say whether others differ."""
    met = sum(any(close(one, other) for other in b) for one in a)
    kinds = {kind for kind, _ in a} & {kind for kind, _ in b}
    odd = any(
        kind in kinds and not any(close((kind, value), other) for other in b) for kind, value in a
    )
    return met, odd

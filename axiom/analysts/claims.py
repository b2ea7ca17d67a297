"""Whether a text about a change says only what the stored statistics say.

The text is English prose of an untrusted writer. What cannot be understood
for certain is a problem: a good text that is refused costs one template, a
wrong number that is let through costs trust.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from axiom.analysts import claim_words as words
from axiom.analysts.claim_roles import Role, find_roles, find_wrong_words
from axiom.pipelines.changes import Change

LONGEST = 500
_CLOSE = 1e-9

# ways to write one character; what is left outside of ASCII after this is a problem
_SAME = str.maketrans({
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2018\u2019\u02bc", "'"), **dict.fromkeys("\u201c\u201d", '"'),
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", "\u00a0"),  # may part thousands
    "\uff0e": ".", "\uff0c": ",", "\uff05": "%", "\uff0b": "+", "\u2026": ".",
})  # fmt: skip
_MARKS = frozenset(" .,;:!?'\"()-+%&/=")
_ODD = re.compile(r"https?|www\.|\.(?:com|org|net|io)\b|==|//|\+\+", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<=\d)\u00a0(?=\d{3}(?!\d))")
_INTERVAL = re.compile(
    r"(?<![\d.,+-])95(?:\s?%|\s?per\s?cent)[ -](?:confidence[ -])?(?:intervals?|CI)\b"
)
_MONTHS = "January February March April May June July August September October November December"
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS.split())
# as in 2020-03-02, 2 March 2020, Mar 2, 2020; of days and months in digits nobody knows which
_DATE = re.compile(
    r"(?<![\d-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?![\d-])"
    rf"|(?<![\d.,-])(?P<day2>\d\d?) (?P<month2>{_MONTH}) (?P<year2>\d{{4}})(?![\d.,-]\d|\d)"
    rf"|\b(?P<month3>{_MONTH}) (?P<day3>\d\d?), (?P<year3>\d{{4}})(?![\d.,-]\d|\d)"
)
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")
_RUN = re.compile(r"\.?\d(?:[\d.,:/']*\d)?")
_NUMBER = re.compile(r"(?:0|[1-9]\d*|[1-9]\d{0,2}(?:,\d{3})+)?(?:\.\d+)?")
_PERCENT = re.compile(r"\s?(?:%|per\s?cent\b|pct\b)(?!\w)")
_UNIT = re.compile(r"[ -]?([A-Za-z]+)?")
_LABEL = re.compile(
    r"\b(q|p|r|n)(?:[ -]?values?)?(?:\s?=\s?|\s(?:(?:of|is|was|at|now|only|just|about|to)\s)*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Facts:
    """What may be said of a change: `fractions` and `counts` by their letter."""

    tickers: tuple[str, str]
    fractions: Mapping[str, tuple[float, ...]]
    counts: frozenset[int]
    own_names: frozenset[str] = frozenset()
    other_names: frozenset[str] = frozenset()
    dates: frozenset[date] = frozenset()
    change: Change | None = None  # where it is known, each number is held to its role


def facts_of(
    change: Change,
    names: Mapping[str, Sequence[str]] | None = None,
    dates: Iterable[date] = (),
) -> Facts:
    """Return the statistics of a change; `names` are those of all companies, by ticker."""
    told = [c for c in (change.now, change.before) if c]
    pair, names = (change.now.a, change.now.b), names or {}
    own = {name for ticker in pair for name in names.get(ticker, ())}
    others = {name for ticker in names if ticker not in pair for name in (ticker, *names[ticker])}
    return Facts(
        tickers=pair,
        fractions={
            "r": tuple(x for c in told for x in (c.r, c.low, c.high)),
            "q": tuple(c.q for c in told),
            "p": tuple(c.p for c in told),
        },
        counts=frozenset(x for c in told for x in (c.n, c.window)),
        own_names=frozenset(own),
        other_names=frozenset(others - own),
        dates=frozenset(dates),
        change=change,
    )


def find_problems(text: str, facts: Facts) -> list[str]:
    """Return what a text says that is not stored, in words; empty when all is."""
    plain = _plain(text.strip())
    if found := list(_shape(plain)):
        return found
    plain = _INTERVAL.sub("interval", plain.replace("\u00a0", " "))
    plain, dates = _without_dates(plain, facts)
    problems = list(dates)
    for ticker in facts.tickers:
        if not _token(ticker).search(plain):
            problems.append(f"it does not name {ticker}")
    for known in sorted((*facts.tickers, *facts.own_names), key=len, reverse=True):
        plain = _token(known).sub("it", plain)
    problems += _names(plain, facts)
    problems += _spelled(plain, facts)
    problems += _numbers(plain, facts)
    if facts.change:
        problems += find_wrong_words(plain, facts.change)
    return problems


# --- characters ---


def _plain(text: str) -> str:
    text = "".join(_digit(char) for char in text.translate(_SAME))
    return _THOUSANDS.sub(",", text)


def _digit(char: str) -> str:
    # digits of any script are digits; superscripts and fractions are not
    is_digit = unicodedata.category(char) == "Nd"
    return str(unicodedata.digit(char)) if is_digit else char


def _shape(plain: str) -> Iterator[str]:
    if not plain:
        yield "it is empty"
    if len(plain) > LONGEST:
        yield "it is too long"
    odd = {c for c in plain if not ((c.isascii() and c.isalnum()) or c in _MARKS or c == "\u00a0")}
    if odd or _ODD.search(plain):
        yield "it has characters that are not plain English prose"


def _token(name: str) -> re.Pattern[str]:
    """A ticker or a name as a word of its own: not in BRK.B, S&P, $T or T-bill."""
    start = r"(?<![\w.$&'])" if name[:1].isalnum() else ""
    return re.compile(rf"{start}{re.escape(name)}(?![\w&$]|\.\w|-[a-z])")


# --- dates and names ---


def _without_dates(plain: str, facts: Facts) -> tuple[str, list[str]]:
    problems = [
        f"the date {match[0]} is not stored"
        for match in _DATE.finditer(plain)
        if _date(match) not in facts.dates
    ]
    return _DATE.sub("then", plain), problems


def _date(match: re.Match[str]) -> date | None:
    told = {name.rstrip("23"): value for name, value in match.groupdict().items() if value}
    month = told["month"]
    names = [name[:3] for name in _MONTHS.split()]
    number = int(month) if month.isdigit() else names.index(month[:3]) + 1
    try:
        return date(int(told["year"]), number, int(told["day"]))
    except ValueError:
        return None


def _names(plain: str, facts: Facts) -> Iterator[str]:
    folded = plain.casefold()
    for name in facts.other_names:
        if len(name) > 2 and name.casefold() not in words.ORDINARY:
            pattern = rf"(?<![\w&]){re.escape(name.casefold())}(?![\w&])"
            if re.search(pattern, folded):
                yield f"{name} is not of this pair"
    for match in _WORD.finditer(plain):
        word = match[0]
        if word != word.lower() and not _may_be_capital(plain, match):
            yield f"{word} is a name, a ticker or a date that is not of this pair"


def _may_be_capital(plain: str, match: re.Match[str]) -> bool:
    word, before = match[0], plain[: match.start()].rstrip(" \"'(")
    if word.removesuffix("'s") in words.PROPER:
        return True
    starts = not before or before[-1] in ".!?:;"
    return starts and word == word.capitalize() and word.lower() in words.STARTERS


# --- numbers as words, and times ---


def _spelled(plain: str, facts: Facts) -> Iterator[str]:
    rest = words.HARMLESS.sub(" ", plain.lower())
    rest = words.SPELLED.sub(lambda match: _checked_words(match, rest, facts), rest)
    for match in _WORD.finditer(rest):
        word = match[0]
        if word in words.NUMBERS or words.MULTIPLES.fullmatch(word):
            yield f"{word} is a number that is not stored"
        elif words.TIMES.fullmatch(word):
            yield f"{word} is a time that is not stored"
        elif len(word) == 1 and word not in words.LETTERS:
            yield f"{word} is no word"


def _checked_words(match: re.Match[str], text: str, facts: Facts) -> str:
    """Leave out a spelled-out count of days that is stored; what is left is a problem."""
    value = words.value_of(match[0])
    unit = _UNIT.match(text, match.end())
    days = bool(unit and unit[1] in words.DAYS)
    known = value is not None and value in facts.counts and days
    return " " if known else match[0]


# --- numbers in digits ---


def _numbers(plain: str, facts: Facts) -> Iterator[str]:
    roles = find_roles(plain) if facts.change else {}
    for match in _RUN.finditer(plain):
        sign, role = _sign(plain, match.start()), roles.get(match.start())
        fits = sign is not None and _NUMBER.fullmatch(match[0])
        if not fits or not _is_stored(plain, match, sign or "", role, facts):
            yield f"the number {match[0]} is not stored as it is used here"


def _sign(plain: str, at: int) -> str | None:
    """The sign of the number that begins here; None when that is in doubt."""
    before = plain[:at]
    if before.endswith(("-", "+")):
        sign, before = before[-1], before[:-1]
        # also the second of a range: -0.44--0.21
        if not before or before[-1] in " (=" or re.search(r"\d%?-$", before):
            return sign
        # a dash between two numbers is no sign
        return "" if sign == "-" and before[-1].isdigit() else None
    if re.search(r"[-+] +$", before):
        return None
    return "" if not before or before[-1] in " (\"'=" else None


def _is_stored(
    plain: str, match: re.Match[str], sign: str, role: Role | None, facts: Facts
) -> bool:
    digits = match[0].replace(",", "")
    places = len(digits.partition(".")[2])
    value = float(digits) * (-1 if sign == "-" else 1)
    after, label = plain[match.end() :], _LABEL.search(plain[: match.start()])
    letter = label[1].lower() if label else None
    if percent := _PERCENT.match(after):
        rest = _UNIT.match(after, percent.end())
        unsure = bool(rest and rest[1] in words.UNITS) or after[percent.end() :][:1] in "-&/"
        return (not unsure or not after[percent.end() :]) and _is_fraction(
            value / 100, places + 2, letter, role, facts
        )
    unit = _UNIT.match(after)
    named = (unit[1] or "").lower() if unit else ""
    if after[:1].isalpha() or (after[:1] in "/&'=+%" and after[:1]):
        return False
    if "." not in digits:
        counted = named in words.DAYS or letter == "n"
        return counted and not sign and value in facts.counts
    joined = bool(re.match(r"-[A-Za-z]", after))
    odd = joined or named in words.DAYS or named in words.UNITS
    return not odd and places >= 1 and _is_fraction(value, places, letter, role, facts)


def _is_fraction(
    value: float, places: int, letter: str | None, role: Role | None, facts: Facts
) -> bool:
    """Whether a stored value, rounded to the printed digits, is this one."""
    stored = (
        facts.fractions.get(letter, ())
        if letter
        else tuple(x for values in facts.fractions.values() for x in values)
    )
    if role and facts.change:
        stored = tuple(x for x in role.values(facts.change) if x in stored)
    return any(abs(value - x) <= 0.5 * 10.0**-places + _CLOSE for x in stored)

"""The words that `claims` knows: numbers, times, units, and what may begin a sentence."""

from __future__ import annotations

import re


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split()))


_SMALL = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_VALUES = (
    {word: n for n, word in enumerate(_SMALL)}
    | {word: 10 * n for n, word in enumerate(_TENS, 2)}
    | _SCALES
)
_ORDINALS = _words(
    "first third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "twentieth thirtieth fortieth fiftieth sixtieth hundredth thousandth"
)
_LIKE_NUMBERS = _words(
    "second seconds nil nought naught null trillion trillions dozen dozens score hundreds "
    "thousands millions billions tens fourty ninty point points half halves halved halving halve "
    "thirds quarter quarters fifths tenths double doubles doubled doubling triple triples tripled "
    "tripling treble quadruple quadrupled quintuple twice thrice couple single sole unity "
    "majority percentage percentages percentile basis bps sigma sigmas "
    # of other languages, where they are no English words
    "null eins zwei drei vier acht zehn zwanzig dreissig vierzig sechzig hundert "
    "deux trois quatre cinq sept huit neuf dix vingt trente quarante cinquante soixante cent "
    "uno dos tres cuatro cinco seis siete ocho nueve diez veinte treinta cuarenta sesenta cien "
    "tre quattro sei sette otto dieci venti trenta quaranta sessanta cento"
)
NUMBERS = frozenset((*_VALUES, *_ORDINALS, *_LIKE_NUMBERS))
_NUMBER_WORD = "|".join(sorted(_VALUES, key=len, reverse=True))
SPELLED = re.compile(rf"\b(?:{_NUMBER_WORD})(?:[ -](?:and[ -])?(?:{_NUMBER_WORD}))*\b")
MULTIPLES = re.compile(rf"\w+fold|(?:{'|'.join(_TENS)}|hundred|thousand|million)\w+")

# phrases whose number words say nothing of a quantity
HARMLESS = re.compile(
    r"(?<=\d )per cent\b|\bone another\b|\bat (?:this|that|some|no) point\b|\bdata points?\b"
    r"|\b(?:the|these|both) two (?=stocks|shares|companies|tickers|series|names|move|now|no|still"
    r"|are|were|have|had)"
)

TIMES = re.compile(
    r"january|february|march|april|june|july|august|september|october|november|december"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|jan|feb|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|to(?:day|night|morrow)|yesterday|weekends?|fortnights?|weeks?|weekly|months?|monthly|years?"
    r"|yearly|annual(?:ly)?|quarterly|decades?|century|centuries|hours?|hourly|minutes?|spring"
    r"|summer|autumn|winter|christmas|easter|noon|midnight|ago"
)

# what a count of stored days may be followed by
DAYS = frozenset(
    _words(
        "day days daily trading session sessions observation observations return returns data "
        "common shared paired joint overlapping"
    )
)
# what none of the stored numbers may be followed by
UNITS = frozenset(
    _words(
        "percent percentage pct point points bp bps basis times fold x k m bn million billion "
        "trillion thousand hundred dozen dollar dollars cent cents usd eur share shares stock "
        "stocks company companies pair pairs week weeks month months year years hour hours "
        "minute minutes second seconds sigma standard deviation deviations degree degrees unit "
        "units ratio"
    )
)
LETTERS = frozenset("anprq")
PROPER = frozenset(("Pearson", "Spearman"))
# short tickers and names that are common words in lower case
ORDINARY = frozenset(
    _words(
        "all and any are but can did ever fast for from has have key low may more most much new "
        "next not now off old one open out over own plus real same so some that the they this "
        "true very was well were what with"
    )
)
STARTERS = frozenset(
    _words(
        "a after again against all also although an and any apart as at because before being "
        "beforehand between prior "
        "both but by clearly co compared correlation correlations currently daily data despite "
        "during earlier even evidence few fewer for formerly from given great has hence here "
        "higher however if in indeed instead interval it its less lower measured meanwhile "
        "moderate more moves much neither no not nothing now of on once only or overall over "
        "pair pairs positive previously rank ranked ranks rather recently reliable returns "
        "significant significance similarly since slightly so some statistically still stronger "
        "strong such taken that the their then there these they this those though thus together "
        "under until unlike using we weak weaker what when where whereas whether while wide "
        "with within without yet negative narrow ties statistics co-movement uncertainty "
        "caution confidence either each"
    )
)


def value_of(phrase: str) -> int | None:
    """The number that words say: "two hundred and fifty", "sixty-five"; None in doubt."""
    total = current = 0
    last = 10**12
    for word in re.split(r"[ -]+", phrase):
        if word == "and":
            continue
        value = _VALUES[word]
        if value in (100,) and 0 < current < 10:
            current, last = current * 100, 100
        elif value >= 1000 and current and not total:
            total, current, last = current * value, 0, value
        elif value < 100 and _fits(value, last):
            current, last = current + value, value
        else:
            return None
    return total + current


def _fits(value: int, last: int) -> bool:
    """A smaller word may follow: a unit after a ten, anything after a scale or at the start."""
    return last >= 100 or (last >= 20 and last % 10 == 0 and 0 < value < 10)

"""Explain changes: write -> check claims -> repair; what still does not hold is said locally."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from axiom.analysts import claims, local_explain
from axiom.analysts.claude import prompt
from axiom.analysts.claude.answers import TextWritten
from axiom.analysts.claude.interview import Interview, Verdict
from axiom.analysts.claude.items import number_of, read
from axiom.analysts.claude.material import written
from axiom.analysts.question import Ask, Effort, Question
from axiom.model import Correlation, Json, Said
from axiom.pipelines.changes import Change, Explanation

BATCH = 20
Names = Mapping[str, Sequence[str]]  # ticker -> names of the company


def explain(
    ask: Ask, model: str, effort: Effort | None, changes: Sequence[Change], names: Names
) -> Said[Explanation]:
    """Return a text for each of at most `BATCH` changes; `analyst` says whose it is."""

    def judge(items: Sequence[Json], open_: Sequence[int] | None) -> Verdict[str]:
        wanted = range(1, len(changes) + 1) if open_ is None else open_
        return _judge(items, wanted, changes, names)

    result = Interview(ask, "e", judge).hold(_question(changes, model, effort))
    said = [
        _explanation(change, result.good[n], model)
        if n in result.good
        else local_explain.explain(change)
        for n, change in enumerate(changes, 1)
    ]
    dropped = result.dropped
    if result.refused:
        dropped = Counter({result.refused: len(changes)})
    return Said(said, dict(dropped), result.refused)


def _question(changes: Sequence[Change], model: str, effort: Effort | None) -> Question:
    asked = prompt.explain()
    tickers = dict.fromkeys(t for change in changes for t in (change.now.a, change.now.b))
    return Question(
        prompt=asked.name,
        system=asked.system,
        material="\n".join(_line(n, change) for n, change in enumerate(changes, 1)),
        schema=asked.schema,
        model=model,
        max_tokens=100 + 130 * len(changes),
        subjects=tuple(tickers),
        effort=effort,
    )


def _line(n: int, change: Change) -> str:
    now = change.now
    told = written([n, change.kind, now.a, now.b, now.method, now.n])
    before = _statistics(change.before) if change.before else "null"
    return f"{told[:-1]},{_statistics(now)},{before}]"


def _statistics(c: Correlation) -> str:
    # written out, since JSON would leave out the zeros at the end, and they are to be copied
    return f"[{c.r:.2f},{c.low:.2f},{c.high:.2f},{c.q:.3f}]"


def _judge(
    items: Sequence[Json], wanted: Sequence[int], changes: Sequence[Change], names: Names
) -> Verdict[str]:
    good: dict[int, str] = {}
    wrong: dict[int, str] = {}
    details: dict[int, str] = {}
    extra = Counter[str]()
    for item in items:
        n, found = number_of(item), read(TextWritten, item)
        if n is None or not 1 <= n <= len(changes):
            extra["not_asked"] += 1
        elif n in good or n in wrong:
            extra["repeated"] += 1
        elif isinstance(found, str):
            wrong[n] = found
        elif problems := claims.find_problems(found.x, claims.facts_of(changes[n - 1], names)):
            wrong[n], details[n] = "claim_not_stored", ", ".join(problems[:5])
        else:
            good[n] = found.x
    good = {n: text for n, text in good.items() if n in wanted}
    missing = {n: "missing" for n in wanted if n not in good and n not in wrong}
    return Verdict(good, {n: w for n, w in wrong.items() if n in wanted} | missing, details, extra)


def _explanation(change: Change, text: str, model: str) -> Explanation:
    now = change.now
    return Explanation(
        now.a, now.b, now.window, now.method, change.kind, text.strip(), model,
        prompt.explain().hash(model),
    )  # fmt: skip

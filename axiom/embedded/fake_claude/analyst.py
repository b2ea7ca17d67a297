"""Answers to Axiom's own questions, by the rules of the local analyst, in the words of Claude.

Start the imitation with `answer: "axiom.embedded.fake_claude.analyst:answer"`.
The same question gets the same answer; any other question gets the default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from axiom.analysts import local_company, local_events
from axiom.analysts.claude import prompt
from axiom.embedded.fake_claude.answers import default
from axiom.model import EventType, Json, Profile

_SURE, _UNSURE, _SECOND_LOOK = 90, 35, 75  # by a rule; by none; by none, of a larger model
_IN_COMMON = 0.6  # share of the words of two headlines that tell one event
_GOOD = re.compile(
    r"\b(beat|beats|rise|rises|raise[sd]?|jump|jumps|climb|climbs|rall|rally|record|approv\w*|win|"
    r"wins|gain\w*|grow\w*|profit|strong\w*|boost\w*|upgrade\w*|launch\w*|dividend|buyback|"
    r"surge\w*|top|tops|expand\w*|partner\w*|best)\b",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"\b(miss|misses|fall|falls|cut|cuts|tumble|tumbles|slide|slides|plunge|plunges|fine[sd]?|"
    r"sue[sd]?|lawsuit|probe|recall\w*|warn\w*|strike|strikes|layoffs?|loss|losses|weak\w*|ban|"
    r"bans|halt\w*|downgrade\w*|reject\w*|antitrust|guilty|breach|drop|drops|delay\w*|worst|"
    r"crash\w*|shortage|resign\w*|penalty|investigat\w*)\b",
    re.IGNORECASE,
)


def answer(request: dict[str, Any]) -> str:
    """Answer a question of Axiom as a decent model would."""
    answers = _by_prompt().get(_text(request.get("system")))
    if answers is None:
        return default(request)
    # in a repair round too the material is the first message, and the whole answer is given
    found = answers(_text(request["messages"][0]["content"]), request["model"])
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False)


@cache
def _by_prompt() -> Mapping[str, Callable[[str, str], Json]]:
    return {
        prompt.company().system: _company,
        prompt.events().system: _events,
        prompt.explain().system: _explain,
    }


def _text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(block["text"] for block in content)


def _company(material: str, _model: str) -> Json:
    read = json.loads(material)
    profile = Profile("", read["name"], read["text"], "fake_claude")
    return {"f": [_edge(each) for each in local_company.analyse_company(profile)]}


def _edge(found: Any) -> Json:
    named = {} if found.other == found.span else {"o": found.other}
    return {"t": found.type.value, **named, "s": found.span, "c": round(found.confidence * 100)}


def _events(material: str, model: str) -> Json:
    return {"a": [_event(*json.loads(line), model=model) for line in material.splitlines()]}


def _event(
    n: int,
    tickers: list[str],
    text: str,
    summary: str = "",
    earlier: Sequence[str] = (),
    *,
    model: str,
) -> Json:
    kind, _ = local_events.event_type(text)
    sure = _SURE
    if kind is EventType.OTHER:
        sure = _UNSURE if "haiku" in model else _SECOND_LOOK
        kind, _ = local_events.event_type(f"{text} {summary}")
    tone = _tone(text)
    again = [place for place, other in enumerate(earlier, 1) if _same(text, other)]
    return {
        "i": n,
        "t": kind.value,
        "r": 70 if tickers else 30,
        "c": sure,
        "s": [{"k": ticker, **tone} for ticker in tickers],
        **({"e": again[0]} if again else {}),
    }


def _same(text: str, other: str) -> bool:
    """Whether two headlines have most words in common, and all numbers."""
    one, two = (set(re.findall(r"[\w.%$]+", each.lower())) for each in (text, other))
    differ = any(any(map(str.isdigit, word)) for word in one ^ two)
    return not differ and len(one & two) >= _IN_COMMON * len(one | two)


def _tone(text: str) -> dict[str, int]:
    lean = len(_GOOD.findall(text)) - len(_BAD.findall(text))
    if not lean:
        return {"p": 20, "u": 60, "n": 20}
    likely = min(55 + 15 * abs(lean), 85)
    other = (95 - likely) // 2
    high, low = ("p", "n") if lean > 0 else ("n", "p")
    rest = {low: other, "u": 100 - likely - other}
    return {key: ({high: likely} | rest)[key] for key in ("p", "u", "n")}


_WORDING = {
    "new": "{a} and {b} now move together: their {method} correlation over {days} days is {r}, "
    "with a 95% interval from {low} to {high}",
    "lost": "{a} and {b} no longer move together reliably: over {days} days their {method} "
    "correlation is {r}, and its 95% interval runs from {low} to {high}",
    "moved": "{a} and {b} still move together, but not as before: their {method} correlation over "
    "{days} days went to {r}",
}


def _explain(material: str, _model: str) -> Json:
    return {"e": [_told(line) for line in material.splitlines()]}


def _told(line: str) -> Json:
    # numbers as they are written: 0.40 is not 0.4
    n, kind, a, b, method, days, now, before = json.loads(line, parse_float=str)
    r, low, high, q = now
    text = _WORDING[kind].format(a=a, b=b, method=method, days=days, r=r, low=low, high=high)
    text += f"; before it was {before[0]}." if before else f" (q {q})."
    return {"i": n, "x": text}

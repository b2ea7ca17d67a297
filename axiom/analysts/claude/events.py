"""Classify headlines: the small model first, the larger one for what it was unsure of."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypedDict

from axiom.analysts.claude import prompt
from axiom.analysts.claude.answers import EventFound, Tone
from axiom.analysts.claude.interview import Interview, Result, Verdict
from axiom.analysts.claude.items import number_of, read
from axiom.analysts.claude.material import EARLIER, HEADLINE, SUMMARY, clean, is_ticker, written
from axiom.analysts.question import Ask, Effort, Question
from axiom.model import Classification, Earlier, EventType, Headline, Json, Said, Sentiment

BATCH = 40
LONGEST = 100_000  # characters of a question, which is reserved whole: a feed may send anything
HALVES = 12  # questions: enough to find the one of a batch that has it refused as a whole
TOLERANCE = 2  # percent by which three chances may miss 100


@dataclass(frozen=True, slots=True)
class Told:
    """A headline, the tickers that it was linked to, and events that it may tell again."""

    headline: Headline
    tickers: tuple[str, ...]
    earlier: Mapping[str, str]  # event -> its headline


@dataclass(frozen=True)
class Desk:
    """Who is asked, and how."""

    ask: Ask
    small: str
    large: str
    effort: Effort | None  # of the small model
    escalate_below: float

    def classify(self, batch: Sequence[Told]) -> Said[Classification]:
        """Return what was said of at most `BATCH` headlines."""
        end = _agent().invoke({"desk": self, "batch": batch})
        said, lacking = end["said"], end["lacking"]
        dropped = Counter(why for n, why in lacking.items() if n not in said) + end["extra"]
        return Said([said[n] for n in sorted(said)], dict(dropped), end["refused"])

    def sift(self, batch: Sequence[Told]) -> Iterator[tuple[range, Result[Classification]]]:
        """Ask the small model; yield what it said of which places of the batch.

        What it refuses as a whole is halved, and not mended: one headline that it will not
        read costs the others a few questions, not their answers.
        """
        waiting, halves = deque([range(1, len(batch) + 1)]), HALVES
        while waiting:
            places = waiting.popleft()
            part = [batch[n - 1] for n in places]
            result = self.put(part, self.small, self.effort, mends=len(part) == len(batch))
            if result.refused and len(part) > 1 and halves >= 2:
                middle, halves = len(part) // 2, halves - 2
                waiting += (places[:middle], places[middle:])
            else:
                yield places, result

    def put(
        self, batch: Sequence[Told], model: str, effort: Effort | None, *, mends: bool = True
    ) -> Result[Classification]:
        """Ask one model about a batch."""

        def judge(items: Sequence[Json], open_: Sequence[int] | None) -> Verdict[Classification]:
            return _judge(items, batch, model)

        interview = Interview(self.ask, "a", judge, mend_items=False, mends=mends)
        return interview.hold(_question(batch, model, effort))


class _State(TypedDict, total=False):
    desk: Desk
    batch: Sequence[Told]
    said: Mapping[int, Classification]  # by place in the batch, from 1
    lacking: Mapping[int, str]  # place -> why it was not answered
    unread: Sequence[int]  # places of what was refused as a whole
    extra: Counter[str]
    refused: str | None


@cache
def _agent() -> Any:
    """classify -> escalate (when there is something that the small model is unsure of)."""
    from langgraph.graph import END, START, StateGraph

    graph = StateGraph(_State)  # no retry policy, as in the interview
    graph.add_node("classify", _classified)
    graph.add_node("escalate", _escalated)
    graph.add_edge(START, "classify")
    graph.add_conditional_edges("classify", _next, {"escalate": "escalate", "end": END})
    graph.add_edge("escalate", END)
    return graph.compile()


def _classified(state: _State) -> _State:
    desk, batch = state["desk"], state["batch"]
    said: dict[int, Classification] = {}
    lacking: dict[int, str] = {}
    unread: list[int] = []
    extra = Counter[str]()
    for places, result in desk.sift(batch):
        if result.refused:
            lacking |= dict.fromkeys(places, result.refused)
            unread += places
        said |= {places[n - 1]: each for n, each in result.good.items()}
        lacking |= {places[n - 1]: why for n, why in result.wrong.items()}
        extra.update(result.extra)
    refused = lacking[1] if len(unread) == len(batch) else None
    return {"said": said, "lacking": lacking, "unread": unread, "extra": extra, "refused": refused}


def _next(state: _State) -> str:
    return "escalate" if _unsure(state) else "end"


def _unsure(state: _State) -> list[int]:
    """Places that the small model answered with doubt, wrongly, or left out of an answer."""
    desk, said, unread = state["desk"], state["said"], state["unread"]
    if desk.large == desk.small:
        return []
    return [
        n
        for n in range(1, len(state["batch"]) + 1)
        if n not in unread and (n not in said or said[n].confidence < desk.escalate_below)
    ]


def _escalated(state: _State) -> _State:
    """What the larger model says stands; where it says nothing, the small one's word does."""
    desk, unsure = state["desk"], _unsure(state)
    result = desk.put([state["batch"][n - 1] for n in unsure], desk.large, None)
    better = {unsure[n - 1]: said for n, said in result.good.items()}
    why = Counter(f"escalation_{reason}" for reason in result.wrong.values())
    if result.refused:
        why[f"escalation_{result.refused}"] += len(unsure)
    extra = state["extra"] + Counter(result.extra) + why
    return {"said": {**state["said"], **better}, "extra": extra}


def _question(batch: Sequence[Told], model: str, effort: Effort | None) -> Question:
    asked = prompt.events()
    tickers = sum(len(told.tickers) for told in batch)
    return Question(
        prompt=asked.name,
        system=asked.system,
        material="\n".join(_line(n, told) for n, told in enumerate(batch, 1)),
        schema=asked.schema,
        model=model,
        max_tokens=100 + 50 * len(batch) + 30 * tickers,
        subjects=tuple(told.headline.id for told in batch),
        effort=effort,
        ttl="1h",  # a run every five minutes is as often just too late as not
    )


def _line(n: int, told: Told) -> str:
    parts: list[Json] = [n, list(told.tickers), clean(told.headline.text, HEADLINE)]
    summary = clean(told.headline.summary, SUMMARY)
    if summary or told.earlier:
        parts.append(summary)
    if told.earlier:
        parts.append([clean(text, EARLIER) for text in told.earlier.values()])
    return written(parts)


def as_told(headlines: Sequence[tuple[Headline, Sequence[str]]], earlier: Earlier) -> list[Told]:
    """Each headline with those of its tickers that can be tickers, each once."""
    return [
        Told(
            headline,
            tuple(dict.fromkeys(filter(is_ticker, linked))),
            earlier.get(headline.id, {}),
        )
        for headline, linked in headlines
    ]


def batches(told: Sequence[Told]) -> Iterator[Sequence[Told]]:
    """Yield headlines for a question each: at most `BATCH`, and not longer than `LONGEST`."""
    start = length = 0
    for n, each in enumerate(told):
        longer = len(_line(n, each)) + 1
        if n - start == BATCH or (n > start and length + longer > LONGEST):
            yield told[start:n]
            start, length = n, 0
        length += longer
    if told:
        yield told[start:]


def _judge(items: Sequence[Json], batch: Sequence[Told], model: str) -> Verdict[Classification]:
    good: dict[int, Classification] = {}
    wrong: dict[int, str] = {}
    extra = Counter[str]()
    for item in items:
        n, found = number_of(item), read(EventFound, item)
        if n is None or not 1 <= n <= len(batch):
            extra["not_asked"] += 1
        elif n in good or n in wrong:
            extra["repeated"] += 1
        elif isinstance(found, str):
            wrong[n] = found
        else:
            good[n] = _classification(found, batch[n - 1], model, extra)
    missing = {n: "missing" for n in range(1, len(batch) + 1) if n not in good and n not in wrong}
    return Verdict(good, wrong | missing, extra=extra)


def _classification(
    found: EventFound, told: Told, model: str, extra: Counter[str]
) -> Classification:
    return Classification(
        headline_id=told.headline.id,
        type=EventType(found.t),
        sentiment=_sentiment(found.s, told.tickers, extra),
        relevance=found.r / 100,
        confidence=found.c / 100,
        analyst=model,
        prompt_hash=prompt.events().hash(model),
        repeats=_repeated(found.e, list(told.earlier), extra),
    )


def _repeated(place: int, events: Sequence[str], extra: Counter[str]) -> str | None:
    if 1 <= place <= len(events):
        return events[place - 1]
    if place:
        extra["earlier_not_given"] += 1
    return None


def _sentiment(
    tones: Sequence[Tone], tickers: Sequence[str], extra: Counter[str]
) -> dict[str, Sentiment]:
    found: dict[str, Sentiment] = {}
    for tone in tones:
        total = tone.p + tone.u + tone.n
        if tone.k not in tickers:
            extra["ticker_not_given"] += 1
        elif tone.k in found:
            extra["repeated"] += 1
        elif abs(total - 100) > TOLERANCE:
            extra["sum_not_one"] += 1
        else:
            found[tone.k] = Sentiment(tone.p / total, tone.u / total, tone.n / total)
    return found

"""The labelled sets of this project, read from tests/data/events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from axiom.analysts.claude.material import EARLIER, HEADLINE, clean
from axiom.model import Headline
from axiom.pipelines.judged import as_judged, told_before
from axiom.pipelines.linking import EntityFinder
from axiom.pipelines.novelty import Stories, tell_apart
from axiom.providers.universe import load_universe

HERE = Path(__file__).parent / "data" / "events"
STORIES_TUNE, STORIES_HELD = HERE / "stories_tune.txt", HERE / "stories_held.txt"
STORIES_MORE = HERE / "stories_tune_more.txt"
STORIES_FRESH, UNRELATED = HERE / "stories_fresh.txt", HERE / "stories_unrelated.txt"
STORIES_OTHER = HERE / "stories_other.txt"  # by another hand
STORIES_DEV = tuple(HERE / f"stories_dev{n}.txt" for n in (2, 3, 4))  # slot by slot
# by another hand, blind; scored once before they were learnt from
STORIES_BLIND = (HERE / "stories_wires.txt", HERE / "stories_desks.txt")
# by four more hands, to learn from
STORIES_HANDS = {
    hand: tuple(HERE / f"stories_{hand}_{n}.txt" for n in (1, 2, 3, 4))
    for hand in ("us", "world", "firms", "macro")
}
# blind, scored once by the shipped model; never learnt from, and no error was read
STORIES_LAST = (HERE / "stories_last_1.txt", HERE / "stories_last_2.txt")
TOLD_AGAIN = HERE / "told_again_by_claude.jsonl"
FACTS = Path(__file__).parents[1] / "axiom" / "data" / "facts.jsonl"
LINKING_TUNE, LINKING_HELD = HERE / "linking_tune.txt", HERE / "linking_held.txt"
TYPES_HELD = HERE / "types_held.txt"
MORE_COMPANIES = HERE / "linking_universe.json"
HOW = {"=": "same words", "~": "light edit", "%": "other words"}
NEAR_DUPLICATES = ("same words", "light edit")


@dataclass(frozen=True, slots=True)
class Told:
    """A headline of a labelled story; `how` is "first" or how it was told again."""

    text: str
    story: int
    how: str
    family: int
    type: str


def stories(path: Path) -> list[Told]:
    """Read labelled stories, in the order in which they are told."""
    found: list[Told] = []
    family = story = 0
    kind, how = "", ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip():
            family += 1
        elif line.startswith("+"):
            story, kind, how = story + 1, line[2:], "first"
        elif not line.startswith("#"):
            text = line if how == "first" else line[2:]
            found.append(Told(text, story, how or HOW[line[0]], family, kind))
            how = ""
    return found


def facts_by_week(*, held: bool) -> list[list[Told]]:
    """Read half of the shipped facts, those of a week together: to learn from, or kept aside.

    A story is wholly in one half, by a hash of its name.
    """
    weeks: dict[int, list[Told]] = {}
    begun: dict[str, tuple[int, int]] = {}
    for line in FACTS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if sha256(row["story"].encode()).digest()[0] % 2 == held:
            week = datetime.fromisoformat(row["published_at"]).toordinal() // 7
            week, story = begun.setdefault(row["story"], (week, len(begun)))
            how = "first" if row["telling"] == 1 else "other words"
            told = Told(row["headline"], story, how, week, row["type"])
            weeks.setdefault(week, []).append(told)
    return list(weeks.values())


def linked(path: Path) -> list[tuple[str, set[str]]]:
    """Read headlines, each with the tickers of whom it concerns."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    parts = [line.split(" | ", 1) for line in lines]
    return [(text, set(who.split(",")) - {"-"}) for who, text in parts]


def typed(path: Path) -> Iterator[tuple[str, str]]:
    """Read headlines, each with its event type."""
    kind = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("=="):
            kind = line[3:]
        elif not line.startswith("#"):
            yield line, kind


@dataclass(frozen=True, slots=True)
class Company:
    """A company beside those of the shipped universe."""

    ticker: str
    name: str
    aliases: tuple[str, ...]


def more_companies() -> list[Company]:
    """Read companies whose names are words, parts of others, or share classes."""
    rows = json.loads(MORE_COMPANIES.read_text())["companies"]
    return [Company(row["ticker"], row["name"], tuple(row["aliases"])) for row in rows]


Judge = Callable[[str, Mapping[str, str]], str | None]
"""Which of some stories (id -> own words) a headline tells again, None for none."""


@dataclass
class ClaudeJudge:
    """Says of a set's headlines what a Claude model said; docs/explanation/events.md tells how."""

    said: Mapping[str, Mapping[str, bool]]  # headline -> earlier headlines put beside it
    put: int = 0  # pairs that it was asked about here
    unknown: int = 0  # of these, pairs that Claude never saw: taken for different

    def __call__(self, text: str, earlier: Mapping[str, str]) -> str | None:
        known = self.said.get(clean(text, HEADLINE), {})
        words = {event_id: clean(each, EARLIER) for event_id, each in earlier.items()}
        self.put += len(words)
        self.unknown += len(set(words.values()) - known.keys())
        return next((event_id for event_id, each in words.items() if known.get(each)), None)


def claude_judge(name: str) -> ClaudeJudge:
    """Read what Claude said of a set."""
    rows = map(json.loads, TOLD_AGAIN.read_text(encoding="utf-8").splitlines()[1:])
    return ClaudeJudge(
        {
            row["headline"]: {text: n == row["e"] for n, text in enumerate(row["earlier"], 1)}
            for row in rows
            if row["set"] == name
        }
    )


def claude_prompt() -> tuple[str, str]:
    """Return the name of the prompt that was put, and the hash of its words."""
    first = json.loads(TOLD_AGAIN.read_text(encoding="utf-8").splitlines()[0])
    return first["prompt"], first["words"]


# --- measuring -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoveltyScore:
    """How well stories are told apart: shares, and repeats found by how they were told."""

    repeats: int
    found: int
    stories: int
    lost: int
    by_how: dict[str, tuple[int, int]]
    by_stage: dict[str, int]

    @property
    def found_share(self) -> float:
        return self.found / self.repeats

    @property
    def lost_share(self) -> float:
        return self.lost / self.stories

    @property
    def near_duplicates(self) -> tuple[int, int]:
        """Return how many near-duplicates proper were found, of how many.

        They are told in the same words, or lightly edited; not freely in other words.
        """
        told = [self.by_how.get(how, (0, 0)) for how in NEAR_DUPLICATES]
        return sum(found for found, _ in told), sum(of for _, of in told)


def measure_novelty(
    told: list[Told], embed: Callable[..., Any], judge: Judge = lambda _, __: None
) -> NoveltyScore:
    """Tell a set's headlines one after the other, a minute apart, and count.

    A repeat is found when it is linked to where the first telling of its story
    went; a distinct event is lost when its first telling is taken for a repeat.
    """
    finder = EntityFinder(load_universe().companies)
    begun = datetime(2026, 1, 5, tzinfo=UTC)
    headlines = [
        Headline(each.text, begun + timedelta(minutes=n), f"wire-{n}")
        for n, each in enumerate(told)
    ]
    vectors = embed([each.text for each in told])
    made = Stories(embed, finder.canonical)
    said = tell_apart(headlines, [], vectors, [[] for _ in told], made, "test")
    near = {each.telling.event_id: each.earlier for each in said if each.earlier}
    repeats = {
        each.telling.event_id: story
        for each in said
        if (story := judge(each.telling.headline.text, {e: text for e, text, _ in each.earlier}))
    }
    before = told_before(repeats, near)
    went: dict[int, str] = {}
    found, lost, stages = Counter[str](), 0, Counter[str]()
    for each, one in zip(told, said, strict=True):
        telling = as_judged(one.telling, before)
        event_id, stage = telling.event_id, telling.found_by
        if each.story not in went:
            went[each.story] = event_id
            lost += stage != "first"
        elif went[each.story] == event_id:
            found[each.how] += 1
            stages[stage] += 1
    asked = Counter(each.how for each in told if each.how != "first")
    by_how = {how: (found[how], asked[how]) for how in asked}
    return NoveltyScore(asked.total(), found.total(), len(went), lost, by_how, dict(stages))


def together(scores: list[NoveltyScore]) -> NoveltyScore:
    """Add up scores of parts of a set."""
    how = {name for each in scores for name in each.by_how}
    stages = sum((Counter(each.by_stage) for each in scores), Counter[str]())
    return NoveltyScore(
        sum(each.repeats for each in scores),
        sum(each.found for each in scores),
        sum(each.stories for each in scores),
        sum(each.lost for each in scores),
        {
            name: (
                sum(each.by_how.get(name, (0, 0))[0] for each in scores),
                sum(each.by_how.get(name, (0, 0))[1] for each in scores),
            )
            for name in sorted(how)
        },
        dict(stages),
    )


def measure_linking(rows: list[tuple[str, set[str]]]) -> tuple[float, float]:
    """Return precision and recall over all links of a set."""
    finder = EntityFinder([*load_universe().companies, *more_companies()])
    at = datetime(2026, 1, 5, tzinfo=UTC)
    pairs = [(set(finder.find(Headline(text, at, "wire"))), who) for text, who in rows]
    right = sum(len(said & who) for said, who in pairs)
    return right / sum(len(said) for said, _ in pairs), right / sum(len(who) for _, who in pairs)

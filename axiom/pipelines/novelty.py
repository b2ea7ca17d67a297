"""Which headlines tell a new story, and which tell a known one again: in three stages.

*exact*: the same words, whatever their case, punctuation and source. *near*: few
words changed (MinHash of letter runs, then their Jaccard index) and nothing at odds.
*semantic*: near in meaning (embeddings), and likely one story by all that both state
(`axiom/pipelines/weighing.py`). What is new after that comes with the stories that it
sounds like, for the analyst to say. The thresholds are measured on labelled stories of
this project; docs/explanation/events.md has the figures.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from axiom.model import Headline, Telling
from axiom.pipelines.likeness import DRESS, Reading, agree, read, undressed
from axiom.pipelines.weighing import likenesses

if TYPE_CHECKING:
    from datasketch import MinHashLSH
    from numpy.typing import NDArray

NEAR = 0.70  # Jaccard index of two wordings' letter runs
SAME = 0.65  # likeness of a headline to the tellings of a story
RELATED = 0.55  # cosine of two events of one story line
ASKED = 0.35  # cosine from which an analyst is asked whether it is that story
ASKED_ABOUT = 4  # stories, the nearest first
NEIGHBOURS = 12  # stored events that a headline is compared with, the nearest first
CLOSEST_SHARE = 0.6  # of the closest telling in a story's likeness; the rest is their mean
KINDS = ("first", "exact", "near", "semantic")  # and "analyst", who is asked about the first
_PERMUTATIONS = 64
_SOURCE = re.compile(r"\s+[-|–—]\s+(?:[A-Z][\w.&']*\s?){1,3}$|\s*\((?:\d|[Uu]pdate\w*)\)$")
_MARKS = re.compile(r"[^\w%$€£+&]+")

Candidate = tuple[str, str, float]
"""A story that a headline may tell again: its id, its own words, and the cosine."""
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


@dataclass(frozen=True, slots=True)
class Found:
    """A headline's story, how like what was known it is, and what it is related to."""

    telling: Telling
    likeness: float  # to the likeliest known story, whether it is that one or not
    related: tuple[str, ...]  # events near in meaning
    earlier: Sequence[Candidate]  # of a new story: those that it may tell again, the nearest first


def exact_key(text: str) -> str:
    """Return what is the same for the same words in another dress."""
    plain = DRESS.sub("", unicodedata.normalize("NFKC", text).strip())
    without = _SOURCE.sub("", plain) if not plain.isupper() else plain
    return " ".join(_MARKS.sub(" ", without.replace("'", "").replace("’", "").casefold()).split())


@lru_cache(maxsize=20_000)
def shingles(key: str) -> frozenset[str]:
    """Return runs of four letters."""
    return frozenset(key[n : n + 4] for n in range(max(len(key) - 3, 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of what either has that both have."""
    return len(a & b) / len(a | b) if a or b else 1.0


@dataclass(slots=True)
class Told:
    """A telling that others are compared with; its vector is made when it is asked for."""

    text: str
    event_id: str
    reading: Reading
    stored: bool  # it is its story's first, whose vector the store compares
    vector: NDArray[Any] | None = None


@dataclass
class Stories:
    """What was told, by exact words, by wording, and by story.

    `embed` is asked for the meaning of stored tellings only where a candidate
    makes it needed; `canonical` puts one name for each company.
    """

    embed: Embed
    canonical: Callable[[str], str]
    told: list[Told] = field(default_factory=list)
    by_key: dict[str, str] = field(default_factory=dict)
    by_event: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))

    def add(
        self, text: str, event_id: str, vector: NDArray[Any] | None = None, stored: bool = False
    ) -> None:
        """Remember a telling."""
        key = exact_key(text)
        if self.by_key.get(key) == event_id:
            return  # the same words again tell nothing more
        told = Told(text, event_id, self.read(text), stored, vector)
        if key not in self.by_key:
            self._wordings.insert(len(self.told), _minhash(key))
        self.by_key.setdefault(key, event_id)
        self.told.append(told)
        self.by_event[event_id].append(told)

    def words(self, event_id: str) -> str:
        """Return a story's own words: of the headline that it was made of, not of an older one."""
        told = self.by_event[event_id]
        return next((each.text for each in told if each.stored), told[0].text)

    def read(self, text: str) -> Reading:
        """Read a headline; undressed first, since "UPDATE 2-Nvidia" is no name."""
        return read(self.canonical(undressed(text)))

    def near(self, text: str, reading: Reading) -> tuple[float, str]:
        """Return the closest wording that states nothing else: its Jaccard index and its story."""
        key = exact_key(text)
        own = shingles(key)
        best = (0.0, "")
        for place in self._wordings.query(_minhash(key)):
            other = self.told[place]
            alike = jaccard(own, shingles(exact_key(other.text)))
            if alike >= NEAR and agree(reading, other.reading):
                best = max(best, (alike, other.event_id))
        return best

    def semantic(
        self, reading: Reading, vector: NDArray[Any], cosines: Mapping[str, float]
    ) -> tuple[float, str]:
        """Return the likeliest of some stories and how likely it is.

        `cosines` are of the stories to compare with: to the first telling of each.
        """
        told = [each for event_id in cosines for each in self.by_event[event_id]]
        if not told:
            return 0.0, ""
        to_each = [
            cosines[each.event_id] if each.vector is None else float(vector @ each.vector)
            for each in told
        ]
        found: dict[str, list[float]] = defaultdict(list)
        likely = likenesses(reading, [each.reading for each in told], to_each)
        for each, alike in zip(told, likely, strict=True):
            found[each.event_id].append(float(alike))
        return max((_of_story(alike), event_id) for event_id, alike in found.items())

    def prepare(self, events: set[str]) -> None:
        """Make the vectors that no store compares: of the further tellings of some stories."""
        import numpy as np

        missing = [
            told
            for event_id in sorted(events)
            for told in self.by_event[event_id]
            if told.vector is None and not told.stored
        ]
        for told, vector in zip(missing, self.embed([t.text for t in missing]), strict=True):
            told.vector = np.asarray(vector)

    @cached_property
    def _wordings(self) -> MinHashLSH:
        from datasketch import MinHashLSH

        # asked for more than is taken, so that the index seldom misses: the Jaccard index decides
        return MinHashLSH(threshold=NEAR - 0.15, num_perm=_PERMUTATIONS)


def _of_story(alike: Sequence[float]) -> float:
    return CLOSEST_SHARE * max(alike) + (1 - CLOSEST_SHARE) * sum(alike) / len(alike)


@lru_cache(maxsize=20_000)
def _minhash(key: str) -> Any:
    from datasketch import LeanMinHash, MinHash

    made = MinHash(num_perm=_PERMUTATIONS, seed=1)
    made.update_batch([shingle.encode() for shingle in shingles(key)])
    return LeanMinHash(made)


def tell_apart(
    headlines: Sequence[Headline],
    known: Sequence[Mapping[str, Any]],
    vectors: Sequence[Sequence[float]],
    candidates: Sequence[Sequence[tuple[str, float]]],
    stories: Stories,
    market: str,
) -> list[Found]:
    """Link each headline to its story, in the order given.

    `known` are rows with headline_id, event_id and headline; `candidates` are stored events
    near each vector with their cosines. One that is not among `known` was
    embedded by a run that died before it stored anything, or is too old, and is no
    story to repeat. Headlines are compared with those before them, too.
    """
    import numpy as np

    for row in known:
        first = row["headline_id"] == row["event_id"]
        stories.add(row["headline"], row["event_id"], stored=first)
    stored = set(stories.by_event)
    near = [{e: cosine for e, cosine in each if e in stored} for each in candidates]
    stories.prepare({e for each in near for e in each})
    made = np.asarray(vectors, dtype=float)
    own: list[str] = []  # stories of the earlier headlines of this batch
    copies = np.zeros(len(headlines), dtype=bool)  # the same words again tell nothing more
    found = []
    for place, headline in enumerate(headlines):
        batch = list(_alike(made, place, own, copies))
        cosines = dict(reversed(batch)) | near[place]  # by the nearest telling of each
        kind, event_id, alike = _found(headline, made[place], cosines, stories)
        telling = Telling(headline, event_id, market, 1.0 if kind == "first" else alike, kind)
        related = [*candidates[place], *batch]
        others = dict.fromkeys(e for e, cosine in related if cosine >= RELATED and e != event_id)
        nearest = _nearest([*near[place].items(), *batch]) if kind == "first" else []
        earlier = [(e, stories.words(e), cosine) for e, cosine in nearest]
        found.append(Found(telling, alike, tuple(others), earlier))
        own.append(event_id)
        copies[place] = kind == "exact"
        stories.add(headline.text, event_id, made[place])
    return found


def _nearest(cosines: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return the stories that are near enough to ask about, the nearest first."""
    best = dict(sorted(cosines, key=lambda each: each[1]))  # the nearest telling of each
    nearest = sorted(best.items(), key=lambda each: -each[1])[:ASKED_ABOUT]
    return [(event_id, min(cosine, 1.0)) for event_id, cosine in nearest if cosine >= ASKED]


def _found(
    headline: Headline, vector: NDArray[Any], cosines: Mapping[str, float], stories: Stories
) -> tuple[str, str, float]:
    """Return how a headline's story was found, which it is, and the likeness."""
    if same := stories.by_key.get(exact_key(headline.text)):
        return "exact", same, 1.0
    reading = stories.read(headline.text)
    worded = stories.near(headline.text, reading)
    if worded[0]:
        return "near", worded[1], min(worded[0], 1.0)
    meant = stories.semantic(reading, vector, cosines)
    if meant[0] >= SAME:
        return "semantic", meant[1], min(meant[0], 1.0)
    return "first", headline.id, min(meant[0], 1.0)


def _alike(
    vectors: NDArray[Any], place: int, own: Sequence[str], copies: NDArray[Any]
) -> Iterator[tuple[str, float]]:
    """Yield stories of earlier headlines of the batch that are nearest, with their cosines."""
    import numpy as np

    if not own:
        return
    cosines = vectors[:place] @ vectors[place]
    cosines[copies[:place]] = -np.inf
    nearest = np.argpartition(-cosines, min(NEIGHBOURS, place - 1))[:NEIGHBOURS]
    for index in nearest[np.argsort(-cosines[nearest])]:
        if not copies[index]:
            yield own[index], float(cosines[index])

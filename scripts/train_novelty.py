"""Weigh what makes two headlines the same story, and print what that finds.

    python scripts/train_novelty.py labelled_headlines.csv.gz

Learns from the labelled stories of tests/data/events that are not kept aside and a half of
axiom/data/facts.jsonl, pair by pair, and writes the model to axiom/data/novelty.json.
That unrelated headlines are no repeats it learns from the training part of the "Twitter
Financial News Sentiment" set (MIT by its card), which is not shipped: without them
a pair with nothing in common, and so nothing at odds, is taken for one story. From what was
kept aside (held, fresh, last, the other half of the facts) it never learns;
benchmarks/events.py and the tests measure that. The threshold comes from what is printed: what
each other hand wrote is told to a model that learnt from the rest. A quarter of an hour.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))
import train_sentiment

from axiom.analysts.embedding import embed
from axiom.pipelines import novelty, weighing
from axiom.pipelines.likeness import VETOES, read, undressed
from axiom.pipelines.linking import EntityFinder
from axiom.pipelines.novelty import NEIGHBOURS
from axiom.pipelines.weighing import all_features, vetoed
from axiom.providers.universe import load_universe
from tests.labelled import (
    STORIES_BLIND,
    STORIES_DEV,
    STORIES_HANDS,
    STORIES_MORE,
    STORIES_OTHER,
    STORIES_TUNE,
    Told,
    facts_by_week,
    measure_novelty,
    stories,
    together,
)

MODEL = Path(__file__).parents[1] / "axiom" / "data" / "novelty.json"
STRENGTH = 0.5  # by cross-validation over families of stories, like the shape of the trees
DEPTH, TREES = 4, 100
LEAST_COSINE = 0.25  # pairs below it are of no use as bad examples
THRESHOLDS = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
UNRELATED, TOGETHER = 2_000, 100  # headlines of other days, and how many are taken as one day's
MOST_COSINE = 0.7  # unrelated ones that are nearer may tell the same after all
LEAST_SEEN = 2  # a word in fewer headlines is as rare as one that was never seen


@cache
def _embedded(texts: tuple[str, ...]) -> list[list[float]]:
    return embed(texts)


def remembered(texts: Sequence[str]) -> list[list[float]]:
    """Embed once what is told at each threshold."""
    return _embedded(tuple(texts))


Pair = tuple[dict[str, float], bool]


def pairs(told: list[Told], finder: EntityFinder) -> Iterator[Pair]:
    """Yield the features of pairs, whether they are of one story, and or two."""
    readings = [read(finder.canonical(undressed(each.text))) for each in told]
    vectors = np.array(remembered([each.text for each in told]))
    for a, b in combinations(range(len(told)), 2):
        cosine = float(vectors[a] @ vectors[b])
        alike = told[a].story == told[b].story
        if alike or cosine >= LEAST_COSINE:
            found = all_features(readings[a], readings[b], cosine)
            if not vetoed(found):
                yield kept(found), alike


def kept(found: dict[str, float]) -> dict[str, float]:
    """Return what is weighed: all but what decides alone."""
    return {name: x for name, x in found.items() if name not in VETOES}


def unrelated_pairs(path: str, finder: EntityFinder) -> Iterator[Pair]:
    """Yield pairs of a headline and those that are nearest among a hundred others."""
    texts = train_sentiment.load_split(path)[0][:UNRELATED]
    for start in range(0, UNRELATED, TOGETHER):
        day = texts[start : start + TOGETHER]
        readings = [read(finder.canonical(undressed(text))) for text in day]
        vectors = np.array(embed(day))
        cosines = np.tril(vectors @ vectors.T, -1)
        for a, row in enumerate(cosines):
            for b in np.argsort(-row[:a])[:NEIGHBOURS]:
                found = all_features(readings[a], readings[b], float(row[b]))
                if row[b] <= MOST_COSINE and not vetoed(found):
                    yield kept(found), False


def count_words(sets: list[list[Told]], finder: EntityFinder) -> dict[str, Any]:
    """Count in how many headlines each word is."""
    told = [each.text for one in sets for each in one]
    readings = [read(finder.canonical(undressed(text))) for text in told]
    seen = Counter(word for each in readings for word in each.words)
    often = {word: n for word, n in sorted(seen.items()) if n >= LEAST_SEEN}
    return {"headlines": len(told), "seen": often}


def linear(table: np.ndarray, same: list[bool], names: list[str]) -> dict[str, Any]:
    """Fit a logistic regression, in the features' own units."""
    scaler = StandardScaler().fit(table)
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(scaler.transform(table), same)
    weights = model.coef_[0] / np.where(scaler.scale_ == 0, 1, scaler.scale_)
    bias = float(model.intercept_[0] - (weights * scaler.mean_).sum())
    rounded = {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}
    return {"bias": round(bias, 4), "weights": rounded}


def boosted(table: np.ndarray, same: list[bool]) -> dict[str, Any]:
    """Grow trees, and write them as rows of equal length."""
    model = GradientBoostingClassifier(
        n_estimators=TREES, learning_rate=0.1, max_depth=DEPTH, min_samples_leaf=15,
        subsample=0.7, max_features=0.5, random_state=0,
    ).fit(table, same)  # fmt: skip
    grown = [each[0].tree_ for each in model.estimators_]
    longest = max(tree.node_count for tree in grown)
    rows: dict[str, list[list[float]]] = {
        name: [] for name in ("feature", "threshold", "left", "right", "value")
    }
    for tree in grown:
        own = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        columns = {
            "feature": np.where(leaf, 0, tree.feature),
            "threshold": np.where(leaf, 0, tree.threshold).round(6),
            "left": np.where(leaf, own, tree.children_left),
            "right": np.where(leaf, own, tree.children_right),
            "value": np.where(leaf, tree.value[:, 0, 0] * model.learning_rate, 0).round(5),
        }
        for name, column in columns.items():
            rows[name].append([*column.tolist(), *[0] * (longest - tree.node_count)])
    share = float(np.mean(same))
    return {"depth": DEPTH, "start": round(float(np.log(share / (1 - share))), 4), "trees": rows}


def use(model: dict[str, Any]) -> None:
    """Write a model, and have it read."""
    text = json.dumps(model, separators=(",", ":"), ensure_ascii=False)
    MODEL.write_text(text + "\n", encoding="utf-8")
    for each in (weighing._measured, weighing._seen, weighing._model):
        each.cache_clear()


def learn(found: list[Pair]) -> dict[str, Any]:
    """Fit both models to pairs."""
    table = np.array([list(row.values()) for row, _ in found], np.float32)
    same = [alike for _, alike in found]
    return linear(table, same, list(found[0][0])) | boosted(table, same)


def leave_one_out(
    files: dict[str, list[list[Told]]], found: dict[str, list[Pair]], finder: EntityFinder
) -> None:
    """Print how well a hand is told apart by a model that learnt from the others."""
    for name in ("earlier hands", *STORIES_HANDS):
        others = [one for other, sets in files.items() if other != name for one in sets]
        learnt = [pair for other, each in found.items() if other != name for pair in each]
        use(learn(learnt) | count_words(others, finder))
        for novelty.SAME in THRESHOLDS:
            score = together([measure_novelty(one, remembered) for one in files[name]])
            near, of = score.near_duplicates
            print(
                f"{name} {novelty.SAME:.2f}: near {near} of {of},"
                f" lost {score.lost} of {score.stories}, {score.by_how}"
            )


def main() -> None:
    """Measure, learn and write."""
    finder = EntityFinder(load_universe().companies)
    files = {hand: list(map(stories, paths)) for hand, paths in STORIES_HANDS.items()}
    files["earlier hands"] = [stories(path) for path in (STORIES_OTHER, *STORIES_BLIND)]
    files["own"] = [stories(path) for path in (STORIES_TUNE, STORIES_MORE, *STORIES_DEV)]
    files["facts"] = facts_by_week(held=False)
    counted = count_words([one for sets in files.values() for one in sets], finder)
    use(counted)  # the features read it
    found = {
        name: [pair for one in sets for pair in pairs(one, finder)] for name, sets in files.items()
    }
    found["unrelated"] = list(unrelated_pairs(sys.argv[1], finder))
    leave_one_out(files, found, finder)
    model = learn([pair for each in found.values() for pair in each]) | counted
    use(model)
    print(json.dumps(model["weights"], indent=1))


if __name__ == "__main__":
    main()

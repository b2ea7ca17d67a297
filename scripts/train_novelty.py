"""Weigh what makes two headlines the same story, and print what that finds.

    python scripts/train_novelty.py

Learns from tests/data/events/stories_tune.txt, stories_tune_more.txt and a half of
axiom/data/facts.jsonl, pair by pair, and writes the model to axiom/data/novelty.json. What
was kept aside (stories_held.txt, the other half of the facts) is measured by
benchmarks/events.py and the tests, never used here. A minute or two.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))
from axiom.analysts.embedding import embed
from axiom.pipelines.likeness import VETOES, read
from axiom.pipelines.linking import EntityFinder
from axiom.pipelines.weighing import _measured, _seen, all_features, vetoed
from axiom.providers.universe import load_universe
from tests.labelled import STORIES_MORE, STORIES_TUNE, Told, facts_by_week, stories

MODEL = Path(__file__).parents[1] / "axiom" / "data" / "novelty.json"
STRENGTH = 0.5  # by cross-validation over families of stories, like the shape of the trees
DEPTH, TREES = 4, 100
LEAST_COSINE = 0.25  # pairs below it are of no use as bad examples
LEAST_SEEN = 2  # a word in fewer headlines is as rare as one that was never seen


def pairs(told: list[Told], finder: EntityFinder) -> Iterator[tuple[dict[str, float], bool]]:
    """Yield the features of pairs, and whether they are of one story."""
    readings = [read(finder.canonical(each.text)) for each in told]
    vectors = np.array(embed([each.text for each in told]))
    for a, b in combinations(range(len(told)), 2):
        cosine = float(vectors[a] @ vectors[b])
        alike = told[a].story == told[b].story
        if alike or cosine >= LEAST_COSINE:
            found = all_features(readings[a], readings[b], cosine)
            if not vetoed(found):
                yield {name: x for name, x in found.items() if name not in VETOES}, alike


def count_words(sets: list[list[Told]], finder: EntityFinder) -> dict[str, Any]:
    """Count in how many headlines each word is."""
    told = [each.text for one in sets for each in one]
    seen = Counter(word for text in told for word in read(finder.canonical(text)).words)
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


def main() -> None:
    """Learn and write."""
    finder = EntityFinder(load_universe().companies)
    sets = [stories(STORIES_TUNE), stories(STORIES_MORE), *facts_by_week(held=False)]
    MODEL.write_text(json.dumps(count_words(sets, finder)))  # the features read it
    _measured.cache_clear()
    _seen.cache_clear()
    found = [pair for one in sets for pair in pairs(one, finder)]
    names = list(found[0][0])
    table = np.array([list(row.values()) for row, _ in found], np.float32)
    same = [alike for _, alike in found]
    model = linear(table, same, names) | boosted(table, same) | dict(_measured())
    MODEL.write_text(json.dumps(model, separators=(",", ":"), ensure_ascii=False) + "\n")
    print(f"{sum(same)} pairs of one story, {len(same) - sum(same)} of two")
    print(json.dumps(model["weights"], indent=1))


if __name__ == "__main__":
    main()

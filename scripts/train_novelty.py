"""Weigh what makes two headlines the same story, and print what that finds.

    python scripts/train_novelty.py

Learns from tests/data/events/stories_tune.txt, pair by pair, and writes the
weights and the thresholds to axiom/data/novelty.json. What was kept aside
(stories_held.txt) is measured by benchmarks/events.py and the tests, never used here.
"""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))
from axiom.analysts.embedding import embed
from axiom.pipelines.likeness import VETOES, features, read
from axiom.pipelines.linking import EntityFinder
from axiom.providers.universe import load_universe
from tests.labelled import STORIES_TUNE, stories

WEIGHTS = Path(__file__).parents[1] / "axiom" / "data" / "novelty.json"
STRENGTH = 2.0  # chosen with the threshold by cross-validation over families of stories
LEAST_COSINE = 0.3  # pairs below it are of no use as bad examples


def main() -> None:
    """Learn and write."""
    told = stories(STORIES_TUNE)
    finder = EntityFinder(load_universe().companies)
    readings = [read(finder.canonical(each.text)) for each in told]
    vectors = np.array(embed([each.text for each in told]))
    rows, same = [], []
    for a, b in combinations(range(len(told)), 2):
        cosine = float(vectors[a] @ vectors[b])
        alike = told[a].story == told[b].story
        found = features(readings[a], readings[b], cosine)
        if (alike or cosine >= LEAST_COSINE) and not any(found[name] for name in VETOES):
            rows.append({name: found[name] for name in found if name not in VETOES})
            same.append(alike)
    table = np.array([list(row.values()) for row in rows], float)
    scaler = StandardScaler().fit(table)
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(scaler.transform(table), same)
    scales = np.where(scaler.scale_ == 0, 1, scaler.scale_)
    weights = model.coef_[0] / scales
    bias = float(model.intercept_[0] - (weights * scaler.mean_).sum())
    found = {"bias": bias} | dict(zip(rows[0], map(float, weights), strict=True))
    text = json.dumps({"weights": {name: round(w, 4) for name, w in found.items()}}, indent=1)
    WEIGHTS.write_text(text + "\n")
    print(f"{sum(same)} pairs of one story, {len(same) - sum(same)} of two")
    print(text)


if __name__ == "__main__":
    main()

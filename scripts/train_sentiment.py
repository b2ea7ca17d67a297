"""Train the local sentiment model and print how good it is.

    python scripts/train_sentiment.py labelled_headlines.csv.gz

Reads headlines with a label (0 negative, 1 positive, 2 neutral), keeps a fifth
aside for measuring, and writes the weights, trained on the rest, to
axiom/data/sentiment.npz. Terms, weights of classes and strength of
regularisation were chosen, and the temperature is, by cross-validation within
that rest. The set is not shipped; axiom/data/NOTICE.md names it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.model_selection import StratifiedKFold

sys.path.insert(0, str(Path(__file__).parents[1]))
from axiom.analysts.sentiment import BLOCKS, CLASSES, WEIGHTS, SentimentModel

LABELS = {0: "negative", 1: "positive", 2: "neutral"}
SEED, ASIDE = 7, 0.2
LEAST_OFTEN = {"words": 2, "letters": 3, "kinds": 2}  # headlines that hold a term
STRENGTH = 2.0
# the two rarer classes count for more, between their share and equality: for macro-F1
CLASS_WEIGHT = {0: 1.6, 1: 1.0, 2: 1.3}


def load_split(path: str) -> tuple[list[str], np.ndarray, list[str], np.ndarray]:
    """Return texts and classes to train on, then those kept aside."""
    import pandas as pd
    from sklearn.model_selection import train_test_split

    table = pd.read_csv(path)
    labels = [CLASSES.index(LABELS[label]) for label in table["label"]]
    train, test, train_y, test_y = train_test_split(
        list(table["text"]), labels, test_size=ASIDE, random_state=SEED, stratify=labels
    )
    return train, np.array(train_y), test, np.array(test_y)


def vectorizers() -> dict[str, TfidfVectorizer]:
    """Return one for each block of terms."""
    return {
        block: TfidfVectorizer(analyzer=terms, sublinear_tf=True, min_df=LEAST_OFTEN[block])
        for block, terms in BLOCKS.items()
    }


def fitted(features: csr_matrix, labels: np.ndarray) -> LogisticRegression:
    """Return the linear model."""
    model = LogisticRegression(C=STRENGTH, class_weight=CLASS_WEIGHT, max_iter=500)
    return model.fit(features, labels)


def out_of_fold(texts: list[str], labels: np.ndarray) -> np.ndarray:
    """Return logits of each headline by a model that did not see it."""
    logits = np.zeros((len(texts), len(CLASSES)))
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
    for seen, unseen in folds.split(texts, labels):
        made = vectorizers().values()
        known = hstack([each.fit_transform([texts[n] for n in seen]) for each in made]).tocsr()
        asked = hstack([each.transform([texts[n] for n in unseen]) for each in made]).tocsr()
        logits[unseen] = fitted(known, labels[seen]).decision_function(asked)
    return logits


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities of rows of logits."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return what logits are divided by for the best likelihood (Guo et al., 2017)."""
    found = minimize_scalar(
        lambda t: log_loss(labels, softmax(logits / t)), bounds=(0.2, 5), method="bounded"
    )
    return float(found.x)


def scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return accuracy, macro-F1 and expected calibration error."""
    said = probabilities.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(labels, said)),
        "macro_f1": float(f1_score(labels, said, average="macro")),
        "calibration_error": calibration_error(probabilities, labels),
    }


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error over equal bins of confidence (Guo et al., 2017)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[place == b].mean() - right[place == b].mean()) * (place == b).mean()
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))


def train(texts: list[str], labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the weights' file holds."""
    made = vectorizers()
    blocks = {name: each.fit_transform(texts) for name, each in made.items()}
    model = fitted(hstack(list(blocks.values())).tocsr(), labels)
    packed = {
        "bias": model.intercept_.astype(np.float32),
        "temperature": np.float32(temperature(out_of_fold(texts, labels), labels)),
    }
    start = 0
    for name, each in made.items():
        end = start + blocks[name].shape[1]
        packed[f"{name}_terms"] = np.array("\n".join(each.get_feature_names_out()))
        packed[f"{name}_idf"] = each.idf_.astype(np.float16)
        packed[f"{name}_weights"] = model.coef_[:, start:end].T.astype(np.float16)
        start = end
    return packed


def main(path: str) -> None:
    """Train, write the weights, measure on what was kept aside."""
    texts, labels, aside, truth = load_split(path)
    logits = out_of_fold(texts, labels)
    by_fold = scores(softmax(logits / temperature(logits, labels)), labels)
    np.savez_compressed(WEIGHTS, **train(texts, labels))
    print(f"{len(texts)} trained, {len(aside)} kept aside; {WEIGHTS.stat().st_size:,} bytes")
    for name, found in (("by cross-validation", by_fold), ("kept aside", measured(aside, truth))):
        print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()))


def measured(texts: list[str], labels: np.ndarray) -> dict[str, float]:
    """Return the scores of the shipped weights."""
    return scores(SentimentModel().predict(texts), labels)


if __name__ == "__main__":
    main(sys.argv[1])

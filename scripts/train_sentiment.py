"""Train the local sentiment model and print how good it is.

    python scripts/train_sentiment.py labelled_headlines.csv.gz

Reads headlines with a label (0 negative, 1 positive, 2 neutral), keeps a fifth
aside for measuring, and writes the weights, trained on the rest, to
axiom/data/sentiment.npz. The set is not shipped; axiom/data/NOTICE.md names it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split

sys.path.insert(0, str(Path(__file__).parents[1]))
from axiom.analysts.embedding import embed
from axiom.analysts.sentiment import CLASSES, WEIGHTS, SentimentModel, tokens

LABELS = {0: "negative", 1: "positive", 2: "neutral"}
TERMS = 30_000
EMBEDDING_SCALE = 1.5  # weight of the embedding beside TF-IDF rows of length one


def main(path: str) -> None:
    """Train, measure on what was kept aside, write the weights."""
    table = pd.read_csv(path)
    labels = [CLASSES.index(LABELS[label]) for label in table["label"]]
    train_text, test_text, train_y, test_y = train_test_split(
        list(table["text"]), labels, test_size=0.2, random_state=7, stratify=labels
    )
    vectorizer = TfidfVectorizer(
        tokenizer=tokens, lowercase=False, token_pattern=None, ngram_range=(1, 2),
        sublinear_tf=True, min_df=2, max_features=TERMS,
    )  # fmt: skip
    terms = vectorizer.fit_transform(train_text).toarray().astype(np.float32)
    features = np.hstack([terms, EMBEDDING_SCALE * np.asarray(embed(train_text))])
    model = LogisticRegression(C=6.0, max_iter=400).fit(features, train_y)
    np.savez_compressed(
        WEIGHTS,
        terms=vectorizer.get_feature_names_out().astype(str),
        idf=vectorizer.idf_.astype(np.float16),
        term_weights=model.coef_[:, : terms.shape[1]].T.astype(np.float16),
        embedding_weights=(EMBEDDING_SCALE * model.coef_[:, terms.shape[1] :].T).astype(np.float32),
        bias=model.intercept_.astype(np.float32),
    )
    probabilities = SentimentModel().predict(test_text)
    said = probabilities.argmax(axis=1)
    print(f"{len(train_y)} trained, {len(test_y)} kept aside; {WEIGHTS.stat().st_size:,} bytes")
    print(f"accuracy {accuracy_score(test_y, said):.3f}")
    print(f"macro-F1 {f1_score(test_y, said, average='macro'):.3f}")
    print(f"calibration error {calibration_error(probabilities, np.array(test_y)):.3f}")


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equal bins of confidence (Guo et al., 2017)."""
    confidence, said = probabilities.max(axis=1), probabilities.argmax(axis=1)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[place == b].mean() - (said == truth)[place == b].mean())
        * (place == b).mean()
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))


if __name__ == "__main__":
    main(sys.argv[1])

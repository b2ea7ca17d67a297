"""How a headline sounds: logistic regression on TF-IDF and the sentence embedding.

Trained by `scripts/train_sentiment.py`; numpy alone is needed to use it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axiom.analysts.embedding import embed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = ("negative", "neutral", "positive")
WEIGHTS = Path(__file__).parents[1] / "data" / "sentiment.npz"
_TOKEN = re.compile(r"\$[a-z]+|[a-z]+(?:'[a-z]+)?|\d[\d.,]*%?")
_DROPPED = re.compile(r"https?://\S+")


def tokens(text: str) -> list[str]:
    """Words in lower case; numbers, percentages and tickers as kinds."""
    return [_kind(token) for token in _TOKEN.findall(_DROPPED.sub("", text).lower())]


def _kind(token: str) -> str:
    if token[0] == "$":
        return "<ticker>"
    if token[0].isdigit():
        return "<percent>" if token.endswith("%") else "<number>"
    return token


class SentimentModel:
    """Probabilities of negative, neutral and positive."""

    @cached_property
    def _weights(self) -> dict[str, NDArray[Any]]:
        import numpy as np

        with np.load(WEIGHTS) as packed:
            return dict(packed.items())

    @cached_property
    def _place(self) -> dict[str, int]:
        return {term: n for n, term in enumerate(self._weights["terms"].tolist())}

    def predict(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return an array of (texts, 3), columns as in CLASSES; each row sums to 1."""
        import numpy as np

        weights = self._weights
        logits = np.asarray(embed(texts)) @ weights["embedding_weights"] + weights["bias"]
        for row, text in enumerate(texts):
            logits[row] += self._terms(text)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
        return found

    def _terms(self, text: str) -> Any:
        """The terms' share of the logits: sublinear TF times IDF, at length one."""
        import numpy as np

        words = tokens(text)
        counts: dict[int, int] = {}
        for term in (*words, *(f"{a} {b}" for a, b in pairwise(words))):
            if (place := self._place.get(term)) is not None:
                counts[place] = counts.get(place, 0) + 1
        if not counts:
            return 0.0
        places = np.fromiter(counts, int)
        values = (1 + np.log(np.fromiter(counts.values(), float))) * self._weights["idf"][places]
        return (values / np.linalg.norm(values)) @ self._weights["term_weights"][places]

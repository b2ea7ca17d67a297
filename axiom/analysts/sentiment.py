"""How a headline sounds: a linear model over TF-IDF, with calibrated probabilities.

Trained by `scripts/train_sentiment.py`; numpy alone is needed to use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axiom.analysts.sentiment_terms import kind_terms, letter_terms, word_terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = ("negative", "neutral", "positive")
WEIGHTS = Path(__file__).parents[1] / "data" / "sentiment.npz"
BLOCKS: Mapping[str, Callable[[str], list[str]]] = {
    "words": word_terms,
    "letters": letter_terms,
    "kinds": kind_terms,
}


class SentimentModel:
    """Probabilities of negative, neutral and positive.

    Each block's TF-IDF (sublinear, at length one, as scikit-learn's) times its
    weights; the sum divided by the temperature that made the probabilities of
    headlines kept out of training agree with how often they were right.
    """

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._path = weights

    @cached_property
    def _weights(self) -> dict[str, NDArray[Any]]:
        import numpy as np

        with np.load(self._path) as packed:
            return {
                name: array.astype(np.float32) if array.dtype == np.float16 else array
                for name, array in packed.items()
            }

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        return {
            block: {
                term: n for n, term in enumerate(str(self._weights[f"{block}_terms"]).split("\n"))
            }
            for block in BLOCKS
        }

    def predict(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return an array of (texts, 3), columns as in CLASSES; each row sums to 1."""
        import numpy as np

        if not texts:
            return np.empty((0, len(CLASSES)))
        logits = self._weights["bias"] + sum(self._logits(block, texts) for block in BLOCKS)
        logits = logits / self._weights["temperature"]
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
        return found

    def _logits(self, block: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return what one block adds to the logits of each text."""
        import numpy as np

        place, terms_of = self._places[block].get, BLOCKS[block]
        counts = [Counter(map(place, terms_of(text))) for text in texts]
        for each in counts:
            each.pop(None, None)
        rows = np.repeat(np.arange(len(texts)), [len(each) for each in counts])
        places = np.fromiter((n for each in counts for n in each), int, len(rows))
        often = np.fromiter((n for each in counts for n in each.values()), float, len(rows))
        values = (1 + np.log(often)) * self._weights[f"{block}_idf"][places]
        length = np.sqrt(np.bincount(rows, values**2, len(texts)))
        weighted = (values / length[rows])[:, None] * self._weights[f"{block}_weights"][places]
        added = [np.bincount(rows, weighted[:, n], len(texts)) for n in range(len(CLASSES))]
        return np.stack(added, axis=1)

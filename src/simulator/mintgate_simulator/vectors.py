"""Embedding vectors: one fixed unit vector for every length, ready as JSON and as bytes.

A real vector would depend on the text; nothing between a client and its provider looks at that, and
a fixed one keeps embeddings cheap to simulate.
"""

from __future__ import annotations

import base64
import math
import struct
from functools import lru_cache

import orjson

DIMENSIONS_MAX = 16_384
VECTORS_KEPT_MAX = 64


@lru_cache(maxsize=VECTORS_KEPT_MAX)
def vector_json(dimensions: int) -> orjson.Fragment:
    """The vector as a JSON array."""
    return orjson.Fragment(orjson.dumps(_vector(dimensions)))


@lru_cache(maxsize=VECTORS_KEPT_MAX)
def vector_base64(dimensions: int) -> str:
    """The vector as little-endian 32-bit floats in base64."""
    packed = struct.pack(f"<{dimensions}f", *_vector(dimensions))
    return base64.b64encode(packed).decode()


def _vector(dimensions: int) -> list[float]:
    raw = [math.cos(index) for index in range(dimensions)]
    length = math.sqrt(sum(value * value for value in raw))
    return [round(value / length, 8) for value in raw]

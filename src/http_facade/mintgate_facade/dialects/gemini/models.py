"""`GET /v1beta/models` and `GET /v1beta/models/{model}` (google/genai/models.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import orjson

from mintgate_facade.dialects.catalogue import find_price, page_size, unique_models
from mintgate_facade.dialects.checks import refused

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1_000


def list_body(prices: Sequence[ModelPrice], query: Mapping[str, str]) -> bytes:
    """Build one page; the page token is the name of its first model."""
    size = page_size(query, "pageSize", PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    models = unique_models(prices)
    names = [price.model for price in models]
    token = query.get("pageToken", "")
    if token and token not in names:
        raise refused("'pageToken' is not one that this list gave.", "pageToken")
    start = names.index(token) if token else 0
    page: dict[str, object] = {"models": [_model(p) for p in models[start : start + size]]}
    if start + size < len(models):
        page["nextPageToken"] = names[start + size]
    return orjson.dumps(page)


def single_body(prices: Sequence[ModelPrice], name: str) -> bytes:
    """Build one model. Raises `RefusedRequest` when it is not in the catalogue."""
    return orjson.dumps(_model(find_price(prices, name)))


def _model(price: ModelPrice) -> dict[str, object]:
    embeds = "embedding" in price.model
    model: dict[str, object] = {
        "name": f"models/{price.model}",
        "version": "",
        "displayName": price.model,
        "supportedGenerationMethods": (
            ["embedContent", "batchEmbedContents"] if embeds else ["generateContent", "countTokens"]
        ),
    }
    if price.context_window:
        model["inputTokenLimit"] = price.context_window
    if price.max_output_tokens:
        model["outputTokenLimit"] = price.max_output_tokens
    return model

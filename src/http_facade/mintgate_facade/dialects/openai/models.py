"""`GET /models` and `GET /models/{model}` from the catalogue (openai/types/model.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from mintgate_facade.dialects.catalogue import find_price, unique_models

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

    from mintgate_facade.dialects.openai.flavor import Flavor


def list_body(prices: Sequence[ModelPrice], flavor: Flavor) -> bytes:
    """Build the list; OpenAI does not page it."""
    data = [_model(price, flavor) for price in unique_models(prices)]
    return orjson.dumps({"object": "list", "data": data})


def single_body(prices: Sequence[ModelPrice], name: str, flavor: Flavor) -> bytes:
    """Build one model. Raises `RefusedRequest` when it is not in the catalogue."""
    return orjson.dumps(_model(find_price(prices, name), flavor))


def _model(price: ModelPrice, flavor: Flavor) -> dict[str, object]:
    return {
        "id": price.model,
        "object": "model",
        "created": price.effective_at_ms // 1000,
        "owned_by": price.provider,
        **flavor.model_card,
    }

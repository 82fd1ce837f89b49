"""`GET /v1/models` and `/v1/models/{model}` from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS

from mintgate_facade.dialects.catalogue import find_price, unique_models

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

_ONLY_STREAMED = "flux-general"


def list_body(prices: Sequence[ModelPrice]) -> bytes:
    """Build the list, which is two: what hears and what speaks."""
    models = unique_models(prices)
    return orjson.dumps(
        {
            "stt": [_model(price) for price in models if _bills(price, UNIT_INPUT_AUDIO_MS)],
            "tts": [_model(price) for price in models if _bills(price, UNIT_INPUT_CHARACTERS)],
        }
    )


def single_body(prices: Sequence[ModelPrice], name: str) -> bytes:
    """Build one model. Raises `RefusedRequest` when it is not in the catalogue."""
    return orjson.dumps(_model(find_price(prices, name)))


def _model(price: ModelPrice) -> dict[str, object]:
    model: dict[str, object] = {
        "name": price.model,
        "canonical_name": price.model,
        "architecture": price.model.rpartition("-")[0] or price.model,
        "languages": [],
        "uuid": "",
    }
    if _bills(price, UNIT_INPUT_AUDIO_MS):
        model |= {"batch": not price.model.startswith(_ONLY_STREAMED), "streaming": False}
    return model


def _bills(price: ModelPrice, unit: int) -> bool:
    return any(each.unit == unit for rates in price.rates for each in rates.prices)

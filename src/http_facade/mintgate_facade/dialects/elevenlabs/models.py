"""`GET /v1/models` from the catalogue (elevenlabs/types/model.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS

from mintgate_facade.dialects.catalogue import unique_models

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice


def list_body(prices: Sequence[ModelPrice]) -> bytes:
    """Build the list; ElevenLabs neither wraps nor pages it."""
    return orjson.dumps([_model(price) for price in unique_models(prices)])


def _model(price: ModelPrice) -> dict[str, object]:
    units = {each.unit for rates in price.rates for each in rates.prices}
    return {
        "model_id": price.model,
        "name": price.model,
        "can_be_finetuned": False,
        "can_do_text_to_speech": UNIT_INPUT_CHARACTERS in units,
        "can_do_voice_conversion": UNIT_INPUT_AUDIO_MS in units and "scribe" not in price.model,
        "languages": [],
    }

"""`GET /api/v1/models` from the catalogue (dashscope/v2/resources/models.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import orjson

from mintgate_facade.dialects.catalogue import page_size, unique_models

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

PAGE_SIZE_DEFAULT = 10
PAGE_SIZE_MAX = 1_000
PAGES_MAX = 100_000


def list_body(prices: Sequence[ModelPrice], query: Mapping[str, str]) -> bytes:
    """Build one page, of all models or of the one that the query names.

    A name that is not there has an empty page: the SDK makes its own error of that.
    """
    wanted = query.get("model", "")
    known = [price for price in unique_models(prices) if wanted in {"", price.model}]
    size = page_size(query, "page_size", PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    page = page_size(query, "page_no", 1, PAGES_MAX)
    shown = known[(page - 1) * size : page * size]
    output = {
        "total": len(known),
        "page_no": page,
        "page_size": size,
        "models": [{"model": price.model, "provider": price.provider} for price in shown],
    }
    return orjson.dumps({"request_id": "", "output": output})

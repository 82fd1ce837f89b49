"""`GET /v1/models` and `GET /v1/models/{model}` (anthropic/types/model_info.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from mintgate_facade.dialects.catalogue import find_price, page_size, unique_models
from mintgate_facade.dialects.checks import refused

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

LIMIT_DEFAULT = 20
LIMIT_MAX = 1_000


def list_body(prices: Sequence[ModelPrice], query: Mapping[str, str]) -> bytes:
    """Build one page; `after_id` and `before_id` are cursors and exclusive."""
    limit = page_size(query, "limit", LIMIT_DEFAULT, LIMIT_MAX)
    models = unique_models(prices)
    names = [price.model for price in models]
    before = query.get("before_id", "")
    if before:
        end = _position(names, before, "before_id")
        start = max(0, end - limit)
        has_more = start > 0
    else:
        after = query.get("after_id", "")
        start = _position(names, after, "after_id") + 1 if after else 0
        end = min(start + limit, len(models))
        has_more = end < len(models)
    page = [_model(price) for price in models[start:end]]
    return orjson.dumps(
        {
            "data": page,
            "has_more": has_more,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
    )


def single_body(prices: Sequence[ModelPrice], name: str) -> bytes:
    """Build one model. Raises `RefusedRequest` when it is not in the catalogue."""
    return orjson.dumps(_model(find_price(prices, name)))


def _position(names: list[str], cursor: str, param: str) -> int:
    if cursor not in names:
        raise refused(f"{param}: {cursor[:64]!r} is not a model of this list.", param)
    return names.index(cursor)


def _model(price: ModelPrice) -> dict[str, object]:
    created = datetime.fromtimestamp(price.effective_at_ms // 1000, tz=UTC)
    return {
        "type": "model",
        "id": price.model,
        "display_name": price.model,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": price.context_window or None,
        "max_tokens": price.max_output_tokens or None,
    }

"""Sums by key and by model, put together from one list of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from mintgate.v1 import meter_pb2

from mintgate_core.ledger.types import Key
from mintgate_core.service import convert
from mintgate_core.stores.base import Usage, UsageRow

K = TypeVar("K")


def response(
    found: Iterable[UsageRow], keys: Mapping[str, Key], from_ms: int, to_ms: int
) -> meter_pb2.GetUsageResponse:
    """Every total is a sum of the same rows, so that all of them agree to the nano-dollar."""
    total = Usage()
    by_key: dict[str, Usage] = {}
    by_model: dict[tuple[str, str], Usage] = {}
    models_of: dict[str, list[UsageRow]] = {}
    for row in found:
        total += row.usage
        by_key[row.key_id] = by_key.get(row.key_id, Usage()) + row.usage
        model = (row.provider, row.model)
        by_model[model] = by_model.get(model, Usage()) + row.usage
        models_of.setdefault(row.key_id, []).append(row)
    return meter_pb2.GetUsageResponse(
        from_ms=from_ms,
        to_ms=to_ms,
        totals=convert.totals(total),
        by_key=[
            _key_usage(key_id, keys.get(key_id), usage, models_of[key_id])
            for key_id, usage in _dearest(by_key)
        ],
        by_model=[
            meter_pb2.ModelUsage(provider=provider, model=model, totals=convert.totals(usage))
            for (provider, model), usage in _dearest(by_model)
        ],
    )


def _key_usage(
    key_id: str, key: Key | None, usage: Usage, models: list[UsageRow]
) -> meter_pb2.KeyUsage:
    models.sort(key=lambda row: (-row.usage.charged, row.provider, row.model))
    return meter_pb2.KeyUsage(
        key_id=key_id,
        key_name=key.name if key else "",
        key_prefix=key.prefix if key else "",
        external_user_id=key.external_user_id if key else "",
        totals=convert.totals(usage),
        by_model=[
            meter_pb2.ModelUsage(
                provider=row.provider, model=row.model, totals=convert.totals(row.usage)
            )
            for row in models
        ],
    )


def _dearest(sums: dict[K, Usage]) -> list[tuple[K, Usage]]:
    return sorted(sums.items(), key=lambda item: (-item[1].charged, str(item[0])))

"""What the local models routes of all dialects share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.dialects.checks import refused

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice


def unique_models(prices: Sequence[ModelPrice]) -> list[ModelPrice]:
    """Sort by name, one entry a model."""
    by_name = {price.model: price for price in prices}
    return [by_name[name] for name in sorted(by_name)]


def find_price(prices: Sequence[ModelPrice], name: str) -> ModelPrice:
    """Find the price of one model; without a name the caller has looked it up already."""
    for price in prices:
        if not name or price.model == name:
            return price
    message = (
        f"The model '{name}' does not exist here, or it has no price."
        if name
        else ("The model does not exist here, or it has no price.")
    )
    raise RefusedRequest(Failure(FailureKind.MODEL_NOT_FOUND, message, param="model"))


def page_size(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Read a page size from the query, 1..`most`."""
    value = query.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 6 and 1 <= int(value) <= most):  # noqa: PLR2004 - keeps int() short
        raise refused(f"'{name}' must be an integer from 1 to {most}.", name)
    return int(value)

"""`/v1/catalog`: the models that can be used, and what they cost. Public; a key narrows it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from mintgate.v1.meter_pb2 import ListPricesRequest, ModelPrice, RateSet
from mintgate.v1.unit_pb2 import Unit
from mintgate.words import word
from starlette.responses import Response

from mintgate_facade.control import schemas
from mintgate_facade.control.core import CoreDependency
from mintgate_facade.control.reading import credential
from mintgate_facade.control.writing import answer, usd_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mintgate.v1.unit_pb2 import UnitPrice

    from mintgate_facade.control.core import Core

CATALOG_KEPT_S = 10.0
"""Nobody can make the core list all prices more often, as the route is public."""
_PICO_PER_NANO = 1_000
_MILLION = 1_000_000
_NS_PER_MS = 1_000_000


def catalog_router(
    core: Core,
    now_s: Callable[[], float] = time.monotonic,
    wall_ns: Callable[[], int] = time.time_ns,
) -> APIRouter:
    """The one public route of the price book."""
    router = APIRouter(tags=["catalog"])
    kept: list[tuple[float, Response]] = []

    @router.get("/v1/catalog", responses=schemas.answers(200, schemas.CatalogAnswer))
    async def get_catalog(request: Request, asked: CoreDependency) -> Response:
        """List every model that has a price, with the prices in force.

        With a key: those that it may use, at its account's prices.
        """
        if request.headers.get("authorization") or request.headers.get("x-api-key"):
            own = await asked.call(asked.meter.ListPrices, ListPricesRequest(), credential(request))
            return _page(own.prices, wall_ns())
        if kept and now_s() - kept[0][0] < CATALOG_KEPT_S:
            return kept[0][1]
        response = await core.ask(core.meter.ListPrices, ListPricesRequest())
        page = _page(response.prices, wall_ns())
        kept[:] = [(now_s(), page)]
        return page

    return router


def _page(prices: Sequence[ModelPrice], now_ns: int) -> Response:
    return answer(
        {
            "providers": sorted({price.provider for price in prices}),
            "models": [_model_view(price) for price in prices],
            "generated_at": now_ns // _NS_PER_MS,
        }
    )


def _model_view(price: ModelPrice) -> dict[str, Any]:
    return {
        "slug": price.model,
        "provider": price.provider,
        "context_window": price.context_window or None,
        "max_output_tokens": price.max_output_tokens or None,
        "prices": [_rates_view(rates) for rates in price.rates],
        "multipliers_permille": dict(price.multipliers_permille),
        "price_version": price.price_version,
        "effective_at": price.effective_at_ms or None,
        "source": price.source,
    }


def _rates_view(rates: RateSet) -> dict[str, Any]:
    return {
        "variant": rates.variant or None,
        "units": _units_view(rates.prices),
        "tiers": [
            {"above_input_tokens": tier.above_input_tokens, "units": _units_view(tier.prices)}
            for tier in rates.tiers
        ],
    }


def _units_view(prices: Iterable[UnitPrice]) -> dict[str, Any]:
    """By unit: exact picodollars of one, and dollars of a million, as price lists have it."""
    return {
        word(Unit, price.unit): {
            "pico_usd": price.pico_usd,
            # A million units cost pico * 10^6 * 10^-3 nano-USD, which is exact.
            "usd_per_million": usd_number(price.pico_usd * (_MILLION // _PICO_PER_NANO)),
        }
        for price in prices
    }

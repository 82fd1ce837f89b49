"""`/v1/usage`, `/v1/keys/{id}/usage`, `/v1/billing/balance`: what was used and what is left."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from mintgate.errors import PermissionDenied
from mintgate.v1.keys_pb2 import AuthenticateRequest, GetRequest, Key
from mintgate.v1.ledger_pb2 import EventStatus, GetBalanceRequest, SettledBy
from mintgate.v1.meter_pb2 import (
    Event,
    GetUsageRequest,
    KeyUsage,
    ListEventsRequest,
    ModelUsage,
    UsageTotals,
)
from mintgate.v1.unit_pb2 import Unit
from mintgate.words import word
from starlette.responses import Response

from mintgate_facade.control import schemas
from mintgate_facade.control.core import Core, CoreDependency
from mintgate_facade.control.keys import spend_view
from mintgate_facade.control.models import EventPage, Window
from mintgate_facade.control.reading import credential
from mintgate_facade.control.writing import answer, to_micros, usd_number

router = APIRouter(tags=["usage"])

OWN_KEY = "me"
"""Stands for the key that asks."""


@router.get("/v1/usage", responses=schemas.answers(200, schemas.UsageAnswer))
async def get_usage(
    request: Request, core: CoreDependency, window: Annotated[Window, Query()]
) -> Response:
    """Sum a window by key and model; equals the sum of its events exactly."""
    response = await core.call(
        core.meter.GetUsage,
        GetUsageRequest(from_ms=window.from_ms, to_ms=window.to_ms),
        credential(request),
    )
    return answer(
        {
            "from_ms": response.from_ms,
            "to_ms": response.to_ms,
            **_totals(response.totals, "total_"),
            "by_key": [_by_key(usage) for usage in response.by_key],
            "by_model": [_by_model(usage) for usage in response.by_model],
        }
    )


@router.get("/v1/keys/{key_id}/usage", responses=schemas.answers(200, schemas.KeyUsageAnswer))
async def get_key_usage(
    request: Request, core: CoreDependency, key_id: str, page: Annotated[EventPage, Query()]
) -> Response:
    """Read a key's way to its cap and its charges, newest first. `me` is the caller's own."""
    caller = credential(request)
    key = await _key(core, key_id, caller)
    response = await core.call(
        core.meter.ListEvents,
        ListEventsRequest(
            key_id=key.id,
            from_ms=page.from_ms,
            to_ms=page.to_ms,
            before_sequence=page.cursor,
            page_size=page.limit,
        ),
        caller,
    )
    return answer(
        {
            "key_id": key.id,
            "key_name": key.name,
            "key_prefix": key.prefix,
            **spend_view(key),
            "events": [event_view(event) for event in response.events],
            "next_cursor": response.next_before_sequence or None,
        }
    )


async def _key(core: Core, key_id: str, caller: str) -> Key:
    """The key asked about. A standard key may ask about itself and nothing else."""
    if key_id != OWN_KEY:
        try:
            return (await core.call(core.keys.Get, GetRequest(key_id=key_id), caller)).key
        except PermissionDenied:
            own = await core.call(core.keys.Authenticate, AuthenticateRequest(), caller)
            if own.key.id != key_id:
                raise
            return own.key
    return (await core.call(core.keys.Authenticate, AuthenticateRequest(), caller)).key


@router.get("/v1/billing/balance", responses=schemas.answers(200, schemas.BalanceAnswer))
async def get_balance(request: Request, core: CoreDependency) -> Response:
    """Read the account's wallet; any key may."""
    balance = await core.call(core.ledger.GetBalance, GetBalanceRequest(), credential(request))
    return answer(
        {
            "balance_micros": to_micros(balance.balance_nano_usd),
            "balance_nanos": balance.balance_nano_usd,
            "balance_usd": usd_number(balance.balance_nano_usd),
            "held_micros": to_micros(balance.held_nano_usd),
            "held_nanos": balance.held_nano_usd,
            "available_micros": to_micros(balance.available_nano_usd),
            "available_nanos": balance.available_nano_usd,
            "spent_micros": to_micros(balance.spent_nano_usd),
            "spent_nanos": balance.spent_nano_usd,
            "postpaid": balance.postpaid,
        }
    )


def _totals(totals: UsageTotals, prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}cost_micros": to_micros(totals.cost_nano_usd),
        f"{prefix}cost_nanos": totals.cost_nano_usd,
        f"{prefix}absorbed_nanos": totals.absorbed_nano_usd,
        f"{prefix}input_tokens": totals.input_tokens,
        f"{prefix}output_tokens": totals.output_tokens,
        f"{prefix}cache_read_tokens": totals.cache_read_tokens,
        f"{prefix}cache_write_tokens": totals.cache_write_tokens,
        "request_count": totals.request_count,
    }


def _by_model(usage: ModelUsage) -> dict[str, Any]:
    count = usage.totals.request_count
    return {
        "model_slug": usage.model,
        "provider_slug": usage.provider,
        **_totals(usage.totals),
        "avg_latency_ms": usage.totals.latency_ms // count if count else 0,
    }


def _by_key(usage: KeyUsage) -> dict[str, Any]:
    return {
        "key_id": usage.key_id,
        "name": usage.key_name,
        "key_name": usage.key_name,
        "key_prefix": usage.key_prefix,
        "external_user_id": usage.external_user_id or None,
        **_totals(usage.totals),
        "by_model": [_by_model(model) for model in usage.by_model],
    }


def event_view(event: Event) -> dict[str, Any]:
    """One charge, with all that its cost can be computed from again."""
    return {
        "id": event.id,
        "sequence": event.sequence,
        "key_id": event.key_id,
        "model_slug": event.model,
        "requested_model": event.requested_model,
        "provider_slug": event.provider,
        "route": event.route,
        "input_tokens": event.input_tokens,
        "output_tokens": event.output_tokens,
        "reasoning_tokens": event.reasoning_tokens,
        "units": {word(Unit, unit.unit): unit.count for unit in event.units},
        "unit_prices_pico_usd": {
            word(Unit, price.unit): price.pico_usd for price in event.unit_prices
        },
        "price_version": event.price_version,
        "variants": list(event.variants),
        "cost_micros": to_micros(event.charged_nano_usd),
        "cost_nanos": event.charged_nano_usd,
        "actual_nanos": event.actual_nano_usd,
        "absorbed_nanos": event.absorbed_nano_usd,
        "held_nanos": event.held_nano_usd,
        "prior_nanos": event.prior_nano_usd,
        "overrun": event.overrun,
        "late": event.late,
        "settled_by": word(SettledBy, event.settled_by),
        "status": word(EventStatus, event.status),
        "http_status": event.http_status,
        "latency_ms": event.latency_ms,
        "first_byte_ms": event.first_byte_ms,
        "request_id": event.request_id,
        "provider_request_id": event.provider_request_id,
        "created_at": event.at_ms,
    }

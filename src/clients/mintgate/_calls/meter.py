"""Calls of the meter service: usage, events, prices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mintgate.v1 import meter_pb2
from mintgate.v1.meter_pb2_grpc import MeterServiceStub

from .base import Answer, Call, Paged, Stream, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.message import Message

    from mintgate.v1.ledger_pb2 import Bound


def quote(
    *,
    provider: str,
    model: str,
    bound: Bound,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[meter_pb2.QuoteResponse]:
    """Return what a request would hold at most, without holding it.

    Raises `ModelUnpriced`.
    """
    request = meter_pb2.QuoteRequest(provider=provider, model=model, bound=bound)
    return _meter("Quote", request, whole, timeout_s, credential)


def usage(
    *,
    from_ms: int = 0,
    to_ms: int = 0,
    key_id: str = "",
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[meter_pb2.GetUsageResponse]:
    """Return sums by key and model over a window; they equal the sum of its events.

    `from_ms` is inclusive, 0 means the start of this UTC month; `to_ms` is
    exclusive, 0 means now. Milliseconds since 1970.
    """
    request = meter_pb2.GetUsageRequest(
        from_ms=from_ms, to_ms=to_ms, key_id=key_id, account_id=account_id
    )
    return _meter("GetUsage", request, whole, timeout_s, credential)


def events_page(
    *,
    key_id: str = "",
    from_ms: int = 0,
    to_ms: int = 0,
    before_sequence: int = 0,
    page_size: int = 0,
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[meter_pb2.ListEventsResponse]:
    """Return one page of charges, newest first; `page_size` 1..1,000, 0 means 100."""
    request = meter_pb2.ListEventsRequest(
        key_id=key_id,
        from_ms=from_ms,
        to_ms=to_ms,
        before_sequence=before_sequence,
        page_size=page_size,
        account_id=account_id,
    )
    return _meter("ListEvents", request, whole, timeout_s, credential)


def events(
    *,
    key_id: str = "",
    from_ms: int = 0,
    to_ms: int = 0,
    before_sequence: int = 0,
    page_size: int = 0,
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Paged[meter_pb2.Event]:
    """Iterate over charges, newest first; asks for a page when it is reached."""
    first = events_page(
        key_id=key_id,
        from_ms=from_ms,
        to_ms=to_ms,
        before_sequence=before_sequence,
        page_size=page_size,
        account_id=account_id,
        timeout_s=timeout_s,
        credential=credential,
    )
    return Paged(first, lambda response: response.events, "before_sequence", "next_before_sequence")


def tail(
    *,
    key_id: str = "",
    after_sequence: int = 0,
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Stream[meter_pb2.Event]:
    """Iterate over new charges as they are made, oldest first, without end.

    When the connection breaks it is made again and continues after the last
    event that was seen. `after_sequence` 0 means from now on, and from then on
    again if the connection breaks before the first event: give the sequence of
    the last event you know to miss none. There is no time limit unless
    `timeout_s` sets one.
    """
    request = meter_pb2.TailEventsRequest(
        key_id=key_id, after_sequence=after_sequence, account_id=account_id
    )
    call = _meter("TailEvents", request, whole, timeout_s, credential)

    def resume(call: Call[Any], event: meter_pb2.Event) -> Call[Any]:
        again = meter_pb2.TailEventsRequest()
        again.CopyFrom(request)
        again.after_sequence = event.sequence
        return replace(call, request=again)

    return Stream(call, lambda response: response.event, resume)


def prices(
    *,
    provider: str = "",
    model: str = "",
    account_id: str = "",
    at_ms: int = 0,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[list[meter_pb2.ModelPrice]]:
    """Return the prices in force for the account at a moment; empty filters mean all, 0 now."""
    request = meter_pb2.ListPricesRequest(
        provider=provider, model=model, account_id=account_id, at_ms=at_ms
    )
    return _meter("ListPrices", request, _prices, timeout_s, credential)


def price_list(
    *,
    provider: str = "",
    model: str = "",
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[meter_pb2.ListPricesResponse]:
    """Return the prices in force, and when the packaged ones were read."""
    request = meter_pb2.ListPricesRequest(provider=provider, model=model, account_id=account_id)
    return _meter("ListPrices", request, whole, timeout_s, credential)


def put_price(
    price: meter_pb2.ModelPrice,
    *,
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[meter_pb2.ModelPrice]:
    """Set a price from `price.effective_at_ms` on, and return it as stored.

    For the caller's account; for all accounts when the operator names none.
    """
    request = meter_pb2.PutPriceRequest(price=price, account_id=account_id)
    return _meter("PutPrice", request, lambda response: response.price, timeout_s, credential)


def put_prices(
    prices: Iterable[meter_pb2.ModelPrice],
    *,
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[list[meter_pb2.ModelPrice]]:
    """Set up to 2,048 prices as `put_price` does, all of them or none."""
    request = meter_pb2.PutPricesRequest(prices=prices, account_id=account_id)
    return _meter(
        "PutPrices", request, lambda response: list(response.prices), timeout_s, credential
    )


def price_history(
    *,
    provider: str,
    model: str,
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[list[meter_pb2.ModelPrice]]:
    """Return every price that a model has had, newest first."""
    request = meter_pb2.ListPriceHistoryRequest(
        provider=provider, model=model, account_id=account_id
    )
    return _meter("ListPriceHistory", request, _prices, timeout_s, credential)


def _prices(response: Any) -> list[meter_pb2.ModelPrice]:
    return list(response.prices)


def _meter(
    method: str,
    request: Message,
    read: Callable[[Any], Answer],
    timeout_s: float | None,
    credential: str | None,
) -> Call[Answer]:
    return Call(
        stub=MeterServiceStub,
        method=method,
        request=request,
        read=read,
        timeout_s=timeout_s,
        credential=credential,
    )

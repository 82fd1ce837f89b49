"""`MeterService`: quotes, sums, single charges, and prices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from grpc import aio
from mintgate.v1 import meter_pb2, meter_pb2_grpc

from mintgate_core.ledger import allowed
from mintgate_core.ledger.errors import Forbidden, Invalid, NotFound
from mintgate_core.ledger.types import Account
from mintgate_core.pricing import EVERY_ACCOUNT
from mintgate_core.service import convert, requests, rollup
from mintgate_core.service.cards import card_from
from mintgate_core.service.desk import Desk
from mintgate_core.service.interceptors import CALLER
from mintgate_core.service.principal import Gatekeeper, Principal, Role
from mintgate_core.service.tail import Tail
from mintgate_core.stores.base import EventQuery, Store

PRICES_MAX = 2_048
"""Prices of one call: every model of every provider, a few times over."""

Context = aio.ServicerContext[Any, Any]

TAIL_ROWS = 200
"""Events read at once by a follower that is behind."""


class MeterService(meter_pb2_grpc.MeterServiceServicer):
    """See proto/mintgate/v1/meter.proto."""

    def __init__(self, store: Store, gatekeeper: Gatekeeper, desk: Desk, tail: Tail) -> None:
        self._store = store
        self._gatekeeper = gatekeeper
        self._desk = desk
        self._tail = tail

    async def Quote(
        self, request: meter_pb2.QuoteRequest, context: Context
    ) -> meter_pb2.QuoteResponse:
        account = await self._gatekeeper.account(CALLER.get(), "")
        price, version = await self._desk.price(
            account.account_id,
            requests.slug(request.provider, "provider"),
            request.model,
            requests.bound(request.bound),
        )
        return meter_pb2.QuoteResponse(
            amount_nano_usd=price.amount_nano_usd(price.output_tokens),
            output_tokens=price.output_tokens,
            price_version=version,
        )

    async def GetUsage(
        self, request: meter_pb2.GetUsageRequest, context: Context
    ) -> meter_pb2.GetUsageResponse:
        caller = CALLER.get()
        account = await self._gatekeeper.account(caller, request.account_id)
        key_id = await self._readable_key(caller, account, request.key_id)
        now_ms = await self._store.now_ms()
        from_ms = request.from_ms or month_start_ms(now_ms)
        to_ms = request.to_ms or now_ms + 1
        window(from_ms, to_ms)
        found = await self._store.usage(
            account.wallet_id, key_id=key_id, from_ms=from_ms, to_ms=to_ms
        )
        keys = await self._store.keys_by_id(sorted({row.key_id for row in found}))
        return rollup.response(found, keys, from_ms, to_ms)

    async def ListEvents(
        self, request: meter_pb2.ListEventsRequest, context: Context
    ) -> meter_pb2.ListEventsResponse:
        caller = CALLER.get()
        account = await self._gatekeeper.account(caller, request.account_id)
        limit = requests.page_rows(request.page_size)
        for name in ("from_ms", "to_ms", "before_sequence"):
            requests.number(getattr(request, name), name, requests.TIME_MS_MAX)
        found = await self._store.events(
            EventQuery(
                wallet_id=account.wallet_id,
                key_id=await self._readable_key(caller, account, request.key_id),
                from_ms=request.from_ms,
                to_ms=request.to_ms,
                before_seq=request.before_sequence,
                limit=limit + 1,
            )
        )
        events, more = requests.page(found, limit)
        return meter_pb2.ListEventsResponse(
            events=[convert.event(detail) for detail in events],
            next_before_sequence=events[-1].seq if more else 0,
        )

    async def TailEvents(
        self, request: meter_pb2.TailEventsRequest, context: Context
    ) -> AsyncIterator[meter_pb2.TailEventsResponse]:
        caller = CALLER.get()
        account = await self._gatekeeper.account(caller, request.account_id)
        key_id = await self._readable_key(caller, account, request.key_id)
        after_seq = requests.number(request.after_sequence, "after_sequence", requests.SEQUENCE_MAX)
        if not after_seq:
            wallet = await self._store.lines([account.wallet_id])
            after_seq = wallet[account.wallet_id].seq
        while True:
            await self._gatekeeper.renew(caller)
            next_charge = self._tail.next_charge(account.wallet_id)
            found = await self._store.events(
                EventQuery(
                    wallet_id=account.wallet_id,
                    key_id=key_id,
                    after_seq=after_seq,
                    limit=TAIL_ROWS,
                    ascending=True,
                )
            )
            for detail in found:
                yield meter_pb2.TailEventsResponse(event=convert.event(detail))
                after_seq = detail.seq
            if not found:
                await self._tail.wait(next_charge)

    async def ListPrices(
        self, request: meter_pb2.ListPricesRequest, context: Context
    ) -> meter_pb2.ListPricesResponse:
        caller = CALLER.get()
        account_id = await self._price_account(caller, request.account_id)
        cards = self._desk.catalogue(account_id, request.provider, request.model, request.at_ms)
        if caller.key is not None:
            cards = [c for c in cards if allowed(caller.key, c.provider, c.model) is None]
        return meter_pb2.ListPricesResponse(
            prices=[convert.price(card) for card in cards],
            data_read_at_ms=self._desk.prices_read_at_ms,
        )

    async def PutPrice(
        self, request: meter_pb2.PutPriceRequest, context: Context
    ) -> meter_pb2.PutPriceResponse:
        account_id = await self._sold_to(request.account_id)
        kept = await self._desk.put(account_id, card_from(request.price))
        return meter_pb2.PutPriceResponse(price=convert.price(kept))

    async def PutPrices(
        self, request: meter_pb2.PutPricesRequest, context: Context
    ) -> meter_pb2.PutPricesResponse:
        account_id = await self._sold_to(request.account_id)
        requests.number(len(request.prices), "prices", PRICES_MAX, least=1)
        cards = [card_from(price) for price in request.prices]
        kept = await self._desk.put_all(account_id, cards)
        return meter_pb2.PutPricesResponse(prices=[convert.price(card) for card in kept])

    async def ListPriceHistory(
        self, request: meter_pb2.ListPriceHistoryRequest, context: Context
    ) -> meter_pb2.ListPriceHistoryResponse:
        account_id = await self._price_account(CALLER.get(), request.account_id)
        cards = self._desk.history(account_id, request.provider, request.model)
        return meter_pb2.ListPriceHistoryResponse(prices=[convert.price(card) for card in cards])

    async def _readable_key(self, caller: Principal, account: Account, key_id: str) -> str:
        """Which key's charges a caller may read: a user's key only its own; "" is all."""
        if caller.role is Role.STANDARD and caller.key is not None:
            if key_id not in ("", caller.key.key_id):
                raise Forbidden("this key may read its own usage only", field="key_id")
            return caller.key.key_id
        if key_id:
            key = await self._store.key(key_id)
            if key is None or key.account_id != account.account_id:
                raise NotFound("there is no such key", field="key_id")
        return key_id

    async def _sold_to(self, account_id: str) -> str:
        """Whose prices a caller may set: a key's its own account's, the operator's all of them."""
        caller = CALLER.get()
        if caller.role is Role.OPERATOR and not account_id:
            return EVERY_ACCOUNT
        return (await self._gatekeeper.account(caller, account_id)).account_id

    async def _price_account(self, caller: Principal, account_id: str) -> str:
        """Whose prices: a facade and the operator may ask for any account or for none."""
        if caller.key is None:
            return account_id
        account = await self._gatekeeper.account(caller, account_id)
        return account.account_id


def month_start_ms(now_ms: int) -> int:
    """Start of the month in UTC."""
    now = datetime.fromtimestamp(now_ms // 1_000, UTC)
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(start.timestamp()) * 1_000


def window(from_ms: int, to_ms: int) -> None:
    """Check a span of time. Raises `Invalid`."""
    for name, value in (("from_ms", from_ms), ("to_ms", to_ms)):
        requests.number(value, name, requests.TIME_MS_MAX)
    if from_ms > to_ms:
        raise Invalid("from_ms must not be after to_ms", field="from_ms")

"""`LedgerService`: the stream of batches, its single-operation sugar, and reads of the books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc import aio
from mintgate.v1 import ledger_pb2, ledger_pb2_grpc

from mintgate_core.ledger.errors import Forbidden, Invalid
from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.service import convert, requests
from mintgate_core.service.interceptors import CALLER
from mintgate_core.service.operations import Operator
from mintgate_core.service.principal import Gatekeeper, Role
from mintgate_core.service.revocations import Revocations
from mintgate_core.stores.base import Store

Context = aio.ServicerContext[Any, Any]


class LedgerService(ledger_pb2_grpc.LedgerServiceServicer):
    """See proto/mintgate/v1/ledger.proto."""

    def __init__(
        self,
        store: Store,
        gatekeeper: Gatekeeper,
        operator: Operator,
        revocations: Revocations,
    ) -> None:
        self._store = store
        self._gatekeeper = gatekeeper
        self._operator = operator
        self._revocations = revocations

    async def Apply(
        self, request: AsyncIterator[ledger_pb2.ApplyRequest], context: Context
    ) -> AsyncIterator[ledger_pb2.ApplyResponse]:
        caller = CALLER.get()
        async for message in request:
            await self._gatekeeper.renew(caller)
            # Read before the batch: a standby that takes over meanwhile must never lend its
            # number to what its predecessor committed. An older number is merely sent again.
            epoch = self._store.epoch
            results = await self._operator.apply(caller, message.operations)
            yield ledger_pb2.ApplyResponse(results=results, store_epoch=epoch)

    async def WatchRevocations(
        self, request: ledger_pb2.WatchRevocationsRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.WatchRevocationsResponse]:
        if request.since_ms < 0:
            raise Invalid("since_ms must be 0 or a time", field="since_ms")
        async with aclosing(self._revocations.watch(request.since_ms)) as told:
            async for news in told:
                yield ledger_pb2.WatchRevocationsResponse(
                    key_ids=news.key_ids,
                    told_until_ms=news.told_until_ms,
                    store_epoch=self._store.epoch,
                )

    async def Reserve(
        self, request: ledger_pb2.ReserveRequest, context: Context
    ) -> ledger_pb2.ReserveResponse:
        result = await self._one(ledger_pb2.Operation(reserve=request.reserve))
        return ledger_pb2.ReserveResponse(reserved=result.reserved)

    async def Extend(
        self, request: ledger_pb2.ExtendRequest, context: Context
    ) -> ledger_pb2.ExtendResponse:
        result = await self._one(ledger_pb2.Operation(extend=request.extend))
        return ledger_pb2.ExtendResponse(extended=result.extended)

    async def Progress(
        self, request: ledger_pb2.ProgressRequest, context: Context
    ) -> ledger_pb2.ProgressResponse:
        result = await self._one(ledger_pb2.Operation(progress=request.progress))
        return ledger_pb2.ProgressResponse(progressed=result.progressed)

    async def Settle(
        self, request: ledger_pb2.SettleRequest, context: Context
    ) -> ledger_pb2.SettleResponse:
        result = await self._one(ledger_pb2.Operation(settle=request.settle))
        return ledger_pb2.SettleResponse(settled=result.settled)

    async def Release(
        self, request: ledger_pb2.ReleaseRequest, context: Context
    ) -> ledger_pb2.ReleaseResponse:
        result = await self._one(ledger_pb2.Operation(release=request.release))
        return ledger_pb2.ReleaseResponse(released=result.released)

    async def Grant(
        self, request: ledger_pb2.GrantRequest, context: Context
    ) -> ledger_pb2.GrantResponse:
        account = await self._gatekeeper.account(CALLER.get(), request.grant.account_id)
        grant = ledger_pb2.Grant()
        grant.CopyFrom(request.grant)
        grant.account_id = account.account_id
        result = await self._one(ledger_pb2.Operation(grant=grant))
        return ledger_pb2.GrantResponse(granted=result.granted)

    async def _one(self, operation: ledger_pb2.Operation) -> ledger_pb2.OperationResult:
        return await self._operator.one(CALLER.get(), operation)

    async def GetBalance(
        self, request: ledger_pb2.GetBalanceRequest, context: Context
    ) -> ledger_pb2.GetBalanceResponse:
        account = await self._gatekeeper.account(CALLER.get(), request.account_id)
        wallet = (await self._store.lines([account.wallet_id]))[account.wallet_id]
        postpaid = wallet.ceiling == UNLIMITED
        balance = 0 if postpaid else wallet.ceiling - wallet.spent
        return ledger_pb2.GetBalanceResponse(
            account_id=account.account_id,
            postpaid=postpaid,
            balance_nano_usd=balance,
            held_nano_usd=wallet.held,
            spent_nano_usd=wallet.spent,
            available_nano_usd=0 if postpaid else balance - wallet.held,
            granted_nano_usd=0 if postpaid else wallet.ceiling,
        )

    async def ListJournal(
        self, request: ledger_pb2.ListJournalRequest, context: Context
    ) -> ledger_pb2.ListJournalResponse:
        account = await self._gatekeeper.account(CALLER.get(), request.account_id)
        limit = requests.page_rows(request.page_size)
        after_seq = requests.number(request.after_sequence, "after_sequence", requests.SEQUENCE_MAX)
        found = await self._store.journal(account.wallet_id, after_seq, limit + 1)
        entries, more = requests.page(found, limit)
        return ledger_pb2.ListJournalResponse(
            entries=[convert.entry(entry) for entry in entries],
            next_after_sequence=entries[-1].seq if more else 0,
        )

    async def ListHolds(
        self, request: ledger_pb2.ListHoldsRequest, context: Context
    ) -> ledger_pb2.ListHoldsResponse:
        limit = requests.page_rows(request.page_size)
        if request.every_account:
            if CALLER.get().role is not Role.OPERATOR:
                raise Forbidden("only the operator sees the holds of every account")
            if request.account_id:
                raise Invalid("name an account or ask for every one", field="every_account")
            holds = await self._store.holds(None, limit)
        else:
            account = await self._gatekeeper.account(CALLER.get(), request.account_id)
            holds = await self._store.holds(account.wallet_id, limit)
        return ledger_pb2.ListHoldsResponse(holds=[convert.hold(hold) for hold in holds])

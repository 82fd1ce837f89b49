"""What every call passes: authentication, the table of who may call what, and one error map."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any, NoReturn

import grpc
from grpc import aio

from mintgate_core.ledger.errors import Forbidden, LedgerError
from mintgate_core.service.errors import defect, to_status
from mintgate_core.service.principal import Gatekeeper, Principal, Role

CALLER: ContextVar[Principal] = ContextVar("caller")
"""The caller of the running method."""

_OWNERS = frozenset({Role.OPERATOR, Role.MASTER})
_READERS = _OWNERS | {Role.STANDARD}
_LEDGER = frozenset({Role.OPERATOR, Role.SERVICE, Role.MASTER})
_FACADES = frozenset({Role.OPERATOR, Role.SERVICE})

ALLOWED: dict[str, frozenset[Role]] = {
    "KeysService/Mint": _OWNERS,
    "KeysService/Get": _OWNERS,
    "KeysService/List": _OWNERS,
    "KeysService/Update": _OWNERS,
    "KeysService/Rotate": _OWNERS,
    "KeysService/Revoke": _OWNERS,
    "KeysService/Authenticate": _READERS | {Role.SERVICE},
    "AccountsService/CreateAccount": frozenset({Role.OPERATOR}),
    "AccountsService/ListAccounts": frozenset({Role.OPERATOR}),
    "LedgerService/Apply": _LEDGER,
    "LedgerService/Reserve": _LEDGER,
    "LedgerService/Extend": _LEDGER,
    "LedgerService/Progress": _LEDGER,
    "LedgerService/Settle": _LEDGER,
    "LedgerService/Release": _LEDGER,
    "LedgerService/Grant": frozenset({Role.OPERATOR}),
    "LedgerService/GetBalance": _READERS,
    "LedgerService/ListJournal": _OWNERS,
    "LedgerService/ListHolds": _OWNERS,
    "LedgerService/WatchRevocations": _FACADES,
    "JobsService/StartJob": _FACADES,
    "JobsService/ClaimJobs": _FACADES,
    "JobsService/RenewJob": _FACADES,
    "ObjectsService/RecordObjects": _FACADES,
    "ObjectsService/FindObjects": _FACADES,
    "ObjectsService/ListObjects": _FACADES,
    "ObjectsService/ForgetObjects": _FACADES,
    "MeterService/Quote": _READERS,
    "MeterService/GetUsage": _READERS,
    "MeterService/ListEvents": _READERS,
    "MeterService/TailEvents": _READERS,
    "MeterService/ListPrices": _READERS | {Role.SERVICE},
    "MeterService/PutPrice": _OWNERS,
    "MeterService/PutPrices": _OWNERS,
    "MeterService/ListPriceHistory": _OWNERS,
}
"""Which roles may call which method. A method that is not listed cannot be called."""

PACKAGE = "/mintgate.v1."

Handler = Any
"""`grpc.RpcMethodHandler`, which is generic in the stubs only."""


class Guard(aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Authenticates, authorises, and turns refusals into statuses."""

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the handlers of our own services; health and reflection are open."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(PACKAGE):
            return handler
        roles = ALLOWED.get(method.removeprefix(PACKAGE), frozenset())
        if handler.response_streaming:
            return self._wrap_stream(handler, roles)
        return self._wrap_unary(handler, roles)

    def _wrap_unary(self, handler: Handler, roles: frozenset[Role]) -> Handler:
        inner: Any = handler.unary_unary

        async def call(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
            try:
                CALLER.set(await self._admit(context, roles))
                return await inner(request, context)
            except LedgerError as error:
                await _abort(context, error)
            except Exception as error:  # noqa: BLE001 - logged and told as a defect
                # gRPC itself would tell the caller its text.
                await _abort(context, defect(error))

        return grpc.unary_unary_rpc_method_handler(
            call, handler.request_deserializer, handler.response_serializer
        )

    def _wrap_stream(self, handler: Handler, roles: frozenset[Role]) -> Handler:
        streaming: Any = handler
        inner = streaming.stream_stream or streaming.unary_stream

        async def call(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            try:
                CALLER.set(await self._admit(context, roles))
                async for response in inner(request, context):
                    yield response
            except LedgerError as error:
                await _abort(context, error)
            except Exception as error:  # noqa: BLE001 - logged and told as a defect
                # gRPC itself would tell the caller its text.
                await _abort(context, defect(error))

        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
        return make(call, handler.request_deserializer, handler.response_serializer)

    async def _admit(
        self, context: aio.ServicerContext[Any, Any], roles: frozenset[Role]
    ) -> Principal:
        principal = await self._gatekeeper.authenticate(
            tuple(context.invocation_metadata() or ()), context.peer()
        )
        if principal.role not in roles:
            raise Forbidden(
                f"a {principal.role.value} credential may not make this call: use {_least(roles)}"
            )
        return principal


def _least(roles: frozenset[Role]) -> str:
    """The least powerful credential that may, in words; a service token is nobody's to use."""
    return "a master key" if Role.MASTER in roles else "the operator's token"


async def _abort(context: aio.ServicerContext[Any, Any], error: LedgerError) -> NoReturn:
    code, text, trailing = to_status(error)
    await context.abort(code, text, trailing)

"""The core as the control routes see it: every call carries the caller's own credential."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import grpc
import grpc.aio
from fastapi import Depends, Request
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from mintgate.channel import CALLER_ADDRESS, CALLER_FACADE, CALLER_ORIGIN, authorization
from mintgate.errors import (
    MintgateError,
    OriginNotAllowed,
    Unavailable,
    about_own_credential,
    error_from_rpc,
)
from mintgate.v1.keys_pb2_grpc import AccountsServiceStub, KeysServiceStub
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate.v1.meter_pb2_grpc import MeterServiceStub

from mintgate_facade.relay.caller import CALLER, NOWHERE, Caller
from mintgate_facade.relay.failures import ORIGIN_NOT_SERVED

if TYPE_CHECKING:
    from collections.abc import Awaitable

CALL_WAIT_S = 10.0
HEALTH_WAIT_S = 1.0
_Request_contra = TypeVar("_Request_contra", contravariant=True)
_Response_co = TypeVar("_Response_co", covariant=True)


class _Method(Protocol[_Request_contra, _Response_co]):
    def __call__(
        self, request: _Request_contra, /, *, timeout: float, metadata: tuple[tuple[str, str], ...]
    ) -> Awaitable[_Response_co]: ...


class Core:
    """The core's services over one channel."""

    def __init__(self, channel: grpc.aio.Channel, service_token: str) -> None:
        self.keys = KeysServiceStub(channel)
        self.accounts = AccountsServiceStub(channel)
        self.ledger = LedgerServiceStub(channel)
        self.meter = MeterServiceStub(channel)
        self._service_token = service_token
        self.place: tuple[tuple[str, str], ...] = ()
        self._health = HealthStub(channel)

    def on_behalf_of(self, caller: Caller) -> Core:
        """The same core, told with each call where its caller is."""
        told = copy.copy(self)
        told.place = (
            (CALLER_FACADE, self._service_token),
            (CALLER_ORIGIN, caller.origin),
            (CALLER_ADDRESS, caller.client_address),
        )
        return told

    async def call(
        self,
        method: _Method[_Request_contra, _Response_co],
        request: _Request_contra,
        credential: str,
    ) -> _Response_co:
        """Make one call; raises `mintgate.errors.MintgateError`."""
        try:
            metadata = (*authorization(credential), *self.place)
            return await method(request, timeout=CALL_WAIT_S, metadata=metadata)
        except grpc.RpcError as failure:
            raise error_from_rpc(failure) from None

    async def ask(
        self, method: _Method[_Request_contra, _Response_co], request: _Request_contra
    ) -> _Response_co:
        """Make one call with the facade's own credential; raises as `call` does.

        That the core does not know it is nobody's fault who asked the facade.
        """
        try:
            return await self.call(method, request, self._service_token)
        except MintgateError as error:
            if about_own_credential(error):
                raise Unavailable("The ledger does not know this facade.") from None
            raise

    async def serving(self) -> bool:
        """Whether the core says that it can work."""
        try:
            response = await self._health.Check(HealthCheckRequest(), timeout=HEALTH_WAIT_S)
        except grpc.RpcError:
            return False
        return bool(response.status == HealthCheckResponse.SERVING)


def _core_of(request: Request) -> Core:
    core: Core = request.app.state.core
    caller: Caller = request.scope.get(CALLER, NOWHERE)
    if not caller.welcome:
        raise OriginNotAllowed(ORIGIN_NOT_SERVED.message)
    return core.on_behalf_of(caller)


CoreDependency = Annotated[Core, Depends(_core_of)]
"""Gives a route the application's core, on behalf of the request's caller."""

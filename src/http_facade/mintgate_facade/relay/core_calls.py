"""The few single calls to the core that provider routes make beside the ledger link."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import grpc
from mintgate.errors import about_own_credential, error_from_rpc
from mintgate.v1.keys_pb2 import AuthenticateRequest
from mintgate.v1.meter_pb2 import ListPricesRequest

from mintgate_facade.dialects.base import RefusedRequest
from mintgate_facade.relay.failures import LEDGER_AWAY, failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mintgate.v1.keys_pb2 import Key
    from mintgate.v1.keys_pb2_grpc import KeysServiceAsyncStub
    from mintgate.v1.meter_pb2 import ModelPrice
    from mintgate.v1.meter_pb2_grpc import MeterServiceAsyncStub

    from mintgate_facade.dialects.base import Failure
    from mintgate_facade.relay.caller import Caller

CALL_WAIT_S = 3.0
PRICES_KEPT_S = 10.0
"""How long a list of models may be old; money never depends on it."""
PRICES_KEPT_MAX = 1_024
"""Lists kept, one an account and provider."""


class CoreCalls:
    """Asks the core who a key is and what models there are, with the service's credential."""

    def __init__(
        self,
        keys: KeysServiceAsyncStub,
        meter: MeterServiceAsyncStub,
        service_token: str,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._meter = meter
        self._metadata = (("authorization", f"Bearer {service_token}"),)
        self._now_s = now_s
        self._prices: OrderedDict[tuple[str, str], tuple[float, Sequence[ModelPrice]]] = (
            OrderedDict()
        )

    async def authenticate(
        self, secret_sha256: bytes, caller: Caller, provider: str, model: str = ""
    ) -> Key:
        """Say whose key it is, if it may be used here, for this provider and this model.

        Raises `RefusedRequest` (401, 403, 503).
        """
        try:
            response = await self._keys.Authenticate(
                AuthenticateRequest(
                    secret_sha256=secret_sha256,
                    origin=caller.origin,
                    client_address=caller.client_address,
                    provider=provider,
                    model=model,
                ),
                timeout=CALL_WAIT_S,
                metadata=self._metadata,
            )
        except grpc.RpcError as failure:
            raise RefusedRequest(refusal_of(failure)) from None
        return response.key

    async def prices(self, account_id: str, provider: str) -> Sequence[ModelPrice]:
        """The models of a provider that the account has prices for; raises `RefusedRequest`."""
        kept_for = (account_id, provider)
        known = self._prices.get(kept_for)
        if known is not None and self._now_s() - known[0] < PRICES_KEPT_S:
            return known[1]
        try:
            response = await self._meter.ListPrices(
                ListPricesRequest(provider=provider, account_id=account_id),
                timeout=CALL_WAIT_S,
                metadata=self._metadata,
            )
        except grpc.RpcError as failure:
            raise RefusedRequest(refusal_of(failure)) from None
        self._prices[kept_for] = (self._now_s(), response.prices)
        self._prices.move_to_end(kept_for)
        if len(self._prices) > PRICES_KEPT_MAX:
            self._prices.popitem(last=False)
        return response.prices


def refusal_of(failure: grpc.RpcError) -> Failure:
    """What a refused call of the core's means to the caller of a provider route."""
    error = error_from_rpc(failure)
    # A core that does not know this facade says nothing about the key that was asked about.
    return LEDGER_AWAY if about_own_credential(error) else failure_of(error.to_proto())

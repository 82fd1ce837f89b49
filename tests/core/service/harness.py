"""A whole core in process, reached over real gRPC, with a clock that the test turns.

Nothing of ours is replaced: a real store on a real file, real lanes, a real
server and a real channel. Only the clock is the test's.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from mintgate import AsyncClient, RetryPolicy, new_id
from mintgate.v1 import (
    error_pb2,
    keys_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    meter_pb2,
    meter_pb2_grpc,
    unit_pb2,
)
from mintgate_core import sweeper
from mintgate_core.app import Core, CoreOptions, running, serving
from mintgate_core.bootstrap import FirstAccount
from mintgate_core.clock import Clock
from mintgate_core.stores.base import Store

OPERATOR = "operator-token-of-this-test-0123456789"
SERVICE = "service-token-of-this-test-0123456789"
START_MS = 1_795_442_400_000
"""2026-11-23 14:00 UTC."""

WALLET_NANO_USD = 100 * 10**9
PROVIDER, MODEL, OTHER_MODEL = "acme", "small", "large"
INPUT_PICO_USD, OUTPUT_PICO_USD = 1_000_000, 2_000_000
"""Of MODEL: 1,000 and 2,000 nano-USD a token. OTHER_MODEL costs ten times as much."""
MAX_OUTPUT_TOKENS = 10_000

OBJECTS_PER_KEY = 3

Result = ledger_pb2.OperationResult


class TurnedClock:
    """Milliseconds that pass only when told."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        self.now_ms += ms


class Link:
    """An open Apply stream."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def send(self, *operations: ledger_pb2.Operation) -> list[Result]:
        """One message and its answer."""
        await self.call.write(ledger_pb2.ApplyRequest(operations=operations))
        answer = await self.call.read()
        if not isinstance(answer, ledger_pb2.ApplyResponse):
            # The stream is over; this raises what it ended with.
            await self.call
        return list(answer.results)


class Rig:
    """A running core and the ways to call it. `stop` and `start` keep the store's file."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        redis_url: str | None = None,
        store: Store | None = None,
    ) -> None:
        """With a `store`, several rigs are cores on the same one."""
        self.redis_url = redis_url
        self.store = store
        self.path = directory / "mintgate.db"
        self.clock = clock
        self.master = ""
        self.core: Core
        self.target = ""
        # Typed Any: the stubs of the library know half of what it can do.
        self.channel: Any
        self.keys: Any
        self.accounts: Any
        self.ledger: Any
        self.meter: Any
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Start a core on the file, and a channel to it."""
        options = CoreOptions(
            self.path,
            OPERATOR,
            SERVICE,
            first=FirstAccount(wallet_nano_usd=WALLET_NANO_USD),
            sweep=False,
            metrics_port=0,
            redis_url=self.redis_url,
            objects_per_key=OBJECTS_PER_KEY,
        )
        if self.store is None:
            opened = running(options, self.clock, self.clock)
        else:
            opened = serving(self.store, options, self.clock, self.clock)
        self.core = await self._open.enter_async_context(opened)
        self.master = self.core.generated_master_key or self.master
        self.target = f"127.0.0.1:{self.core.port}"
        channel = grpc.aio.insecure_channel(self.target)
        self.channel = await self._open.enter_async_context(channel)
        self.keys = keys_pb2_grpc.KeysServiceStub(self.channel)
        self.accounts = keys_pb2_grpc.AccountsServiceStub(self.channel)
        self.ledger = ledger_pb2_grpc.LedgerServiceStub(self.channel)
        self.meter = meter_pb2_grpc.MeterServiceStub(self.channel)

    async def stop(self) -> None:
        """Stop the core; the file stays."""
        await self._open.aclose()

    async def restart(self) -> None:
        """A new process, as far as the store can tell."""
        await self.stop()
        await self.start()

    def client(self, credential: str = "") -> AsyncClient:
        """A client that never tries twice; by default with the first master key."""
        return AsyncClient(
            credential=credential or self.master,
            channel=self.channel,
            retry=RetryPolicy(attempts_max=1),
        )

    def auth(self, credential: str = "") -> Any:
        """Metadata for raw stubs."""
        return (("authorization", f"Bearer {credential or self.master}"),)

    async def second_account(self) -> AsyncClient:
        """Another app builder with money, as a client."""
        made = await self.client(OPERATOR).accounts.create("other", grant_usd="100")
        return self.client(made.master_secret)

    @asynccontextmanager
    async def link(self, credential: str = SERVICE) -> AsyncIterator[Link]:
        """An Apply stream, by default a facade's."""
        call = self.ledger.Apply(metadata=self.auth(credential))
        yield Link(call)
        call.cancel()

    async def apply(
        self, *operations: ledger_pb2.Operation, credential: str = SERVICE
    ) -> list[Result]:
        """The results of one message on a stream of its own."""
        async with self.link(credential) as link:
            return await link.send(*operations)

    async def sweep(self) -> int:
        """Resolve what has expired, now."""
        return await sweeper.sweep(self.core.store, self.core.lanes)

    @staticmethod
    def reserve(secret: str, **changes: Any) -> ledger_pb2.Operation:
        """Hold 100 input and 50 output tokens of MODEL: 200,000 nano-USD."""
        values: dict[str, Any] = {
            "hold_id": new_id(),
            "secret_sha256": sha256(secret),
            "provider": PROVIDER,
            "model": MODEL,
            "route": "chat",
            "bound": ledger_pb2.Bound(input_tokens=100, output_tokens=50),
            "first_attempt": True,
        }
        if "key_id" in changes:
            del values["secret_sha256"]
        return ledger_pb2.Operation(reserve=ledger_pb2.Reserve(**{**values, **changes}))

    @staticmethod
    def settle(
        reserve: ledger_pb2.Operation, result: Result, **changes: Any
    ) -> ledger_pb2.Operation:
        """Charge 10 input and 5 output tokens of MODEL: 20,000 nano-USD."""
        values: dict[str, Any] = {
            "hold_id": reserve.reserve.hold_id,
            "hold_token": result.reserved.hold_token,
            "units": counts(input_tokens=10, output_tokens=5),
            "settled_by": ledger_pb2.SETTLED_BY_USAGE,
            "status": ledger_pb2.EVENT_STATUS_COMPLETED,
        }
        return ledger_pb2.Operation(settle=ledger_pb2.Settle(**{**values, **changes}))

    async def charge(self, secret: str, **changes: Any) -> ledger_pb2.Settled:
        """Reserve and settle once."""
        reserve = self.reserve(secret)
        async with self.link() as link:
            (held,) = await link.send(reserve)
            (result,) = await link.send(self.settle(reserve, held, **changes))
        assert result.HasField("settled"), result
        return result.settled


def sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def counts(**units: int) -> list[unit_pb2.UnitCount]:
    return [
        unit_pb2.UnitCount(unit=unit_pb2.Unit.Value(f"UNIT_{name.upper()}"), count=count)
        for name, count in units.items()
    ]


def price_of(
    model: str = MODEL,
    input_pico_usd: int = INPUT_PICO_USD,
    output_pico_usd: int = OUTPUT_PICO_USD,
    *,
    effective_at_ms: int = 0,
) -> meter_pb2.ModelPrice:
    """A price with two units."""
    prices = [
        unit_pb2.UnitPrice(unit=unit_pb2.UNIT_INPUT_TOKENS, pico_usd=input_pico_usd),
        unit_pb2.UnitPrice(unit=unit_pb2.UNIT_OUTPUT_TOKENS, pico_usd=output_pico_usd),
    ]
    return meter_pb2.ModelPrice(
        provider=PROVIDER,
        model=model,
        context_window=100_000,
        max_output_tokens=MAX_OUTPUT_TOKENS,
        rates=[meter_pb2.RateSet(prices=prices)],
        effective_at_ms=effective_at_ms,
    )


async def refusal_of(call: Awaitable[Any]) -> tuple[grpc.StatusCode, error_pb2.Error]:
    """The status of a raw call that must fail, and the error in its trailing metadata."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), error_in(caught.value)


def error_in(failed: grpc.RpcError) -> error_pb2.Error:
    """The error in the trailing metadata of a failed call, of a client of either kind."""
    call: Any = failed
    trailing = call.trailing_metadata()
    (detail,) = [value for name, value in trailing if name == "mintgate-error-bin"]
    return error_pb2.Error.FromString(detail)

# ruff: noqa: N802 - methods of gRPC services have the names of the protocol.
"""Peers of the control routes: a scripted core over gRPC, and the control app over ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import httpx
import pytest
from fastapi import FastAPI
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from mintgate.channel import open_aio_channel
from mintgate.errors import ERROR_METADATA_KEY, STATUS_BY_REASON
from mintgate.v1 import (
    error_pb2,
    keys_pb2,
    keys_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    meter_pb2,
    meter_pb2_grpc,
)
from mintgate_facade.control.app import create_control
from mintgate_facade.control.core import Core

MASTER = "qlk_live_" + "aa" * 32
SERVICE_TOKEN = "service-token-of-the-tests"


class ScriptedCore(
    keys_pb2_grpc.KeysServiceServicer,
    keys_pb2_grpc.AccountsServiceServicer,
    ledger_pb2_grpc.LedgerServiceServicer,
    meter_pb2_grpc.MeterServiceServicer,
):
    """Answers every call with what a test put in, and remembers who asked for what."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.refusal: error_pb2.Error | None = None
        self.calls: list[tuple[str, Any, str]] = []
        self.metadata: list[dict[str, Any]] = []
        self.health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing in its stubs

    async def _answer(self, name: str, request: Any, context: Any, empty: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        self.calls.append((name, request, metadata.get("authorization", "")))
        self.metadata.append(metadata)
        if self.refusal is not None:
            trailing = ((ERROR_METADATA_KEY, self.refusal.SerializeToString()),)
            code = STATUS_BY_REASON[self.refusal.reason]
            await context.abort(code, self.refusal.message, trailing)
        return self.answers.get(name, empty)

    async def Mint(self, request: Any, context: Any) -> Any:
        return await self._answer("Mint", request, context, keys_pb2.MintResponse())

    async def Get(self, request: Any, context: Any) -> Any:
        return await self._answer("Get", request, context, keys_pb2.GetResponse())

    async def List(self, request: Any, context: Any) -> Any:
        return await self._answer("List", request, context, keys_pb2.ListResponse())

    async def Update(self, request: Any, context: Any) -> Any:
        return await self._answer("Update", request, context, keys_pb2.UpdateResponse())

    async def Rotate(self, request: Any, context: Any) -> Any:
        return await self._answer("Rotate", request, context, keys_pb2.RotateResponse())

    async def Revoke(self, request: Any, context: Any) -> Any:
        return await self._answer("Revoke", request, context, keys_pb2.RevokeResponse())

    async def Authenticate(self, request: Any, context: Any) -> Any:
        return await self._answer("Authenticate", request, context, keys_pb2.AuthenticateResponse())

    async def CreateAccount(self, request: Any, context: Any) -> Any:
        empty = keys_pb2.CreateAccountResponse()
        return await self._answer("CreateAccount", request, context, empty)

    async def ListAccounts(self, request: Any, context: Any) -> Any:
        return await self._answer("ListAccounts", request, context, keys_pb2.ListAccountsResponse())

    async def GetBalance(self, request: Any, context: Any) -> Any:
        return await self._answer("GetBalance", request, context, ledger_pb2.GetBalanceResponse())

    async def ListHolds(self, request: Any, context: Any) -> Any:
        return await self._answer("ListHolds", request, context, ledger_pb2.ListHoldsResponse())

    async def GetUsage(self, request: Any, context: Any) -> Any:
        return await self._answer("GetUsage", request, context, meter_pb2.GetUsageResponse())

    async def ListEvents(self, request: Any, context: Any) -> Any:
        return await self._answer("ListEvents", request, context, meter_pb2.ListEventsResponse())

    async def ListPrices(self, request: Any, context: Any) -> Any:
        return await self._answer("ListPrices", request, context, meter_pb2.ListPricesResponse())


@pytest.fixture
async def core_server() -> AsyncIterator[tuple[ScriptedCore, grpc.aio.Server, int]]:
    core = ScriptedCore()  # type: ignore[abstract]  # the rest is never called
    server = grpc.aio.server()
    keys_pb2_grpc.add_KeysServiceServicer_to_server(core, server)
    keys_pb2_grpc.add_AccountsServiceServicer_to_server(core, server)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(core, server)
    meter_pb2_grpc.add_MeterServiceServicer_to_server(core, server)
    health_pb2_grpc.add_HealthServicer_to_server(core.health, server)
    await core.health.set("", health_pb2.HealthCheckResponse.SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield core, server, port
    await server.stop(None)


@pytest.fixture
def core(core_server: tuple[ScriptedCore, grpc.aio.Server, int]) -> ScriptedCore:
    return core_server[0]


@pytest.fixture
async def app(core_server: tuple[ScriptedCore, grpc.aio.Server, int]) -> AsyncIterator[FastAPI]:
    channel = open_aio_channel(f"127.0.0.1:{core_server[2]}")
    services = Core(channel, SERVICE_TOKEN)

    async def ready() -> str:
        return "" if await services.serving() else "the ledger is away"

    yield create_control(services, ready, body_wait_s=10.0, simulated=True)
    await channel.close(None)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://gateway",
        headers={"authorization": f"Bearer {MASTER}"},
    ) as opened:
        yield opened


def a_key(**fields: Any) -> keys_pb2.Key:
    values: dict[str, Any] = {
        "id": "key_1",
        "account_id": "acc_1",
        "name": "ada",
        "prefix": "qlk_live_abcd…wxyz",
        "scope": keys_pb2.KEY_SCOPE_STANDARD,
        "status": keys_pb2.KEY_STATUS_ACTIVE,
        "cap_nano_usd": 5_000_000_000,
        "spent_nano_usd": 1_500,
        "held_nano_usd": 2_500,
        "created_at_ms": 1_700_000_000_000,
        "unbounded_output": keys_pb2.UNBOUNDED_OUTPUT_FIT,
        "on_disconnect": ledger_pb2.ON_DISCONNECT_ABORT,
    }
    return keys_pb2.Key(**{**values, **fields})

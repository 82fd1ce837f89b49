"""What the core is told about the caller of a control route, and whom the catalogue is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mintgate.channel import CALLER_ADDRESS, CALLER_FACADE, CALLER_ORIGIN
from mintgate.v1 import error_pb2, meter_pb2
from mintgate_facade.control.app import METHODS, served_methods
from mintgate_facade.relay.caller import CALLER, Caller

from tests.http_facade.control.conftest import MASTER, SERVICE_TOKEN, ScriptedCore

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from fastapi import FastAPI

HERE = Caller("https://app.example.com", "203.0.113.7")


def client_of(app: FastAPI, caller: Caller, secret: str = MASTER) -> httpx.AsyncClient:
    """A client whose requests come from a place, as the gateway in front would say."""

    async def placed(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await app({**scope, CALLER: caller}, receive, send)

    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    transport = httpx.ASGITransport(app=placed)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/keys", b'{"name": "a"}'),
        ("GET", "/v1/keys", b""),
        ("GET", "/v1/keys/key_1", b""),
        ("PATCH", "/v1/keys/key_1", b'{"name": "a"}'),
        ("POST", "/v1/keys/key_1/rotate", b""),
        ("DELETE", "/v1/keys/key_1", b""),
        ("GET", "/v1/keys/me/usage", b""),
        ("GET", "/v1/usage", b""),
        ("GET", "/v1/holds", b""),
        ("GET", "/v1/billing/balance", b""),
        ("GET", "/v1/catalog", b""),
        ("GET", "/v1/accounts", b""),
        ("POST", "/v1/accounts", b'{"name": "a"}'),
    ],
)
async def test_every_call_says_where_its_caller_is(
    app: FastAPI, core: ScriptedCore, method: str, path: str, body: bytes
) -> None:
    """The caller's own credential travels with the caller's place, and the facade's proof."""
    core.refusal = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_ADDRESS_NOT_ALLOWED, message="not from there"
    )
    async with client_of(app, HERE) as client:
        answer = await client.request(method, path, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "address_not_allowed")
    (told,) = core.metadata
    assert told["authorization"] == f"Bearer {MASTER}"
    assert told[CALLER_FACADE] == SERVICE_TOKEN
    assert (told[CALLER_ORIGIN], told[CALLER_ADDRESS]) == HERE[:2]


async def test_the_catalogue_is_public_and_narrower_with_a_key(
    app: FastAPI, core: ScriptedCore
) -> None:
    """Without a key the service asks, for all; with one the key itself asks, each time."""
    price = meter_pb2.ModelPrice(provider="openai", model="gpt-5")
    core.answers["ListPrices"] = meter_pb2.ListPricesResponse(prices=[price])
    async with client_of(app, HERE, secret="") as anybody:
        for _ in range(2):
            assert (await anybody.get("/v1/catalog")).json()["providers"] == ["openai"]
    async with client_of(app, HERE) as owner:
        for _ in range(2):
            assert (await owner.get("/v1/catalog")).status_code == 200
    asked = [authorization for _, _, authorization in core.calls]
    assert asked == [f"Bearer {SERVICE_TOKEN}", f"Bearer {MASTER}", f"Bearer {MASTER}"]


async def test_pages_that_are_not_served_reach_no_call(app: FastAPI, core: ScriptedCore) -> None:
    """A page that the operator does not serve is refused before core is asked."""
    async with client_of(app, HERE._replace(welcome=False)) as client:
        answer = await client.get("/v1/keys")
        health = await client.get("/healthz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert health.status_code == 200
    assert core.calls == []


def test_the_methods_of_every_route_are_told(app: FastAPI) -> None:
    """What a preflight answers is what the app serves, path by path."""
    documented = {
        path.replace("{key_id}", "key_1"): {name.upper() for name in operations}
        for path, operations in app.openapi()["paths"].items()
    }
    assert documented
    for path, methods in documented.items():
        assert set(served_methods(app, path)) == methods & set(METHODS), path
    assert served_methods(app, "/v1/nothing") == ()

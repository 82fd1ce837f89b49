"""Health, landing, unknown paths, and an OpenAPI document that says what is true."""

from __future__ import annotations

from typing import Any

import grpc.aio
import httpx
import pytest
from fastapi import FastAPI
from grpc_health.v1 import health_pb2
from mintgate.v1 import keys_pb2

from tests.http_facade.control.conftest import ScriptedCore, a_key


async def test_health_needs_nobody(client: httpx.AsyncClient) -> None:
    """The process says that it lives, without asking anybody."""
    assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_readiness_asks_the_core(
    client: httpx.AsyncClient, core_server: tuple[ScriptedCore, grpc.aio.Server, int]
) -> None:
    """Ready only while the core says that it serves; 503 when it does not or is away."""
    core, server, _ = core_server
    ready = await client.get("/readyz")
    await core.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    draining = await client.get("/readyz")
    await server.stop(None)
    away = await client.get("/readyz")

    assert [answer.status_code for answer in (ready, draining, away)] == [200, 503, 503]
    assert "ledger" in away.json()["missing"]


async def test_a_core_that_is_away_is_a_503(
    client: httpx.AsyncClient, core_server: tuple[ScriptedCore, grpc.aio.Server, int]
) -> None:
    """A call that cannot reach the core is never a 401 or a 500."""
    await core_server[1].stop(None)
    answer = await client.get("/v1/billing/balance")
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "unavailable_error")


async def test_the_landing_says_what_this_is(client: httpx.AsyncClient) -> None:
    """The root says whether answers are made up, to programs and to people."""
    plain = await client.get("/")
    page = await client.get("/", headers={"accept": "text/html"})

    assert (plain.json()["simulated"], plain.headers["mintgate-simulated"]) == (True, "1")
    assert "simulated" in page.text
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("PUT", "/v1/keys", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    """Unknown paths and methods answer in the one error shape."""
    answer = await client.request(method, path)
    assert (status, code) == (answer.status_code, answer.json()["error"]["code"])


async def test_a_defect_shows_no_detail(
    client: httpx.AsyncClient, app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of ours is a 500 in the one shape; its text stays in the log."""

    async def fail() -> None:
        raise LookupError("a detail of the inside")

    app.add_api_route("/fail", fail)
    answer = await client.get("/fail")

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "a detail of the inside" not in answer.text
    assert "a detail of the inside" in caplog.text


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    found = document["components"]["schemas"].get(reference.rpartition("/")[2])
    return schema if found is None else found


async def test_openapi_names_every_field(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """The document lists exactly the fields of an answer, and the body that a call takes."""
    document = (await client.get("/openapi.json")).json()
    core.answers["Get"] = keys_pb2.GetResponse(key=a_key())
    key = (await client.get("/v1/keys/key_1")).json()

    got = document["paths"]["/v1/keys/{key_id}"]["get"]["responses"]["200"]
    schema = resolved(document, got["content"]["application/json"]["schema"])
    assert set(key) == set(schema["properties"])
    mint = document["paths"]["/v1/keys"]["post"]
    body = mint["requestBody"]["content"]["application/json"]["schema"]
    assert {"name", "max_spend_usd", "on_disconnect"} <= set(body["properties"])
    assert body["additionalProperties"] is False
    assert {"201", "4XX", "5XX"} == set(mint["responses"])


async def test_openapi_has_every_route(client: httpx.AsyncClient) -> None:
    """Every route of the control contract is in the document."""
    document = (await client.get("/openapi.json")).json()
    routes = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert {
        ("post", "/v1/keys"),
        ("get", "/v1/keys"),
        ("get", "/v1/keys/{key_id}"),
        ("patch", "/v1/keys/{key_id}"),
        ("delete", "/v1/keys/{key_id}"),
        ("post", "/v1/keys/{key_id}/rotate"),
        ("get", "/v1/keys/{key_id}/usage"),
        ("get", "/v1/usage"),
        ("get", "/v1/holds"),
        ("get", "/v1/billing/balance"),
        ("get", "/v1/catalog"),
        ("post", "/v1/accounts"),
        ("get", "/v1/accounts"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    } == routes

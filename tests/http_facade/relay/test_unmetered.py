"""Free routes are forwarded for a good key; local ones are answered from the catalogue."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from mintgate.v1 import error_pb2, keys_pb2, meter_pb2

from tests.http_facade.relay.conftest import (
    JSON_HEADERS,
    KEY,
    SERVICE_TOKEN,
    WAIT_S,
    Answer,
    CoreServer,
    Gateway,
    Received,
    chat_body,
    serving,
)

if TYPE_CHECKING:
    from mintgate_facade.settings import FacadeSettings

MODERATIONS = "/openai/v1/moderations"


async def test_a_free_route_is_authenticated_and_forwarded(gateway: Gateway) -> None:
    """A free request costs nothing, holds nothing, and goes on with the operator's key."""
    body = b'{"input":  "hello"}'

    async def script(received: Received, answer: Answer) -> None:
        await answer.whole(b'{"results": [] }')

    gateway.provider.scripts.append(script)
    answer = await gateway.client.post(MODERATIONS, content=body, headers=JSON_HEADERS)

    assert (answer.status_code, answer.content) == (200, b'{"results": [] }')
    assert answer.headers["mintgate-request-id"]
    (received,) = gateway.provider.requests
    assert (body, "Bearer operator-openai-key") == (received.body, received.header("authorization"))
    assert gateway.core.operations == []
    assert f"Bearer {SERVICE_TOKEN}" == gateway.core.metadata[-1]["authorization"]


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_is_whole(gateway: Gateway, status: int) -> None:
    """No length is stated for a body that never comes, and the connections go on."""

    async def script(received: Received, answer: Answer) -> None:
        await answer.write(
            f"HTTP/1.1 {status} X\r\netag: {received.header('if-none-match')}\r\n"
            "content-length: 5\r\n\r\n".encode()
        )

    gateway.provider.scripts.extend([script, script])
    for _ in range(2):
        headers = JSON_HEADERS | {"if-none-match": '"a"'}
        answer = await gateway.client.get("/xai/v1/language-models", headers=headers)
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers["etag"] == '"a"'
        assert not {"content-length", "transfer-encoding", "connection"} & set(answer.headers)


@pytest.mark.parametrize(("method", "status"), [("POST", 304), ("POST", 302), ("GET", 999)])
async def test_a_status_that_answers_nothing_is_a_502(
    gateway: Gateway, method: str, status: int
) -> None:
    """What was not asked for, and what is no status, is told as the provider's failure."""

    async def script(received: Received, answer: Answer) -> None:
        await answer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)

    gateway.provider.scripts.append(script)
    path = MODERATIONS if method == "POST" else "/xai/v1/language-models"
    body = b'{"input": "hello"}' if method == "POST" else b""
    answer = await gateway.client.request(method, path, content=body, headers=JSON_HEADERS)
    assert answer.status_code == 502
    assert f"status {status}" in answer.json()["error"]["message"]


@pytest.mark.parametrize("begun", [True, False], ids=["in the answer", "before the answer"])
async def test_a_client_that_leaves_a_free_route_stops_the_provider(
    gateway: Gateway, *, begun: bool
) -> None:
    """Nothing is read on for nobody, neither of an answer nor until one begins."""
    stopped = asyncio.Event()

    async def script(received: Received, answer: Answer) -> None:
        if begun:
            await answer.begin("application/json")
            await answer.chunk(b'{"results":')
        asked.set()
        await answer.gone.wait()
        stopped.set()

    asked = asyncio.Event()
    gateway.provider.scripts.append(script)
    async with asyncio.timeout(WAIT_S):
        async with gateway.raw(b'{"input": "hello"}', MODERATIONS) as reader:
            await asked.wait()
            if begun:
                await reader.readuntil(b'{"results":')
        await stopped.wait()


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (error_pb2.ERROR_REASON_UNAUTHENTICATED, 401),
        (error_pb2.ERROR_REASON_KEY_REVOKED, 401),
        (error_pb2.ERROR_REASON_UNAVAILABLE, 503),
    ],
)
async def test_a_free_route_needs_a_good_key(
    gateway: Gateway, reason: error_pb2.ErrorReason.ValueType, status: int
) -> None:
    """A key that the core refuses is refused here, and a core that is away is a 503."""
    gateway.core.authentication_refusal = error_pb2.Error(reason=reason, message="no")
    answer = await gateway.client.post(MODERATIONS, content=b"{}", headers=JSON_HEADERS)

    assert status == answer.status_code
    assert gateway.provider.requests == []


@pytest.mark.parametrize(
    "refusal",
    [
        error_pb2.Error(reason=error_pb2.ERROR_REASON_UNAUTHENTICATED, field="authorization"),
        error_pb2.Error(reason=error_pb2.ERROR_REASON_PERMISSION_DENIED),
    ],
)
async def test_a_core_that_refuses_the_facade_is_away(
    gateway: Gateway, refusal: error_pb2.Error
) -> None:
    """A wrong service token is a 503 to the caller, whose key is as good as ever."""
    gateway.core.authentication_refusal = refusal
    for method, path in (("POST", MODERATIONS), ("GET", "/openai/v1/models")):
        answer = await gateway.client.request(method, path, content=b"{}", headers=JSON_HEADERS)
        assert answer.status_code == 503
    assert gateway.provider.requests == []


@pytest.mark.parametrize(
    ("path", "body", "slug", "model"),
    [
        (MODERATIONS, b'{"model": "omni-moderation-latest"}', "openai", "omni-moderation-latest"),
        (MODERATIONS, b'{"input": "hello"}', "openai", ""),
        (MODERATIONS, b'{"model": 5}', "openai", ""),
        ("/anthropic/v1/messages/count_tokens", b'{"model": "claude-x"}', "anthropic", "claude-x"),
        ("/gemini/v1beta/models/gemini-x:countTokens", b"{}", "gemini", "gemini-x"),
    ],
)
async def test_core_is_asked_for_the_provider_and_the_model(
    gateway: Gateway, path: str, body: bytes, slug: str, model: str
) -> None:
    """A key that may not use a provider or a model may not ask about it for free either."""
    gateway.core.authentication_refusal = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_MODEL_NOT_ALLOWED, message="not this one"
    )
    answer = await gateway.client.post(path, content=body, headers=JSON_HEADERS)

    (asked,) = gateway.core.questions
    assert (asked.provider, asked.model) == (slug, model)
    assert (answer.status_code, "not this one" in answer.text) == (403, True)
    assert gateway.provider.requests == []


@pytest.mark.parametrize("body", [b"{", b'{"model": "a", "model": "b"}'])
async def test_a_free_body_that_can_be_read_in_two_ways_is_refused(
    gateway: Gateway, body: bytes
) -> None:
    """Nobody hides a model from the gateway that the provider would read."""
    answer = await gateway.client.post(MODERATIONS, content=body, headers=JSON_HEADERS)

    assert answer.status_code == 400
    assert gateway.provider.requests == []


async def test_a_free_routes_error_is_relayed(gateway: Gateway) -> None:
    """A provider's error on a free route arrives unchanged, but its 401 never does."""

    async def bad(received: Received, answer: Answer) -> None:
        await answer.whole(b'{"error": {"message": "bad input"}}', 400)

    async def operators(received: Received, answer: Answer) -> None:
        await answer.whole(b'{"error": {"message": "bad key"}}', 401)

    gateway.provider.scripts.extend([bad, operators])
    answers = [
        await gateway.client.post(MODERATIONS, content=b"{}", headers=JSON_HEADERS)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [400, 502]


async def test_models_are_those_the_key_may_use(gateway: Gateway) -> None:
    """The model list is answered by the gateway: priced models that the key's patterns allow."""
    gateway.core.key = keys_pb2.Key(id="key_1", account_id="acc", allowed_models=["gpt-5*"])
    gateway.core.prices = [
        meter_pb2.ModelPrice(provider="openai", model=name)
        for name in ("gpt-5", "gpt-5-mini", "gpt-4o")
    ]
    answer = await gateway.client.get("/openai/v1/models", headers=JSON_HEADERS)
    one = await gateway.client.get("/openai/v1/models/gpt-5", headers=JSON_HEADERS)
    other = await gateway.client.get("/openai/v1/models/gpt-4o", headers=JSON_HEADERS)

    assert [model["id"] for model in answer.json()["data"]] == ["gpt-5", "gpt-5-mini"]
    assert (one.json()["id"], other.status_code) == ("gpt-5", 404)
    assert gateway.provider.requests == []


async def test_simulated_answers_say_so(gateway: Gateway) -> None:
    """Every answer of a provider that is simulated carries the mark, refusals included."""
    gateway.core.prices = [meter_pb2.ModelPrice(provider="gemini", model="gemini-x")]
    listed = await gateway.client.get("/gemini/v1beta/models", headers={"x-goog-api-key": KEY})
    refused = await gateway.client.get("/gemini/v1beta/models")

    assert (listed.status_code, listed.headers["mintgate-simulated"]) == (200, "1")
    assert (refused.status_code, refused.headers["mintgate-simulated"]) == (401, "1")


async def test_a_provider_without_an_account_is_a_404(
    settings: FacadeSettings, core_server: CoreServer
) -> None:
    """A provider for which the operator has no key is not served, and nothing is held."""
    async with (
        serving(replace(settings, accounts={})) as (_, _, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        answer = await client.post(
            "/openai/v1/chat/completions", content=chat_body(), headers=JSON_HEADERS
        )

    assert answer.status_code == 404
    assert "no access to openai" in answer.json()["error"]["message"]
    assert core_server.core.operations == []

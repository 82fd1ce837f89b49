"""A refusal that comes with status 200: given back, and handed on unless it is the operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from tests.http_facade.relay.conftest import JSON_HEADERS, Answer, Gateway, Received, chat_body

if TYPE_CHECKING:
    import httpx

    from tests.http_facade.relay.conftest import Script

BUSY = orjson.dumps(
    {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}
)
BROKE = orjson.dumps(
    {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
)


def whole(body: bytes, status: int = 200) -> Script:
    async def script(received: Received, answer: Answer) -> None:
        await answer.whole(body, status)

    return script


def streamed(body: bytes) -> Script:
    async def script(received: Received, answer: Answer) -> None:
        await answer.begin()
        await answer.chunk(b"data: " + body + b"\n\n")
        await answer.end()

    return script


async def ask(gateway: Gateway, **fields: object) -> httpx.Response:
    return await gateway.client.post(
        "/minimax/v1/chat/completions", content=chat_body(**fields), headers=JSON_HEADERS
    )


async def test_a_refusal_is_handed_on_and_not_charged(gateway: Gateway) -> None:
    """The provider's own words arrive unchanged, and the hold is given back."""
    gateway.provider.scripts.append(whole(BUSY))
    answer = await ask(gateway, max_tokens=50)
    assert (answer.status_code, answer.content) == (200, BUSY)
    assert "mintgate-cost-micros" not in answer.headers
    assert gateway.core.kinds() == ["reserve", "release"]


async def test_a_refusal_in_a_stream_is_handed_on_and_not_charged(gateway: Gateway) -> None:
    """The same where the refusal is the only event of a stream."""
    gateway.provider.scripts.append(streamed(BUSY))
    answer = await ask(gateway, max_tokens=50, stream=True)
    assert (answer.status_code, answer.content) == (200, b"data: " + BUSY + b"\n\n")
    assert gateway.core.kinds() == ["reserve", "release"]


async def test_the_operators_balance_is_not_told(gateway: Gateway) -> None:
    """A refusal for the operator's account is a failure of the gateway, as a 402 would be."""
    gateway.provider.scripts.append(whole(BROKE))
    answer = await ask(gateway, max_tokens=50)
    assert answer.status_code == 502
    assert "your key is not at fault" in answer.json()["error"]["message"]
    assert b"balance" not in answer.content
    assert gateway.core.kinds() == ["reserve", "release"]


async def test_the_operators_balance_is_not_told_in_a_stream(gateway: Gateway) -> None:
    """The stream ends in the gateway's own error, and breaks off."""
    gateway.provider.scripts.append(streamed(BROKE))
    async with gateway.raw(
        chat_body(max_tokens=50, stream=True), "/minimax/v1/chat/completions"
    ) as reader:
        seen = await reader.read(-1)
    assert b"your key is not at fault" in seen
    assert b"balance" not in seen
    assert not seen.endswith(b"0\r\n\r\n")
    assert gateway.core.kinds() == ["reserve", "release"]


@pytest.mark.parametrize(
    ("slug", "status", "body"),
    [
        ("xai", 400, b'{"code":"x","error":"Incorrect API key provided: xa***bc."}'),
        ("xai", 403, b'{"code":"x","error":"Your team has used all available credits"}'),
        ("moonshot", 429, b'{"error":{"type":"exceeded_current_quota_error","message":"no"}}'),
    ],
)
@pytest.mark.parametrize("route", ["chat/completions", "tokenize"])
async def test_an_error_about_the_operator_is_not_told(
    gateway: Gateway, slug: str, status: int, body: bytes, route: str
) -> None:
    """Where the status does not say so the body does, on metered and on free routes."""
    free = {"xai": "tokenize-text", "moonshot": "tokenizers/estimate-token-count"}[slug]
    gateway.provider.scripts.append(whole(body, status))
    answer = await gateway.client.post(
        f"/{slug}/v1/{free if route == 'tokenize' else route}",
        content=chat_body(max_tokens=5),
        headers=JSON_HEADERS,
    )
    assert answer.status_code == 502
    assert "your key is not at fault" in answer.json()["error"]["message"]
    assert "settle" not in gateway.core.kinds()


async def test_another_error_of_the_same_vendor_is_told(gateway: Gateway) -> None:
    """Byte for byte, also where it is longer than what was looked at."""
    body = b'{"code":"Client error","error":"' + b"too long " * 4_000 + b'"}'
    gateway.provider.scripts.append(whole(body, 400))
    answer = await gateway.client.post(
        "/xai/v1/chat/completions", content=chat_body(max_tokens=5), headers=JSON_HEADERS
    )
    assert (answer.status_code, answer.content) == (400, body)
    assert gateway.core.kinds() == ["reserve", "release"]


async def test_a_warm_up_is_answered_here(gateway: Gateway) -> None:
    """The call that an SDK makes to open its connection never reaches the provider."""
    answer = await gateway.client.get("/v1/tcp_warming", headers=JSON_HEADERS)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert gateway.provider.requests == []

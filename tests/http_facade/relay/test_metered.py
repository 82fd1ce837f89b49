"""One metered request from end to end: what is held, forwarded, charged and answered."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from mintgate.logs import TextLines
from mintgate.v1 import error_pb2, ledger_pb2, unit_pb2
from mintgate_facade.relay import metered
from mintgate_facade.relay.body import ANYBODYS_BYTES_MAX

from tests.http_facade.relay.conftest import (
    CHAT_ANSWER,
    JSON_HEADERS,
    KEY,
    SERVICE_TOKEN,
    WAIT_S,
    Answer,
    Gateway,
    Received,
    chat_body,
)

if TYPE_CHECKING:
    import httpx

CHAT = "/openai/v1/chat/completions"


def units(settle: ledger_pb2.Settle) -> dict[int, int]:
    return {unit.unit: unit.count for unit in settle.units}


async def test_an_answer_is_relayed_byte_for_byte_with_its_cost(gateway: Gateway) -> None:
    """A JSON answer arrives unchanged, after its charge, with the charge in a header."""
    answer = await gateway.chat(max_completion_tokens=50)

    assert answer.status_code == 200
    assert answer.content == CHAT_ANSWER
    assert answer.headers["mintgate-cost-micros"] == "2"
    assert answer.headers["mintgate-request-id"].startswith("req_")
    assert "mintgate-simulated" not in answer.headers
    assert gateway.core.kinds() == ["reserve", "settle"]


async def test_the_hold_names_key_model_and_request(gateway: Gateway) -> None:
    """A reserve carries the digest of the key, never the key, and what the request asks for."""
    answer = await gateway.chat(max_completion_tokens=50)

    reserve = gateway.core.operations[0].reserve
    assert (reserve.provider, reserve.model, reserve.route) == ("openai", "gpt-5-mini", "chat")
    assert reserve.bound.output_tokens == 50
    assert answer.headers["mintgate-request-id"] == reserve.request_id
    assert KEY.encode() not in gateway.core.operations[0].SerializeToString()
    assert f"Bearer {SERVICE_TOKEN}" == gateway.core.metadata[0]["authorization"]


async def test_the_charge_carries_what_the_answer_said(gateway: Gateway) -> None:
    """A settle has the exact units, the answer's model and id, and the hold's token."""
    await gateway.chat(max_completion_tokens=50)

    (settle,) = gateway.core.settles()
    hold_id = gateway.core.operations[0].reserve.hold_id
    assert units(settle) == {unit_pb2.UNIT_INPUT_TOKENS: 9, unit_pb2.UNIT_OUTPUT_TOKENS: 3}
    assert (hold_id, b"token of " + hold_id) == (settle.hold_id, settle.hold_token)
    assert settle.settled_by == ledger_pb2.SETTLED_BY_USAGE
    assert settle.status == ledger_pb2.EVENT_STATUS_COMPLETED
    assert (
        settle.model,
        settle.provider_request_id,
        settle.http_status,
    ) == ("gpt-5-mini-2026", "chatcmpl-1", 200)


async def test_the_answer_waits_for_the_charge(gateway: Gateway) -> None:
    """Nothing of a short JSON answer reaches the client before its charge is durable."""
    gateway.core.settles_may_answer.clear()
    async with gateway.raw(chat_body(max_completion_tokens=50)) as reader:
        await gateway.core.heard("settle")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        gateway.core.settles_may_answer.set()

        assert b"HTTP/1.1 200" in await reader.readuntil(b"\r\n\r\n")


async def test_the_provider_sees_the_operators_key_alone(gateway: Gateway) -> None:
    """Every form of the caller's key and every account header is gone from what is forwarded."""
    await gateway.client.post(
        f"{CHAT}?api_key={KEY}&api-version=1",
        content=chat_body(),
        headers={
            **JSON_HEADERS,
            "x-api-key": KEY,
            "openai-organization": "org-1",
            "openai-project": "proj-1",
            "cookie": "session=1",
            "x-forwarded-for": "10.0.0.1",
            "connection": "keep-alive, x-hop",
            "x-hop": "1",
            "x-stainless-lang": "python",
        },
    )

    (received,) = gateway.provider.requests
    assert received.target == "/v1/chat/completions?api-version=1"
    assert received.header("authorization") == "Bearer operator-openai-key"
    assert received.header("accept-encoding") == "identity"
    assert received.header("x-stainless-lang") == "python"
    text = repr(received.headers) + received.body.decode()
    for gone in ("qlk_live_", "org-1", "proj-1", "session=1", "10.0.0.1", "x-hop"):
        assert gone not in text


async def test_hidden_response_headers(gateway: Gateway) -> None:
    """Headers that name the operator's account or speak for the provider's host are left out."""

    async def script(received: Received, answer: Answer) -> None:
        await answer.whole(
            CHAT_ANSWER,
            extra="set-cookie: a=1\r\nopenai-organization: org\r\nalt-svc: h3\r\n"
            "x-request-id: up-1\r\nmintgate-cost-micros: 7\r\n",
        )

    gateway.provider.scripts.append(script)
    answer = await gateway.chat()

    assert {"set-cookie", "openai-organization", "alt-svc"}.isdisjoint(answer.headers)
    assert answer.headers["x-request-id"] == "up-1"
    assert answer.headers["mintgate-cost-micros"] == "2"


async def test_a_fitted_limit_is_written_into_the_request(gateway: Gateway) -> None:
    """When the ledger fits a limit, the provider gets it and the client is told."""
    gateway.core.fitted_tokens = 4_321
    answer = await gateway.chat()

    (received,) = gateway.provider.requests
    assert orjson.loads(received.body)["max_completion_tokens"] == 4_321
    assert answer.headers["mintgate-output-bound"] == "4321"


REFUSALS = [
    (error_pb2.ERROR_REASON_UNAUTHENTICATED, 401, "not known"),
    (error_pb2.ERROR_REASON_KEY_REVOKED, 401, "revoked"),
    (error_pb2.ERROR_REASON_KEY_EXPIRED, 401, "expired"),
    (error_pb2.ERROR_REASON_KEY_PAUSED, 401, "paused"),
    (error_pb2.ERROR_REASON_CAP_EXCEEDED, 402, "because"),
    (error_pb2.ERROR_REASON_WALLET_EMPTY, 402, "because"),
    (error_pb2.ERROR_REASON_PROVIDER_NOT_ALLOWED, 403, "because"),
    (error_pb2.ERROR_REASON_MODEL_NOT_ALLOWED, 403, "because"),
    (error_pb2.ERROR_REASON_MODEL_UNPRICED, 404, "because"),
    (error_pb2.ERROR_REASON_INVALID_ARGUMENT, 400, "because"),
    (error_pb2.ERROR_REASON_OVERLOADED, 503, "cannot reserve"),
    (error_pb2.ERROR_REASON_UNAVAILABLE, 503, "cannot reserve"),
    (error_pb2.ERROR_REASON_INTERNAL, 503, "cannot reserve"),
]


@pytest.mark.parametrize(("reason", "status", "words"), REFUSALS)
async def test_a_refused_hold_has_a_native_status(
    gateway: Gateway, reason: error_pb2.ErrorReason.ValueType, status: int, words: str
) -> None:
    """Each reason of the ledger's becomes its status in the provider's shape; nothing is sent."""
    gateway.core.refusal = error_pb2.Error(reason=reason, message="because of this")
    answer = await gateway.chat()

    assert status == answer.status_code
    assert words in answer.json()["error"]["message"]
    assert answer.headers["mintgate-request-id"]
    assert gateway.provider.requests == []


async def test_402_tells_what_would_fit(gateway: Gateway) -> None:
    """A 402 has the amounts in micro-USD: needed rounded up, left rounded down; no retry."""
    gateway.core.refusal = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_CAP_EXCEEDED,
        message="the cap is too small",
        required_nano_usd=5_001,
        remaining_nano_usd=4_999,
        affordable_output_tokens=77,
    )
    answer = await gateway.chat(max_completion_tokens=100)

    error = answer.json()["error"]
    assert (
        error["required_micros"],
        error["remaining_micros"],
        error["affordable_max_output_tokens"],
    ) == (6, 4, 77)
    assert answer.headers["x-should-retry"] == "false"


async def test_a_providers_error_is_relayed_and_releases(gateway: Gateway) -> None:
    """A provider's 4xx or 5xx body arrives unchanged, and its hold is released before it does."""
    body = b'{"error": {"message": "slow down",  "type": "requests"}}'

    async def script(received: Received, answer: Answer) -> None:
        await answer.whole(body, 429, extra="retry-after: 3\r\n")

    gateway.provider.scripts.append(script)
    answer = await gateway.chat()

    assert (429, body) == (answer.status_code, answer.content)
    assert answer.headers["retry-after"] == "3"
    assert gateway.core.kinds() == ["reserve", "release"]


@pytest.mark.parametrize("status", [401, 402, 302])
async def test_the_operators_own_trouble_is_a_502(gateway: Gateway, status: int) -> None:
    """A provider's 401, 402 or redirect never looks like the fault of the caller's key."""

    async def script(received: Received, answer: Answer) -> None:
        body = b'{"error": {"message": "Incorrect API key provided: oper****-key"}}'
        await answer.whole(body, status, extra="location: http://elsewhere/\r\n")

    gateway.provider.scripts.append(script)
    answer = await gateway.chat()

    assert answer.status_code == 502
    assert "oper****" not in answer.text
    assert gateway.core.kinds() == ["reserve", "release"]


async def test_a_provider_that_hangs_up_is_a_502(gateway: Gateway) -> None:
    """No answer at all releases the hold and becomes a native 502."""

    async def script(received: Received, answer: Answer) -> None:
        answer.reset()

    gateway.provider.scripts.append(script)
    answer = await gateway.chat()

    assert answer.status_code == 502
    assert "message" in answer.json()["error"]
    assert gateway.core.kinds() == ["reserve", "release"]


async def test_an_answer_without_usage_is_counted(gateway: Gateway) -> None:
    """A complete answer that states no usage is charged by what was counted, never nothing."""

    async def script(received: Received, answer: Answer) -> None:
        document = orjson.loads(CHAT_ANSWER)
        del document["usage"]
        await answer.whole(orjson.dumps(document))

    gateway.provider.scripts.append(script)
    assert (await gateway.chat()).status_code == 200

    (settle,) = gateway.core.settles()
    assert settle.settled_by == ledger_pb2.SETTLED_BY_COUNTED
    assert units(settle)[unit_pb2.UNIT_OUTPUT_TOKENS] > 0


async def test_a_short_body_that_breaks_is_a_502_and_charged(gateway: Gateway) -> None:
    """A JSON answer that breaks before anything was sent is a 502; its work is settled."""

    async def script(received: Received, answer: Answer) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {500}\r\n\r\n"
        await answer.write(head.encode() + CHAT_ANSWER[:60])
        answer.reset()

    gateway.provider.scripts.append(script)
    answer = await gateway.chat()

    assert answer.status_code == 502
    (settle,) = gateway.core.settles()
    assert settle.status == ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN
    assert settle.settled_by == ledger_pb2.SETTLED_BY_COUNTED


REFUSED_BEFORE: list[tuple[dict[str, str], bytes, int]] = [
    ({"content-type": "application/json"}, chat_body(), 401),
    ({**JSON_HEADERS, "x-api-key": "qlk_live_" + "cd" * 32}, chat_body(), 401),
    ({**JSON_HEADERS, "authorization": "Bearer sk-other"}, chat_body(), 401),
    ({"content-type": "application/json"}, chat_body(api_key=KEY), 401),
    ({**JSON_HEADERS, "content-encoding": "gzip"}, chat_body(), 415),
    ({**JSON_HEADERS, "content-type": "multipart/form-data; boundary=x"}, chat_body(), 415),
    (JSON_HEADERS, b"{", 400),
    (JSON_HEADERS, b'{"model": "a", "model": "b"}', 400),
]


@pytest.mark.parametrize(("headers", "body", "status"), REFUSED_BEFORE)
async def test_refused_before_any_hold(
    gateway: Gateway, headers: dict[str, str], body: bytes, status: int
) -> None:
    """A request that cannot be served is answered natively, without a hold, without a secret."""
    answer = await gateway.client.post(CHAT, content=body, headers=headers)

    assert status == answer.status_code
    assert "message" in answer.json()["error"]
    assert "qlk_live_a" not in answer.text
    assert gateway.core.operations == []


@pytest.mark.parametrize(
    ("charset", "status"),
    [
        ("", 200),
        ("; charset=utf-8", 200),
        (';Charset="UTF8"; x=y', 200),
        ("; charset=utf-7", 415),
        ("; charset=utf-8; charset=utf-7", 415),
        ("; charset*=utf-8''utf-7", 415),
    ],
)
async def test_a_body_is_in_no_other_charset(gateway: Gateway, charset: str, status: int) -> None:
    """What is read as UTF-8 here is not read in another charset by the provider."""
    headers = {**JSON_HEADERS, "content-type": f"application/json{charset}"}

    answer = await gateway.client.post(CHAT, content=chat_body(), headers=headers)

    assert answer.status_code == status
    assert len(gateway.provider.requests) == (status == 200)


async def test_a_body_that_is_too_large_is_a_413(gateway: Gateway) -> None:
    """A body that says it is larger than the bound is refused before it is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: gw\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {33 << 20}\r\n\r\n".encode()
    )
    assert b" 413 " in await reader.readline()
    writer.close()
    assert gateway.core.operations == []


async def test_a_chunked_body_that_is_too_large_is_a_413(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body without a stated length is counted as it arrives."""
    monkeypatch.setattr("mintgate_facade.relay.body.REQUEST_BODY_BYTES_MAX", 100_000)

    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 10_000

    answer: httpx.Response = await gateway.client.post(CHAT, content=pieces(), headers=JSON_HEADERS)
    assert answer.status_code == 413


async def test_the_name_of_a_repeat_is_its_keys_own(gateway: Gateway) -> None:
    """A provider never takes one key's request for the repeat of another's, nor two for one."""
    other = "qlk_live_" + "b" * 64
    for key, name in ((KEY, "1"), (KEY, "1"), (KEY, "2"), (other, "1")):
        headers = {**JSON_HEADERS, "authorization": f"Bearer {key}", "idempotency-key": name}
        await gateway.client.post(CHAT, content=chat_body(), headers=headers)

    first, again, *others = [r.header("idempotency-key") for r in gateway.provider.requests]
    assert first == again
    assert len({first, *others, "1", "2"}) == 5


async def test_a_long_body_is_taken_from_nobody_who_has_no_key(gateway: Gateway) -> None:
    """What only looks like a key gets its 401 for a long body while most of it is unsent."""
    gateway.core.authentication_refusal = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_UNAUTHENTICATED, message="there is no such key"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: gw\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {30 << 20}\r\n\r\n".encode()
    )
    writer.write(b" " * (ANYBODYS_BYTES_MAX + 1))
    async with asyncio.timeout(WAIT_S):
        assert b" 401 " in await reader.readline()
    writer.close()
    assert gateway.core.operations == []


async def test_a_long_body_asks_once_whose_it_is(gateway: Gateway) -> None:
    """The key of a long body is asked about once, that of a short one with its hold alone."""
    answer = await gateway.chat(metadata={"padding": " " * 4 * ANYBODYS_BYTES_MAX})
    assert answer.status_code == 200
    assert [question.provider for question in gateway.core.questions] == ["openai"]

    await gateway.chat()
    assert len(gateway.core.questions) == 1
    assert gateway.core.kinds() == ["reserve", "settle", "reserve", "settle"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/openai/v1/realtime/client_secrets", 403),
        ("GET", "/openai/v1/organization/users", 403),
        ("POST", "/openai/v1/nothing/here", 404),
        ("GET", "/openai/v1/embeddings", 405),
        ("POST", "/anthropic/v1/sessions", 403),
        ("POST", "/gemini/v1beta/auth_tokens", 403),
    ],
)
async def test_routes_that_are_not_served(
    gateway: Gateway, method: str, path: str, status: int
) -> None:
    """Denied, unknown and wrong-method routes are refused in the provider's own shape."""
    answer = await gateway.client.request(method, path, headers=JSON_HEADERS)

    assert status == answer.status_code
    assert answer.json()["error"]["message"]
    assert gateway.core.operations == []


async def test_a_late_hold_is_released(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that answers too late is a 503; the hold it granted is given back."""
    monkeypatch.setattr(metered, "RESERVE_WAIT_S", 0.05)
    gateway.core.reserves_may_answer.clear()
    answer = await gateway.chat()
    gateway.core.reserves_may_answer.set()
    await gateway.core.heard("release")

    assert answer.status_code == 503
    reserve, release = gateway.core.operations
    assert reserve.reserve.hold_id == release.release.hold_id
    assert b"token of " + reserve.reserve.hold_id == release.release.hold_token
    assert gateway.provider.requests == []


async def test_a_ledger_that_is_away_is_a_503(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a ledger nothing is forwarded, and no client thinks that its key is bad."""
    monkeypatch.setattr(metered, "RESERVE_WAIT_S", 0.2)
    await gateway.chat()
    await gateway.core_server.stop()
    answer = await gateway.chat()

    assert answer.status_code == 503
    assert len(gateway.provider.requests) == 1


async def test_the_log_line_has_no_secret(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """A request leaves one line with its id, route, key id and cost, and no secret."""
    caplog.set_level("INFO")
    rendered: list[str] = []

    class Rendering(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            rendered.append(TextLines({}).format(record))

    handler = Rendering()
    logging.getLogger().addHandler(handler)
    answer = await gateway.chat()
    logging.getLogger().removeHandler(handler)

    # Rendered where it was logged, since only the request's own task knows its id.
    (line,) = [line for line in rendered if " mintgate.request " in line]
    assert f"request_id={answer.headers['mintgate-request-id']}" in line
    assert "provider=openai route=chat status=200 key_id=key_1 cost_nano_usd=1500" in line
    assert "qlk_live_" not in caplog.text
    assert "operator-openai-key" not in caplog.text


async def test_anthropic_is_told_by_its_header(gateway: Gateway) -> None:
    """On a shared host the SDK's own header chooses the provider and the operator's key form."""
    body = {"model": "claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}

    async def script(received: Received, answer: Answer) -> None:
        usage = {"input_tokens": 4, "output_tokens": 2}
        await answer.whole(
            orjson.dumps(
                {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": "claude-x",
                    "content": [{"type": "text", "text": "Hey"}],
                    "stop_reason": "end_turn",
                    "usage": usage,
                }
            )
        )

    gateway.provider.scripts.append(script)
    answer = await gateway.client.post(
        "/v1/messages",
        content=orjson.dumps(body),
        headers={**JSON_HEADERS, "anthropic-version": "2023-06-01"},
    )

    assert answer.status_code == 200
    (received,) = gateway.provider.requests
    assert received.header("x-api-key") == "operator-anthropic-key"
    assert received.header("authorization") == ""
    assert received.header("anthropic-version") == "2023-06-01"
    assert units(gateway.core.settles()[0]) == {
        unit_pb2.UNIT_INPUT_TOKENS: 4,
        unit_pb2.UNIT_OUTPUT_TOKENS: 2,
    }

"""DashScope's refusals, failures within status 200 and broken streams, as its SDK sees them."""

from __future__ import annotations

from typing import Any

import pytest
from dashscope import v2
from dashscope.v2 import errors
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN, SETTLED_BY_COUNTED

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.sdk_python.test_dashscope import GENERATION, HELLO, MODEL, MULTIMODAL, call, sdk
from tests.upstream import Upstream, simulate
from tests.wire import send


def ask(client: v2.Client, *, stream: bool = False) -> Any:
    """One chat, read to its end."""
    create: Any = client.chat.completions.create
    answer = create(model=MODEL, messages=HELLO, max_tokens=400, stream=stream)
    return list(answer) if stream else answer


def test_unknown_key(gateway: Installation, upstream: Upstream) -> None:
    """A key that nobody minted is an authentication error, and goes nowhere."""
    with (
        sdk(gateway, "qlk_live_" + "0" * 64) as client,
        pytest.raises(errors.AuthenticationError) as caught,
    ):
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (401, "InvalidApiKey")
    assert upstream.requests() == []


@pytest.mark.parametrize("stream", [False, True])
def test_cap(gateway: Installation, upstream: Upstream, *, stream: bool) -> None:
    """Over the cap is a 402 that no retry repeats, with what would be needed."""
    buyer = Buyer.mint(gateway, "0.000010")
    with (
        sdk(gateway, buyer.secret, max_retries=2) as client,
        pytest.raises(errors.PermissionDeniedError) as caught,
    ):
        ask(client, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (402, "Arrearage")
    assert caught.value.body["reason"] == "cap_exceeded"
    assert caught.value.body["required_micros"] > caught.value.body["remaining_micros"]
    assert upstream.requests() == []
    buyer.untouched()


def test_cap_in_the_first_generation(gateway: Installation) -> None:
    """The older SDK returns the same as an object."""
    buyer = Buyer.mint(gateway, "0.000010")
    answer = call(buyer)
    assert (answer.status_code, answer.code) == (402, "Arrearage")
    buyer.untouched()


def test_provider_is_busy(buyer: Buyer) -> None:
    """The provider's 429 is a rate limit error with its own waiting time."""
    with (
        sdk(buyer.gateway, buyer.secret, simulate(status=429, retry_after=7)) as client,
        pytest.raises(errors.RateLimitError) as caught,
    ):
        ask(client)
    assert caught.value.headers["retry-after"] == "7"
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
def test_provider_fails(buyer: Buyer, *, stream: bool) -> None:
    """A failure of the provider is the SDK's, and the hold is given back."""
    with (
        sdk(buyer.gateway, buyer.secret, simulate(status=500)) as client,
        pytest.raises(errors.InternalServerError),
    ):
        ask(client, stream=stream)
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("stands_for", "kind"), [(429, errors.RateLimitError), (400, errors.BadRequestError)]
)
def test_failure_within_200(
    buyer: Buyer, stands_for: int, kind: type[Exception], *, stream: bool
) -> None:
    """A code in a body, or in an event, with status 200 arrives as it is and costs nothing."""
    with (
        sdk(buyer.gateway, buyer.secret, simulate(base_resp=stands_for)) as client,
        pytest.raises(kind),
    ):
        ask(client, stream=stream)
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("stands_for", [401, 402])
def test_the_operators_troubles(buyer: Buyer, stands_for: int, *, stream: bool) -> None:
    """The operator's key or balance is no matter of the client's, within 200 neither."""
    with (
        sdk(buyer.gateway, buyer.secret, simulate(base_resp=stands_for)) as client,
        pytest.raises(errors.InternalServerError, match="your key is not at fault"),
    ):
        ask(client, stream=stream)
    buyer.untouched()


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_stream(buyer: Buyer, fault: str, *, incremental: bool) -> None:
    """What arrived of a stream that breaks off is charged, by the usage that it stated last."""
    headers = {"x-simulate": f"chunk_delay_ms=20; break={fault}; break_after=3"}
    how = {"incremental_output": True} if incremental else {}
    answers = list(call(buyer, stream=True, headers=headers, **how))
    assert answers[-1].code == "InternalError"
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED
    assert event.output_tokens == 3
    expected = nano_usd(MODEL, input=event.input_tokens, output=3)
    assert event.charged_nano_usd == expected


@pytest.mark.parametrize("incremental", [False, True])
def test_broken_stream_without_usage(buyer: Buyer, *, incremental: bool) -> None:
    """Without any usage the text is counted once, whether it came in pieces or ever longer."""
    headers = {"x-simulate": "usage=none; chunk_delay_ms=20; break=eof; break_after=3"}
    how = {"incremental_output": True} if incremental else {}
    list(call(buyer, stream=True, headers=headers, **how))
    # Twelve bytes came, and three of them count as one token.
    assert buyer.settled().output_tokens == 4


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("X-DashScope-EncryptionKey", 400, "InvalidParameter"),
        ("X-DashScope-Async", 403, "AccessDenied"),
        ("X-DashScope-Plugin", 400, "InvalidParameter"),
    ],
)
@pytest.mark.parametrize("path", [GENERATION, MULTIMODAL, "/qwen/api/v1/tokenizer"])
def test_refused_headers(
    buyer: Buyer, upstream: Upstream, header: str, status: int, code: str, path: str
) -> None:
    """Encrypted bodies, tasks and plugins are refused on every route, before any hold."""
    body = {"model": MODEL, "input": {"messages": HELLO}}
    headers = {**buyer.bearer, header: "enable"}
    answer = send(buyer.gateway.url, "POST", path, headers=headers, body=body)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert len(answer.json()["message"]) > 40
    assert upstream.requests() == []
    buyer.untouched()


def test_refused_headers_without_a_prefix(buyer: Buyer, upstream: Upstream) -> None:
    """A request that only its model sends to DashScope is held to the same."""
    body = {"model": MODEL, "messages": HELLO, "max_tokens": 5}
    headers = {**buyer.bearer, "X-DashScope-Async": "enable"}
    answer = send(buyer.gateway.url, "POST", "/v1/chat/completions", headers=headers, body=body)
    assert answer.status == 403
    assert upstream.requests() == []
    buyer.untouched()


def test_headers_of_the_operators(buyer: Buyer, upstream: Upstream) -> None:
    """A workspace cannot be chosen, and the operator's limits are not told."""
    headers = {**buyer.bearer, "X-DashScope-WorkSpace": "llm-of-somebody"}
    body = {"model": MODEL, "input": {"messages": HELLO}, "parameters": {"max_tokens": 5}}
    answer = send(buyer.gateway.url, "POST", GENERATION, headers=headers, body=body)
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("x-ratelimit-")]
    assert "x-dashscope-workspace" not in upstream.only()["headers"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tasks"),
        ("POST", "/services/aigc/image2image/out-painting"),
        ("GET", "/files"),
        ("GET", "/uploads?action=getPolicy&model=qwen-vl-plus"),
        ("POST", "/apps/0a1b/completion"),
        ("POST", "/fine-tunes"),
        ("POST", "/deployments"),
        ("POST", "/services/aigc/video-generation/video-synthesis"),
        ("POST", "/services/audio/tts/customization"),
        ("POST", "/tokens?expire_in_seconds=60"),
    ],
)
def test_denied_routes(buyer: Buyer, upstream: Upstream, method: str, path: str) -> None:
    """Lists of tasks, stored objects, the account and credentials are denied with a reason."""
    answer = send(
        buyer.gateway.url, method, f"/qwen/api/v1{path}", headers=buyer.bearer, body={"model": "m"}
    )
    assert (answer.status, answer.json()["code"]) == (403, "AccessDenied")
    assert len(answer.json()["message"]) > 30
    assert upstream.requests() == []
    buyer.untouched()

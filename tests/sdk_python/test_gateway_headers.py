"""The gateway's own headers, and what it does to a request that states no output limit."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from google import genai
from google.genai import types

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate
from tests.wire import send

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
CAP_USD = "0.05"
CAP_NANO_USD = 50_000_000


def test_plain_answer(buyer: Buyer) -> None:
    """A short answer tells its request id, its cost, and that it was simulated."""
    with openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "word " * 1_000}],
            max_tokens=400,
            extra_headers=simulate(input=1_000, output=300),
        )
    (event,) = buyer.events()
    assert raw.headers["mintgate-request-id"] == event.request_id
    assert raw.headers["mintgate-simulated"] == "1"
    # 330,000 nano-dollars.
    assert event.charged_nano_usd == nano_usd("gpt-4o-mini", input=1_000, output=300)
    assert raw.headers["mintgate-cost-micros"] == "330"
    assert "mintgate-output-bound" not in raw.headers


def test_stream(buyer: Buyer) -> None:
    """A stream begins before its cost is known, and so does not state one."""
    with openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=HELLO, max_tokens=50, stream=True
        )
        list(raw.parse())
    (event,) = buyer.events()
    assert raw.headers["mintgate-request-id"] == event.request_id
    assert "mintgate-cost-micros" not in raw.headers


def test_refusals_name_the_request(gateway: Installation) -> None:
    """A refusal carries the request id too, in the provider's own header as well."""
    broke = Buyer.mint(gateway, "0")
    answer = send(
        gateway.url,
        "POST",
        "/v1/chat/completions",
        headers=broke.bearer,
        body={"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 5},
    )
    assert answer.status == 402
    assert answer.headers["mintgate-request-id"] == answer.headers["x-request-id"]


CASES: list[Any] = [
    pytest.param(
        "/v1/chat/completions",
        {"model": "gpt-4o-mini", "messages": HELLO},
        ("max_completion_tokens",),
        600,
        id="chat",
    ),
    pytest.param(
        "/v1/chat/completions",
        {"model": "gpt-4o-mini", "messages": HELLO, "stream": True},
        ("max_completion_tokens",),
        600,
        id="chat-stream",
    ),
    pytest.param(
        "/v1/responses",
        {"model": "gpt-4o-mini", "input": "hello"},
        ("max_output_tokens",),
        600,
        id="responses",
    ),
    pytest.param(
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": [{"parts": [{"text": "hello"}]}]},
        ("generationConfig", "maxOutputTokens"),
        2_500,
        id="gemini",
    ),
    pytest.param(
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        {"contents": [{"parts": [{"text": "hello"}]}], "generationConfig": {"topK": 3}},
        ("generationConfig", "maxOutputTokens"),
        2_500,
        id="gemini-stream",
    ),
]


@pytest.mark.parametrize(("path", "body", "field", "nano_usd_per_token"), CASES)
def test_limit_that_fits(
    gateway: Installation,
    upstream: Upstream,
    path: str,
    body: dict[str, Any],
    field: tuple[str, ...],
    nano_usd_per_token: int,
) -> None:
    """A request without a limit gets one: an eighth of what remains, but at least 4,096 tokens.

    It is spliced into the provider's own field, told in a header, and the rest
    of the body stays as it was.
    """
    buyer = Buyer.mint(gateway, CAP_USD)
    sent = json.dumps(body, indent=1).replace("hello", "h\\u00e9llo")
    answer = send(
        gateway.url,
        "POST",
        path,
        headers=buyer.bearer | {"content-type": "application/json"},
        body=sent,
    )
    assert answer.status == 200
    bound = int(answer.headers["mintgate-output-bound"])
    received = upstream.only()["body"]
    value: Any = json.loads(received)
    for name in field:
        value = value[name]
    assert value == bound
    assert '"h\\u00e9llo"' in received
    # The input's bound takes a little off the eighth.
    eighth = CAP_NANO_USD // 8 // nano_usd_per_token
    if eighth > 4_096:
        assert 0.99 * eighth < bound <= eighth
    else:
        assert bound == 4_096
    (event,) = buyer.events()
    assert bound * nano_usd_per_token <= event.held_nano_usd <= CAP_NANO_USD
    assert event.held_nano_usd <= bound * nano_usd_per_token * 1.05


def test_limit_that_fits_a_small_key(gateway: Installation, upstream: Upstream) -> None:
    """Where 4,096 tokens are not affordable, what is affordable is given, to the last token."""
    buyer = Buyer.mint(gateway, "0.0003")
    answer = send(
        gateway.url,
        "POST",
        "/v1/chat/completions",
        headers=buyer.bearer,
        body={"model": "gpt-4o-mini", "messages": HELLO},
    )
    assert answer.status == 200
    bound = int(answer.headers["mintgate-output-bound"])
    assert json.loads(upstream.only()["body"])["max_completion_tokens"] == bound
    (event,) = buyer.events()
    assert 300_000 - 600 < event.held_nano_usd <= 300_000


def test_sdk_sees_the_answer_as_cut(gateway: Installation) -> None:
    """An answer that needs more than the limit ends as if the user had stated it."""
    buyer = Buyer.mint(gateway, "0.0001")
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=buyer.secret) as client:
        answer = client.chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, extra_headers=simulate(output=5_000)
        )
    assert answer.choices[0].finish_reason == "length"
    (event,) = buyer.events()
    assert event.charged_nano_usd <= event.held_nano_usd <= 100_000


def test_gemini_sdk_without_a_config(gateway: Installation, upstream: Upstream) -> None:
    """An object that the limit belongs in is made when the request has none."""
    buyer = Buyer.mint(gateway, CAP_USD)
    options = types.HttpOptions(base_url=f"{gateway.url}/gemini")
    with genai.Client(api_key=buyer.secret, http_options=options) as client:
        answer = client.models.generate_content(model="gemini-2.5-flash", contents="hello")
    headers = (answer.sdk_http_response or types.HttpResponse()).headers or {}
    body = json.loads(upstream.only()["body"])
    assert body["generationConfig"] == {"maxOutputTokens": int(headers["mintgate-output-bound"])}


def test_reject_never_touches_the_body(gateway: Installation, upstream: Upstream) -> None:
    """With `unbounded_output=reject` the body stays as it is and the model's maximum is held."""
    buyer = Buyer.mint(gateway, "1", unbounded_output="reject")
    sent = json.dumps({"model": "gpt-4o-mini", "messages": HELLO}, indent=2)
    answer = send(
        gateway.url,
        "POST",
        "/v1/chat/completions",
        headers=buyer.bearer | {"content-type": "application/json"},
        body=sent,
    )
    assert answer.status == 200
    assert upstream.only()["body"] == sent
    assert "mintgate-output-bound" not in answer.headers
    (event,) = buyer.events()
    # The model writes 16,384 tokens at most.
    assert event.held_nano_usd >= nano_usd("gpt-4o-mini", output=16_384)


def test_reject_refuses_what_does_not_fit(gateway: Installation, upstream: Upstream) -> None:
    """With `unbounded_output=reject` a key that cannot pay the maximum gets 402."""
    buyer = Buyer.mint(gateway, "0.009", unbounded_output="reject")
    answer = send(
        gateway.url,
        "POST",
        "/v1/chat/completions",
        headers=buyer.bearer,
        body={"model": "gpt-4o-mini", "messages": HELLO},
    )
    assert answer.status == 402
    assert answer.json()["error"]["required_micros"] > 9_830
    assert upstream.requests() == []
    buyer.untouched()

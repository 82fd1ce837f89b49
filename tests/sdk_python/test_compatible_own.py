"""What one vendor alone does: xAI's ticks, MiniMax's failures within 200, DeepSeek's beta."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from mintgate.v1.unit_pb2 import UNIT_BILLED_TICKS, UNIT_OUTPUT_TOKENS

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate
from tests.wire import send

LONG = "word " * 1_000
QUESTION: list[Any] = [{"role": "user", "content": LONG}]


@contextmanager
def sdk(gateway: Installation, secret: str, base: str) -> Iterator[openai.OpenAI]:
    """The SDK, without retries."""
    with openai.OpenAI(base_url=gateway.url + base, api_key=secret, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True])
def test_xai_bills_its_ticks(buyer: Buyer, *, stream: bool) -> None:
    """What xAI says an answer costs is the charge; its tokens stay on the event for nothing."""
    with sdk(buyer.gateway, buyer.secret, "/xai/v1") as client:
        answer: Any = client.chat.completions.create(
            model="grok-3",
            messages=QUESTION,
            max_tokens=400,
            stream=stream,
            extra_headers=simulate(input=1_000, output=100, ticks=12_345_671),
        )
        if stream:
            list(answer)
    # 1,234,567.1 nano-dollars, rounded up.
    (event,) = buyer.charged(Charge("xai", "grok-3", 1_234_568, 1_000, 100))
    prices = {price.unit: price.pico_usd for price in event.unit_prices}
    assert (prices[UNIT_BILLED_TICKS], prices[UNIT_OUTPUT_TOKENS]) == (100, 0)


@pytest.mark.parametrize("stream", [False, True])
def test_xai_responses(buyer: Buyer, *, stream: bool) -> None:
    """Responses state ticks, too, and their limit holds the reasoning: little is held."""
    with sdk(buyer.gateway, buyer.secret, "/xai/v1") as client:
        answer: Any = client.responses.create(
            model="grok-4-fast-reasoning",
            input=LONG,
            max_output_tokens=400,
            stream=stream,
            extra_headers=simulate(input=1_000, output=100, reasoning=200),
        )
        if stream:
            list(answer)
    cost = nano_usd("grok-4-fast-reasoning", input=1_000, output=300)
    (event,) = buyer.charged(
        Charge("xai", "grok-4-fast-reasoning", cost, 1_000, 300, reasoning_tokens=200)
    )
    # At most every byte as a token of input, and the whole limit.
    most = nano_usd("grok-4-fast-reasoning", input=len(LONG) + 500, output=400)
    assert event.held_nano_usd < most


def test_xai_reasoning_beyond_the_limit(buyer: Buyer) -> None:
    """Reasoning passes the limit of a chat by far, and the hold covers it all the same."""
    model = "grok-4-fast-reasoning"
    with sdk(buyer.gateway, buyer.secret, "/xai/v1") as client:
        client.chat.completions.create(
            model=model,
            messages=QUESTION,
            max_completion_tokens=10,
            extra_headers=simulate(input=1_000, output=50, reasoning=900_000),
        )
    cost = nano_usd(model, input=1_000, output=900_010)
    (event,) = buyer.charged(Charge("xai", model, cost, 1_000, 900_010, reasoning_tokens=900_000))
    # Its window is two million tokens.
    assert event.held_nano_usd >= nano_usd(model, output=2_000_000)


def test_xai_tells_of_no_limit_that_would_fit(gateway: Installation) -> None:
    """Where no limit bounds the output, a refusal does not name a smaller one."""
    buyer = Buyer.mint(gateway, "0.50")
    with (
        sdk(gateway, buyer.secret, "/xai/v1") as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(
            model="grok-4-fast-reasoning", messages=QUESTION, max_completion_tokens=10
        )
    assert caught.value.status_code == 402
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["affordable_max_output_tokens"] == 0
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
def test_minimax_is_busy_with_status_200(buyer: Buyer, *, stream: bool) -> None:
    """A failure in `base_resp` arrives as MiniMax words it, and costs nothing."""
    with sdk(buyer.gateway, buyer.secret, "/minimax/v1") as client:
        answer: Any = client.chat.completions.create(
            model="MiniMax-M2.7",
            messages=QUESTION,
            max_tokens=400,
            stream=stream,
            extra_headers=simulate(base_resp=1002),
        )
        (said,) = list(answer) if stream else [answer]
    assert said.model_extra["base_resp"] == {"status_code": 1002, "status_msg": "rate limit"}
    buyer.untouched()


@pytest.mark.parametrize("path", ["/minimax/v1", "/v1"])
@pytest.mark.parametrize("stream", [False, True])
def test_minimax_at_its_own_address(
    buyer: Buyer, upstream: Upstream, path: str, *, stream: bool
) -> None:
    """Its native chat is found with and without a prefix, and charged as the other is."""
    model = "MiniMax-M2.7"
    body = {"model": model, "messages": QUESTION, "max_tokens": 400, "stream": stream}
    headers = {**buyer.bearer, **simulate(input=1_000, output=100)}
    address = f"{path}/text/chatcompletion_v2"
    answer = send(buyer.gateway.url, "POST", address, headers=headers, body=body)
    assert answer.status == 200
    buyer.charged(Charge("minimax", model, nano_usd(model, input=1_000, output=100), 1_000, 100))
    assert upstream.only()["path"] == "/minimax/v1/text/chatcompletion_v2"


@pytest.mark.parametrize("code", [1004, 1008])
@pytest.mark.parametrize("stream", [False, True])
def test_minimax_refuses_the_operator(buyer: Buyer, code: int, *, stream: bool) -> None:
    """The operator's key or balance is no matter of the client's."""
    with (
        sdk(buyer.gateway, buyer.secret, "/minimax/v1") as client,
        pytest.raises(openai.APIError) as caught,
    ):
        list(
            client.chat.completions.create(
                model="MiniMax-M2.7",
                messages=QUESTION,
                max_tokens=400,
                stream=stream,
                extra_headers=simulate(base_resp=code),
            )
        )
    assert "your key is not at fault" in caught.value.message
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
def test_deepseek_fills_in_the_middle(buyer: Buyer, upstream: Upstream, *, stream: bool) -> None:
    """The beta has routes of its own, on a base URL of its own."""
    model = "deepseek-v3.1-terminus"
    with sdk(buyer.gateway, buyer.secret, "/deepseek/beta") as client:
        answer: Any = client.completions.create(
            model=model,
            prompt=LONG,
            suffix="the end",
            max_tokens=400,
            stream=stream,
            extra_headers=simulate(input=1_000, output=60),
        )
        text = "".join(c.choices[0].text for c in answer) if stream else answer.choices[0].text
    assert text.startswith("Hello from the simulator")
    cost = nano_usd(model, input=1_000, output=60)
    buyer.charged(Charge("deepseek", model, cost, 1_000, 60))
    assert upstream.only()["path"] == "/deepseek/beta/completions"


def test_deepseek_without_a_limit(buyer: Buyer, upstream: Upstream) -> None:
    """A completion without a limit has none at DeepSeek: one is fitted into it."""
    with sdk(buyer.gateway, buyer.secret, "/deepseek/beta") as client:
        raw = client.completions.with_raw_response.create(
            model="deepseek-v3.1-terminus", prompt="def f(", extra_headers=simulate(output=30)
        )
    bound = raw.headers["mintgate-output-bound"]
    assert f'"max_tokens":{bound}' in upstream.only()["body"].replace(" ", "")
    buyer.charged(
        Charge(
            "deepseek",
            "deepseek-v3.1-terminus",
            nano_usd("deepseek-v3.1-terminus", input=2, output=30),
            2,
            30,
        )
    )

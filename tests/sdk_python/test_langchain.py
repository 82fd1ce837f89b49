"""Unmodified langchain-openai and langchain-anthropic, each call charged to the nano-dollar."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

OPENAI_MODEL = "gpt-4o-mini"
ANTHROPIC_MODEL = "claude-haiku-4-5"
LONG = "word " * 2_000
USED = simulate(input=1_000, output=100)


def chat_openai(buyer: Buyer, headers: dict[str, str], **options: Any) -> BaseChatModel:
    """ChatOpenAI with another base URL and another key."""
    arguments = {"model": OPENAI_MODEL, "max_tokens": 400, "max_retries": 0, **options}
    return ChatOpenAI(
        base_url=f"{buyer.gateway.url}/v1",
        api_key=buyer.secret,  # type: ignore[arg-type]  # LangChain wraps it in a SecretStr.
        default_headers=headers,
        **arguments,
    )


def chat_anthropic(buyer: Buyer, headers: dict[str, str], **options: Any) -> BaseChatModel:
    """ChatAnthropic with another base URL and another key."""
    arguments = {"model": ANTHROPIC_MODEL, "max_tokens": 400, "max_retries": 0, **options}
    return ChatAnthropic(
        base_url=buyer.gateway.url,
        api_key=buyer.secret,  # type: ignore[arg-type]  # LangChain wraps it in a SecretStr.
        default_headers=headers,
        **arguments,
    )


CHATS = [
    pytest.param(chat_openai, "openai", OPENAI_MODEL, id="openai"),
    pytest.param(chat_anthropic, "anthropic", ANTHROPIC_MODEL, id="anthropic"),
]


def used(provider: str, model: str, input_tokens: int = 1_000, output_tokens: int = 100) -> Charge:
    """What one call costs."""
    cost = nano_usd(model, input=input_tokens, output=output_tokens)
    return Charge(provider, model, cost, input_tokens, output_tokens)


@tool
def weather(city: str) -> str:
    """Say what the weather is in a city."""
    return f"sunny in {city}"


@pytest.mark.parametrize(("make", "provider", "model"), CHATS)
def test_invoke(buyer: Buyer, make: Any, provider: str, model: str) -> None:
    """A plain call."""
    answer = make(buyer, USED).invoke(LONG)
    assert answer.text.startswith("Hello from the simulator")
    assert answer.usage_metadata["input_tokens"] == 1_000
    buyer.charged(used(provider, model))


@pytest.mark.parametrize(("make", "provider", "model"), CHATS)
def test_stream(buyer: Buyer, make: Any, provider: str, model: str) -> None:
    """A stream."""
    text = "".join(chunk.text for chunk in make(buyer, USED).stream(LONG))
    assert text.startswith("Hello from the simulator")
    buyer.charged(used(provider, model))


@pytest.mark.parametrize(("make", "provider", "model"), CHATS)
async def test_async(buyer: Buyer, make: Any, provider: str, model: str) -> None:
    """The asynchronous calls, plain and streaming."""
    chat = make(buyer, USED)
    answer = await chat.ainvoke(LONG)
    chunks = [chunk.text async for chunk in chat.astream(LONG)]
    assert "".join(chunks) == answer.text
    buyer.charged(used(provider, model), used(provider, model))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("make", "provider", "model"), CHATS)
def test_tools(buyer: Buyer, make: Any, provider: str, model: str, *, stream: bool) -> None:
    """A tool call, plain and put together from a stream."""
    chat = make(buyer, simulate(tool=True, input=1_000, output=20)).bind_tools([weather])
    if stream:
        first, *rest = chat.stream(LONG)
        answer = sum(rest, start=first)
    else:
        answer = chat.invoke(LONG)
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "sample"})
    buyer.charged(used(provider, model, 1_000, 20))


def test_stream_usage(buyer: Buyer) -> None:
    """A stream that asks for usage gets it."""
    chat = chat_openai(buyer, USED, stream_usage=True)
    first, *rest = chat.stream(LONG)
    answer = sum(rest, start=first)
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == 1_100
    buyer.charged(used("openai", OPENAI_MODEL))


def test_responses_api(buyer: Buyer) -> None:
    """ChatOpenAI on the Responses API."""
    answer = chat_openai(buyer, USED, use_responses_api=True).invoke(LONG)
    assert answer.text.startswith("Hello from the simulator")
    (event,) = buyer.charged(used("openai", OPENAI_MODEL))
    assert event.route == "responses"


def test_embeddings(buyer: Buyer) -> None:
    """OpenAIEmbeddings, whose input is arrays of tokens unless told otherwise."""
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=f"{buyer.gateway.url}/v1",
        api_key=buyer.secret,  # type: ignore[arg-type]  # LangChain wraps it in a SecretStr.
        dimensions=8,
        check_embedding_ctx_length=False,
        default_headers=simulate(input=50),
    )
    assert [len(v) for v in embeddings.embed_documents(["one " * 30, "two " * 30])] == [8, 8]
    cost = nano_usd("text-embedding-3-small", input=50)
    buyer.charged(Charge("openai", "text-embedding-3-small", cost, 50, 0))


@pytest.mark.parametrize(
    ("make", "kind"),
    [(chat_openai, openai.APIStatusError), (chat_anthropic, anthropic.PaymentRequiredError)],
)
def test_cap(gateway: Installation, upstream: Upstream, make: Any, kind: Any) -> None:
    """Over the cap the SDK's own 402 comes through."""
    buyer = Buyer.mint(gateway, "0")
    with pytest.raises(kind) as caught:
        make(buyer, {}, max_retries=2).invoke(LONG)
    assert caught.value.status_code == 402
    error = caught.value.body.get("error", caught.value.body)
    assert error["remaining_micros"] == 0
    assert error["required_micros"] > 0
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize(
    ("make", "kind"),
    [(chat_openai, openai.AuthenticationError), (chat_anthropic, anthropic.AuthenticationError)],
)
def test_unknown_key(gateway: Installation, make: Any, kind: Any) -> None:
    """A key that nobody minted."""
    with pytest.raises(kind):
        make(Buyer(gateway, "", "qlk_live_" + "0" * 64), {}).invoke("hello")


@pytest.mark.parametrize(
    ("make", "kind"),
    [(chat_openai, openai.NotFoundError), (chat_anthropic, anthropic.NotFoundError)],
)
def test_unknown_model(buyer: Buyer, make: Any, kind: Any) -> None:
    """A model without a price."""
    with pytest.raises(kind):
        make(buyer, {}, model="no-such-model").invoke("hello")
    buyer.untouched()


@pytest.mark.parametrize(
    ("make", "kind"),
    [(chat_openai, openai.InternalServerError), (chat_anthropic, anthropic.InternalServerError)],
)
def test_provider_fails(buyer: Buyer, make: Any, kind: Any) -> None:
    """The provider's failure is the SDK's own, and the hold is given back."""
    with pytest.raises(kind):
        make(buyer, simulate(status=500)).invoke("hello")
    buyer.untouched()


@pytest.mark.parametrize(
    ("make", "kind"), [(chat_openai, openai.APIError), (chat_anthropic, anthropic.APIError)]
)
def test_broken_stream(buyer: Buyer, make: Any, kind: Any) -> None:
    """A stream that breaks off raises, and what arrived is charged."""
    chat = make(buyer, {"x-simulate": "chunk_delay_ms=20; break=reset; break_after=3"})
    with pytest.raises(kind):
        list(chat.stream("hello"))
    assert buyer.settled().status == EVENT_STATUS_UPSTREAM_BROKEN

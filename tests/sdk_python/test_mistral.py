"""The unmodified Mistral SDK: every call charged to the nano-dollar, every refusal its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL = "mistral-small-2603"
LONG = "word " * 1_000
QUESTION: list[Any] = [{"role": "user", "content": LONG}]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
USED = simulate(input=1_200, cached=1_024, output=300)


def used() -> Charge:
    """What `USED` costs."""
    cost = nano_usd(MODEL, input=176, cached=1_024, output=300)
    return Charge("mistral", MODEL, cost, 1_200, 300)


@contextmanager
def client(gateway: Installation, secret: str, base: str = "/mistral") -> Iterator[Mistral]:
    """The SDK with another server URL and another key."""
    with Mistral(api_key=secret, server_url=gateway.url + base) as sdk:
        yield sdk


def ask(sdk: Mistral, **changed: Any) -> Any:
    """One chat completion."""
    arguments = {"model": MODEL, "messages": HELLO, "max_tokens": 400, **changed}
    return sdk.chat.complete(**arguments)


@pytest.mark.parametrize("base", ["/mistral", "/mistral/v1", "/mistral/"])
def test_plain(buyer: Buyer, upstream: Upstream, base: str) -> None:
    """A plain answer is charged to the nano-dollar, under every spelling of the URL."""
    with client(buyer.gateway, buyer.secret, base) as sdk:
        answer = ask(sdk, messages=QUESTION, http_headers=USED)
    assert answer.choices[0].message.content.startswith("Hello from the simulator")
    buyer.charged(used())
    assert upstream.only()["path"] == "/mistral/v1/chat/completions"


def test_stream(buyer: Buyer, upstream: Upstream) -> None:
    """A stream states its usage on its last chunk, unasked: nothing is added to the request."""
    with client(buyer.gateway, buyer.secret) as sdk:
        stream = sdk.chat.stream(model=MODEL, messages=QUESTION, max_tokens=400, http_headers=USED)
        chunks = [event.data for event in stream]
    assert "".join(str(c.choices[0].delta.content or "") for c in chunks).startswith("Hello from")
    assert chunks[-1].usage is not None
    buyer.charged(used())
    assert "stream_options" not in upstream.only()["body"]


async def test_async(buyer: Buyer) -> None:
    """The asynchronous methods, plain and streaming."""
    async with Mistral(api_key=buyer.secret, server_url=f"{buyer.gateway.url}/mistral") as sdk:
        answer = await sdk.chat.complete_async(
            model=MODEL, messages=QUESTION, max_tokens=400, http_headers=USED
        )
        assert answer.choices
        stream = await sdk.chat.stream_async(
            model=MODEL, messages=QUESTION, max_tokens=400, http_headers=USED
        )
        assert [event async for event in stream]
    buyer.charged(used(), used())


@pytest.mark.parametrize("stream", [False, True])
def test_fill_in_the_middle(buyer: Buyer, upstream: Upstream, *, stream: bool) -> None:
    """Code completions, which have no default limit: one is fitted in Mistral's own field."""
    model = "codestral-2508"
    arguments: Any = {
        "model": model,
        "prompt": LONG,
        "suffix": "return x",
        "http_headers": simulate(input=1_010, output=60),
    }
    with client(buyer.gateway, buyer.secret) as sdk:
        if stream:
            assert list(sdk.fim.stream(**arguments))
        else:
            assert sdk.fim.complete(**arguments).choices
    cost = nano_usd(model, input=1_010, output=60)
    buyer.charged(Charge("mistral", model, cost, 1_010, 60))
    assert '"max_tokens":' in upstream.only()["body"]


def test_embeddings(buyer: Buyer) -> None:
    """Many texts, longer together than the model's window, are held and charged."""
    texts = ["word " * 2_000] * 8
    with client(buyer.gateway, buyer.secret) as sdk:
        answer = sdk.embeddings.create(
            model="mistral-embed", inputs=texts, http_headers=simulate(input=79_000)
        )
    assert len(answer.data) == 8
    cost = nano_usd("mistral-embed", input=79_000)
    buyer.charged(Charge("mistral", "mistral-embed", cost, 79_000, 0))


def test_without_a_prefix(buyer: Buyer, upstream: Upstream) -> None:
    """On the shared path the name of the model says whose it is."""
    with client(buyer.gateway, buyer.secret, "") as sdk:
        ask(sdk, messages=QUESTION, http_headers=USED)
    buyer.charged(used())
    assert upstream.only()["path"] == "/mistral/v1/chat/completions"


def test_hosted_by_several(buyer: Buyer, upstream: Upstream) -> None:
    """A name that several vendors host is refused on the shared path, with the ways to say which.

    Under Mistral's prefix it is Mistral's.
    """
    with client(buyer.gateway, buyer.secret, "") as sdk, pytest.raises(SDKError) as caught:
        ask(sdk, model="zai-glm-5-3")
    assert caught.value.status_code == 404
    assert "<gateway>/mistral" in caught.value.body
    assert upstream.requests() == []
    with client(buyer.gateway, buyer.secret) as sdk:
        ask(sdk, model="zai-glm-5-3", max_tokens=5)
    assert [event.model for event in buyer.events()] == ["zai-glm-5-3"]


def test_models(buyer: Buyer) -> None:
    """The list is the gateway's own, in a shape that the SDK can read."""
    with client(buyer.gateway, buyer.secret) as sdk:
        names = {getattr(model, "id", "") for model in sdk.models.list().data or []}
        assert MODEL in names
        assert getattr(sdk.models.retrieve(model_id=MODEL), "id", "") == MODEL


@pytest.mark.parametrize(
    ("simulated", "status"),
    [({"status": 429}, 429), ({"status": 500}, 500), ({"status": 400}, 400)],
)
def test_provider_refuses(buyer: Buyer, simulated: dict[str, int], status: int) -> None:
    """The provider's own refusals are the SDK's, and the hold is given back."""
    with client(buyer.gateway, buyer.secret) as sdk, pytest.raises(SDKError) as caught:
        ask(sdk, http_headers=simulate(**simulated))
    assert caught.value.status_code == status
    buyer.untouched()


def test_unknown_key(gateway: Installation, upstream: Upstream) -> None:
    """A key that nobody minted is a 401 in Mistral's flat shape, and goes nowhere."""
    with (
        client(gateway, "qlk_live_" + "0" * 64) as sdk,
        pytest.raises(SDKError) as caught,
    ):
        ask(sdk)
    assert caught.value.status_code == 401
    assert '"object":"error"' in caught.value.body
    assert upstream.requests() == []


def test_cap(gateway: Installation, upstream: Upstream) -> None:
    """Over the cap is a 402 in Mistral's flat shape."""
    buyer = Buyer.mint(gateway, "0.000010")
    with client(gateway, buyer.secret) as sdk, pytest.raises(SDKError) as caught:
        ask(sdk)
    assert caught.value.status_code == 402
    assert '"code":"cap_exceeded"' in caught.value.body
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_stream(buyer: Buyer, fault: str) -> None:
    """A stream that the provider breaks off raises, and what arrived is charged."""
    with client(buyer.gateway, buyer.secret) as sdk:
        stream = sdk.chat.stream(
            model=MODEL,
            messages=HELLO,
            max_tokens=100,
            http_headers={"x-simulate": f"chunk_delay_ms=20; break={fault}; break_after=3"},
        )
        # Its own error for an event that is no chunk, or its transport's for a connection.
        with pytest.raises(Exception, match=r".+"):
            list(stream)
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.charged_nano_usd == nano_usd(MODEL, input=event.input_tokens, output=4)


@pytest.mark.parametrize(
    "call",
    [
        lambda sdk: sdk.files.get_signed_url(file_id="x"),
        lambda sdk: sdk.beta.libraries.get(library_id="x"),
        lambda sdk: sdk.agents.complete(agent_id="a", messages=HELLO),
        lambda sdk: sdk.beta.conversations.list(),
        lambda sdk: sdk.classifiers.moderate(model="mistral-moderation-latest", inputs=["hi"]),
    ],
    ids=["signed", "libraries", "agents", "conversations", "moderations"],
)
def test_denied_routes(buyer: Buyer, upstream: Upstream, call: Any) -> None:
    """Routes that would leak, bypass or escape the meter are refused with a reason."""
    with client(buyer.gateway, buyer.secret) as sdk, pytest.raises(SDKError) as caught:
        call(sdk)
    assert caught.value.status_code == 403
    assert upstream.requests() == []
    buyer.untouched()

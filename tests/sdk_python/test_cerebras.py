"""The unmodified Cerebras SDK: every call charged to the nano-dollar, every refusal its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cerebras.cloud.sdk as cerebras
import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL = "gpt-oss-120b"
LONG = "word " * 1_000
QUESTION: list[Any] = [{"role": "user", "content": LONG}]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
USED = simulate(input=1_200, output=100, reasoning=200)


def used() -> Charge:
    """What `USED` costs."""
    cost = nano_usd(MODEL, input=1_200, output=300)
    return Charge("cerebras", MODEL, cost, 1_200, 300, reasoning_tokens=200)


@contextmanager
def client(gateway: Installation, secret: str, **options: Any) -> Iterator[cerebras.Cerebras]:
    """The SDK; without retries unless a test asks for them, and without its warm-up."""
    options = {"max_retries": 0, "warm_tcp_connection": False, **options}
    url = f"{gateway.url}/cerebras"
    with cerebras.Cerebras(base_url=url, api_key=secret, **options) as sdk:
        yield sdk


def ask(sdk: cerebras.Cerebras, **changed: Any) -> Any:
    """One chat completion."""
    arguments = {
        "model": MODEL,
        "messages": HELLO,
        "max_completion_tokens": 400,
        "extra_headers": {},
        **changed,
    }
    return sdk.chat.completions.create(**arguments)


def test_plain(buyer: Buyer, upstream: Upstream) -> None:
    """A plain answer is charged to the nano-dollar and keeps its timings."""
    with client(buyer.gateway, buyer.secret) as sdk:
        answer = ask(sdk, messages=QUESTION, extra_headers=USED)
    assert answer.choices[0].message.content.startswith("Hello from the simulator")
    assert answer.time_info.total_time > 0
    buyer.charged(used())
    assert upstream.only()["path"] == "/cerebras/v1/chat/completions"


def test_stream(buyer: Buyer) -> None:
    """A stream that did not ask has a choice in every chunk, and usage on the last."""
    with client(buyer.gateway, buyer.secret) as sdk:
        chunks = list(ask(sdk, messages=QUESTION, stream=True, extra_headers=USED))
    assert all(chunk.choices for chunk in chunks)
    assert chunks[-1].usage.completion_tokens == 300
    buyer.charged(used())


def test_warm_up(buyer: Buyer, upstream: Upstream) -> None:
    """A client that warms its connection up gets an answer from the gateway itself."""
    with client(buyer.gateway, buyer.secret, warm_tcp_connection=True) as sdk:
        assert sdk.get("/v1/tcp_warming", cast_to=str) == "{}"
    assert upstream.requests() == []
    buyer.untouched()


def test_legacy_completion(buyer: Buyer) -> None:
    """Legacy completions, which have no default limit here."""
    with client(buyer.gateway, buyer.secret) as sdk:
        answer: Any = sdk.completions.create(
            model="llama3.1-8b", prompt=LONG, extra_headers=simulate(input=1_000, output=60)
        )
    assert answer.choices[0].text
    cost = nano_usd("llama3.1-8b", input=1_000, output=60)
    buyer.charged(Charge("cerebras", "llama3.1-8b", cost, 1_000, 60))


def test_models(buyer: Buyer) -> None:
    """The list is the gateway's own."""
    with client(buyer.gateway, buyer.secret) as sdk:
        assert MODEL in {model.id for model in sdk.models.list().data}
        assert sdk.models.retrieve(MODEL).id == MODEL


@pytest.mark.parametrize(
    ("status", "kind"), [(429, cerebras.RateLimitError), (500, cerebras.InternalServerError)]
)
def test_provider_refuses(buyer: Buyer, status: int, kind: type[Exception]) -> None:
    """The provider's own refusals are the SDK's, and the hold is given back."""
    with client(buyer.gateway, buyer.secret) as sdk, pytest.raises(kind):
        ask(sdk, extra_headers=simulate(status=status))
    buyer.untouched()


def test_unknown_key(gateway: Installation, upstream: Upstream) -> None:
    """A key that nobody minted is an authentication error, and goes nowhere."""
    with (
        client(gateway, "qlk_live_" + "0" * 64) as sdk,
        pytest.raises(cerebras.AuthenticationError),
    ):
        ask(sdk)
    assert upstream.requests() == []


def test_cap(gateway: Installation, upstream: Upstream) -> None:
    """Over the cap is a 402 that no retry repeats, flat as Cerebras writes errors."""
    buyer = Buyer.mint(gateway, "0.000010")
    with (
        client(gateway, buyer.secret, max_retries=2) as sdk,
        pytest.raises(cerebras.APIStatusError) as caught,
    ):
        ask(sdk)
    assert caught.value.status_code == 402
    body: Any = caught.value.body
    assert body["code"] == "cap_exceeded"
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_stream(buyer: Buyer, fault: str) -> None:
    """A stream that the provider breaks off raises, and what arrived is charged."""
    with client(buyer.gateway, buyer.secret) as sdk:
        stream = ask(
            sdk,
            stream=True,
            extra_headers={"x-simulate": f"chunk_delay_ms=20; break={fault}; break_after=3"},
        )
        with pytest.raises(Exception, match=r".+"):
            list(stream)
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.charged_nano_usd == nano_usd(MODEL, input=event.input_tokens, output=4)

"""Chats that OpenAI keeps because they were asked for with `store`: their key's alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream

HELLO: Any = [{"role": "user", "content": "Hello"}]
OpenAIOf = Callable[[Buyer], openai.OpenAI]


@pytest.fixture
def sdk_of() -> Iterator[OpenAIOf]:
    with ExitStack() as stack:
        yield lambda buyer: stack.enter_context(
            openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret, max_retries=0)
        )


def kept(sdk: openai.OpenAI, *, stream: bool = False, store: bool = True, **more: Any) -> str:
    """Ask for a chat that is kept; its id."""
    model = more.pop("model", "gpt-5")
    answer: Any = sdk.chat.completions.create(
        model=model, messages=HELLO, max_completion_tokens=64, store=store, stream=stream, **more
    )
    if stream:
        *_, answer = answer
    return str(answer.id)


def test_its_own(buyer: Buyer, sdk_of: OpenAIOf) -> None:
    """A key lists, reads, changes and deletes the chats that it has stored, and no others."""
    sdk = sdk_of(buyer)
    chats = sdk.chat.completions
    ids = [
        kept(sdk, metadata={"topic": "demo"}),
        kept(sdk, stream=True),
        kept(sdk, model="gpt-4o-mini"),
    ]
    unkept = kept(sdk, store=False)
    assert [each.id for each in chats.list(limit=1)] == ids
    assert [each.id for each in chats.list(order="desc")] == ids[::-1]
    assert [each.id for each in chats.list(model="gpt-4o-mini")] == ids[2:]
    assert [each.id for each in chats.list(metadata={"topic": "demo"})] == ids[:1]
    for chat_id in ids:
        read = chats.retrieve(chat_id)
        assert (read.choices[0].message.content or "").startswith("Hello from the simulator")
        (message,) = chats.messages.list(chat_id)
        assert message.content == "Hello"
    assert chats.update(ids[1], metadata={"topic": "demo"}).id == ids[1]
    assert len(list(chats.list(metadata={"topic": "demo"}))) == 2
    with pytest.raises(openai.NotFoundError):
        chats.retrieve(unkept)
    assert chats.delete(ids[0]).deleted
    assert [each.id for each in chats.list()] == ids[1:]
    assert len(buyer.events()) == 4


@pytest.mark.parametrize("stream", [False, True])
def test_of_others(
    buyer: Buyer, gateway: Installation, upstream: Upstream, sdk_of: OpenAIOf, *, stream: bool
) -> None:
    """No chat, message or list of one key is there for another key."""
    stored = kept(sdk_of(buyer), stream=stream)
    other = Buyer.mint(gateway)
    chats = sdk_of(other).chat.completions
    seen = len(upstream.requests())
    assert list(chats.list()) == []
    attempts: list[Callable[[], object]] = [
        lambda: chats.retrieve(stored),
        lambda: chats.update(stored, metadata={"topic": "mine"}),
        lambda: chats.messages.list(stored),
        lambda: chats.delete(stored),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    other.untouched()
    assert len(upstream.requests()) == seen

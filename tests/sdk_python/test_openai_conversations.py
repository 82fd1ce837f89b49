"""Conversations that OpenAI keeps, with its unmodified SDK: one key's alone, and billed as read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.upstream import Upstream, simulate

MODEL = "gpt-5"
INPUT_NANO_USD, OUTPUT_NANO_USD = 1_250, 10_000
"""Of a token."""
OUTPUT_TOKENS = 10
BYTES_PER_TOKEN = 4
POLLED_WITHIN_S = 60
SAID: Any = [{"type": "message", "role": "user", "content": "x" * 400}]
OpenAIOf = Callable[[Buyer], openai.OpenAI]


@pytest.fixture
def sdk_of() -> Iterator[OpenAIOf]:
    with ExitStack() as stack:
        yield lambda buyer: stack.enter_context(
            openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret, max_retries=0)
        )


@pytest.fixture
def other(gateway: Installation) -> Buyer:
    """Another user of the same gateway."""
    return Buyer.mint(gateway)


def respond(sdk: openai.OpenAI, conversation: Any, text: str, **more: Any) -> Any:
    """Say something in a conversation; the finished answer."""
    answer: Any = sdk.responses.create(
        model=MODEL,
        conversation=conversation,
        input=text,
        max_output_tokens=64,
        extra_headers=simulate(output=OUTPUT_TOKENS),
        **more,
    )
    if more.get("stream"):
        *_, last = answer
        return last.response
    return answer


def charge(text_bytes: int) -> Charge:
    """What an answer to so much text costs, by the rule that the twin counts with."""
    tokens = -(-text_bytes // BYTES_PER_TOKEN)
    cost = tokens * INPUT_NANO_USD + OUTPUT_TOKENS * OUTPUT_NANO_USD
    return Charge("openai", MODEL, cost, tokens, OUTPUT_TOKENS)


def test_its_own(buyer: Buyer, sdk_of: OpenAIOf) -> None:
    """A key makes, reads, changes, fills and deletes a conversation, all for nothing."""
    conversations = sdk_of(buyer).conversations
    made = conversations.create(items=SAID, metadata={"topic": "demo"})
    assert conversations.retrieve(made.id) == made
    assert conversations.update(made.id, metadata={"topic": "x"}).metadata == {"topic": "x"}
    added = conversations.items.create(made.id, items=[{"role": "user", "content": "More"}])
    (item,) = added.data
    listed = conversations.items.list(made.id, order="asc", limit=1)
    assert [each.id for each in listed][1:] == [item.id]
    assert conversations.items.retrieve(item.id or "", conversation_id=made.id) == item
    conversations.items.delete(item.id or "", conversation_id=made.id)
    assert len(list(conversations.items.list(made.id))) == 1
    assert conversations.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        conversations.retrieve(made.id)
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
def test_its_history_is_billed(buyer: Buyer, sdk_of: OpenAIOf, *, stream: bool) -> None:
    """Each answer is charged for all that was said before, and is held for by the whole window."""
    sdk = sdk_of(buyer)
    made = sdk.conversations.create(items=SAID)
    counted = sdk.responses.input_tokens.count(model=MODEL, conversation=made.id, input="y" * 40)
    assert counted.input_tokens == 110
    first = respond(sdk, made.id, "y" * 40, stream=stream)
    assert first.conversation.id == made.id
    respond(sdk, {"id": made.id}, "z" * 40, stream=stream)
    said = 400 + 40 + len(first.output_text) + 40
    events = buyer.charged(charge(440), charge(said))
    assert all(event.held_nano_usd > 400_000 * INPUT_NANO_USD for event in events)
    roles = [getattr(item, "role", "") for item in sdk.conversations.items.list(made.id)]
    assert roles == ["assistant", "user", "assistant", "user", "user"]


def test_in_the_background(buyer: Buyer, sdk_of: OpenAIOf) -> None:
    """An answer that is made in the background reads the conversation, and extends it."""
    sdk = sdk_of(buyer)
    made = sdk.conversations.create(items=SAID)
    respond(sdk, made.id, "y" * 40, background=True)
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    buyer.charged(charge(440))
    assert len(list(sdk.conversations.items.list(made.id))) == 3


def test_of_others(buyer: Buyer, other: Buyer, upstream: Upstream, sdk_of: OpenAIOf) -> None:
    """No conversation, item, or file in an item of one key is there for another key."""
    sdk, strange = sdk_of(buyer), sdk_of(other)
    made = sdk.conversations.create(items=SAID)
    (item,) = sdk.conversations.items.list(made.id)
    file = sdk.files.create(file=("a.txt", b"What was said."), purpose="user_data")
    reading: Any = [
        {"role": "user", "content": [{"type": "input_file", "file_id": file.id}]},
    ]
    own = strange.conversations.create()
    seen = len(upstream.requests())
    theirs, items = strange.conversations, strange.conversations.items
    attempts: list[Callable[[], object]] = [
        lambda: theirs.retrieve(made.id),
        lambda: theirs.update(made.id, metadata={}),
        lambda: theirs.delete(made.id),
        lambda: items.list(made.id),
        lambda: items.create(made.id, items=SAID),
        lambda: items.retrieve(item.id or "", conversation_id=made.id),
        lambda: items.delete(item.id or "", conversation_id=made.id),
        lambda: respond(strange, made.id, "Go on"),
        lambda: respond(strange, {"id": made.id}, "Go on", stream=True),
        lambda: respond(strange, made.id, "Go on", background=True),
        lambda: strange.responses.input_tokens.count(
            model=MODEL, conversation=made.id, input="Go on"
        ),
        lambda: theirs.create(items=reading),
        lambda: items.create(own.id, items=reading),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    other.untouched()
    assert len(upstream.requests()) == seen
    sdk.conversations.items.create(made.id, items=reading)
    assert len(list(sdk.conversations.items.list(made.id))) == 2


def test_items_that_are_refused(buyer: Buyer, upstream: Upstream, sdk_of: OpenAIOf) -> None:
    """What no input may hold is not stored to become input later."""
    conversations = sdk_of(buyer).conversations
    search: Any = {"type": "additional_tools", "tools": [{"type": "web_search"}]}
    refused: list[Any] = [{"type": "item_reference", "id": "msg_1"}, search]
    for item in refused:
        with pytest.raises(openai.BadRequestError):
            conversations.create(items=[item])
    assert upstream.requests() == []

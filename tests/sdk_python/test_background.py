"""Answers made in the background, with the unmodified OpenAI SDK: begun, read, ended, charged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from mintgate.v1 import ledger_pb2

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.upstream import Upstream, simulate

MODEL = "gpt-5"
INPUT_NANO_USD, OUTPUT_NANO_USD = 1_250, 10_000
"""Of a token."""
POLLED_WITHIN_S = 60
DONE = Charge("openai", MODEL, 5 * INPUT_NANO_USD + 7 * OUTPUT_NANO_USD, 5, 7)


@pytest.fixture
def sdk_of() -> Iterator[Callable[[Buyer], openai.OpenAI]]:
    with ExitStack() as stack:
        yield lambda buyer: stack.enter_context(
            openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret, max_retries=0)
        )


def begin(sdk: openai.OpenAI, *, stream: bool = False, **controls: int) -> Any:
    """Ask for an answer of five tokens to seven, in the background."""
    return sdk.responses.create(
        model=MODEL,
        input="Hello",
        max_output_tokens=64,
        background=True,
        stream=stream,
        extra_headers=simulate(input=5, output=7, **controls),
    )


def settled(buyer: Buyer) -> None:
    """Wait for the poller."""
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")


def test_it_is_held_until_it_is_done(
    buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """The hold stays while the provider works; the poller charges the usage, once."""
    sdk = sdk_of(buyer)
    begun = begin(sdk, polls=2)
    assert begun.status == "queued"
    key = buyer.key()
    assert key.held_nano_usd > 0 == key.spent_nano_usd
    settled(buyer)
    read = sdk.responses.retrieve(begun.id)
    assert read.status == "completed"
    (event,) = buyer.charged(DONE)
    assert event.provider_request_id == begun.id


def test_it_is_read_while_it_is_made(
    buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """A stream is charged at its end, and can be taken up again after any event."""
    sdk = sdk_of(buyer)
    events = list(begin(sdk, stream=True))
    buyer.charged(DONE)
    begun = events[0].response
    again = list(sdk.responses.retrieve(begun.id, stream=True, starting_after=2))
    assert again == events[3:]
    buyer.charged(DONE)


def test_a_client_that_leaves(buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]) -> None:
    """Who leaves a stream after its first event pays what is made, and reads it by its id."""
    sdk = sdk_of(buyer)
    with begin(sdk, stream=True, chunk_delay_ms=300) as stream:
        begun = next(iter(stream)).response
    settled(buyer)
    buyer.charged(DONE)
    assert sdk.responses.retrieve(begun.id).status == "completed"


def test_cancelled(buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]) -> None:
    """A cancelled answer that states no usage costs its input, by the gateway's own count."""
    sdk = sdk_of(buyer)
    begun = begin(sdk, polls=1_000)
    assert sdk.responses.cancel(begun.id).status == "cancelled"
    settled(buyer)
    event = buyer.settled()
    assert event.settled_by == ledger_pb2.SETTLED_BY_COUNTED
    assert event.output_tokens == 0 < event.input_tokens


def test_it_is_nobody_elses(
    gateway: Installation,
    buyer: Buyer,
    upstream: Upstream,
    sdk_of: Callable[[Buyer], openai.OpenAI],
) -> None:
    """No other key reads, streams, cancels or deletes it, and its own deletes no evidence."""
    begun = begin(sdk_of(buyer), polls=1)
    other = Buyer.mint(gateway)
    strange = sdk_of(other)
    seen = [record for record in upstream.requests() if record["method"] != "GET"]
    attempts: list[Callable[[], object]] = [
        lambda: strange.responses.retrieve(begun.id),
        lambda: strange.responses.retrieve(begun.id, stream=True),
        lambda: strange.responses.cancel(begun.id),
        lambda: strange.responses.delete(begun.id),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    other.untouched()
    with pytest.raises(openai.PermissionDeniedError, match="25 hours"):
        sdk_of(buyer).responses.delete(begun.id)
    assert [record for record in upstream.requests() if record["method"] != "GET"] == seen
    settled(buyer)
    buyer.charged(DONE)


def test_a_cap_that_does_not_hold_it(
    gateway: Installation, upstream: Upstream, sdk_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """What does not fit the cap is refused before the provider hears of it."""
    poor = Buyer.mint(gateway, cap_usd="0.0001")
    with pytest.raises(openai.APIStatusError) as refused:
        begin(sdk_of(poor))
    assert refused.value.status_code == 402
    assert upstream.count == 0
    poor.untouched()


def test_what_is_not_kept_cannot_be_polled(
    buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """`store: false` leaves nothing to read, so it is refused."""
    with pytest.raises(openai.BadRequestError, match="store"):
        sdk_of(buyer).responses.create(model=MODEL, input="Hello", background=True, store=False)
    buyer.untouched()

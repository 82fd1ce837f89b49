"""Message batches with the unmodified Anthropic SDK: bounded, charged at their end, owned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import pytest

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.upstream import Upstream, simulate

MODEL = "claude-haiku-4-5"
INPUT_NANO_USD, OUTPUT_NANO_USD = 500, 2_500
"""Of a token, in a batch."""
POLLED_WITHIN_S = 60
REQUESTS = 3
DONE = Charge(
    "anthropic",
    MODEL,
    REQUESTS * (5 * INPUT_NANO_USD + 7 * OUTPUT_NANO_USD),
    REQUESTS * 5,
    REQUESTS * 7,
)


@pytest.fixture
def sdk_of() -> Iterator[Callable[[Buyer], anthropic.Anthropic]]:
    with ExitStack() as stack:
        yield lambda buyer: stack.enter_context(
            anthropic.Anthropic(base_url=buyer.gateway.url, api_key=buyer.secret, max_retries=0)
        )


def message(index: int = 0, **fields: Any) -> Any:
    """One message of a batch."""
    params = {
        "model": MODEL,
        "max_tokens": 16,
        "messages": [{"role": "user", "content": "Hello"}],
        **fields,
    }
    return {"custom_id": f"message-{index}", "params": params}


def begin(sdk: anthropic.Anthropic, *messages: Any, **controls: int) -> Any:
    """Begin a batch whose answers have seven tokens to five."""
    return sdk.messages.batches.create(
        requests=messages or [message(index) for index in range(REQUESTS)],
        extra_headers=simulate(input=5, output=7, **controls),
    )


def test_a_batch_is_held_and_charged_by_its_results(
    buyer: Buyer, sdk_of: Callable[[Buyer], anthropic.Anthropic]
) -> None:
    """Its sum stays held until it has ended; then the usage of its results is the charge."""
    begun = begin(sdk_of(buyer), polls=2)
    assert begun.processing_status == "in_progress"
    assert buyer.key().held_nano_usd > REQUESTS * 16 * OUTPUT_NANO_USD
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    (event,) = buyer.charged(DONE)
    assert event.provider_request_id == begun.id


def test_its_results_are_the_keys_own(
    gateway: Installation, buyer: Buyer, sdk_of: Callable[[Buyer], anthropic.Anthropic]
) -> None:
    """Its owner reads, lists and cancels it, and reads its results here; others find nothing."""
    sdk = sdk_of(buyer)
    begun = begin(sdk)
    assert [each.id for each in sdk.messages.batches.list()] == [begun.id]
    read = sdk.messages.batches.retrieve(begun.id)
    assert read.results_url == f"/v1/messages/batches/{begun.id}/results"
    results = list(sdk.messages.batches.results(begun.id))
    assert [each.custom_id for each in results] == [f"message-{n}" for n in range(REQUESTS)]
    assert {each.result.type for each in results} == {"succeeded"}
    other = Buyer.mint(gateway)
    strange = sdk_of(other)
    attempts: list[Callable[[], object]] = [
        lambda: strange.messages.batches.retrieve(begun.id),
        lambda: strange.messages.batches.results(begun.id),
        lambda: strange.messages.batches.cancel(begun.id),
        lambda: strange.messages.batches.delete(begun.id),
    ]
    for attempt in attempts:
        with pytest.raises(anthropic.NotFoundError):
            attempt()
    assert list(strange.messages.batches.list()) == []
    other.untouched()
    with pytest.raises(anthropic.PermissionDeniedError, match="49 hours"):
        sdk.messages.batches.delete(begun.id)
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    buyer.charged(DONE)


def test_what_did_not_run_is_free(
    buyer: Buyer, sdk_of: Callable[[Buyer], anthropic.Anthropic]
) -> None:
    """Of a cancelled batch only the messages that were made are charged: here none."""
    sdk = sdk_of(buyer)
    begun = begin(sdk, polls=1_000)
    assert buyer.key().held_nano_usd > 0
    sdk.messages.batches.cancel(begun.id)
    eventually(lambda: not buyer.key().held_nano_usd, POLLED_WITHIN_S, "the end of the hold")
    assert buyer.key().spent_nano_usd == 0


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([message(), message(model="claude-sonnet-4-5")], "requests.1.: the requests of a batch"),
        ([message(max_tokens=None)], "requests.0.: max_tokens"),
        ([message(speed="fast")], "service tier, speed or region"),
        ([message(stream=True)], "neither streamed"),
        (
            [message(tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}])],
            "requests.0.",
        ),
    ],
)
def test_what_cannot_be_bounded_is_refused(
    buyer: Buyer,
    upstream: Upstream,
    sdk_of: Callable[[Buyer], anthropic.Anthropic],
    messages: list[Any],
    why: str,
) -> None:
    """A message that a batch could not be held for is named, and nothing is forwarded."""
    with pytest.raises(anthropic.BadRequestError, match=why):
        begin(sdk_of(buyer), *messages)
    assert upstream.count == 0
    buyer.untouched()


def test_a_batch_that_does_not_fit_its_cap(
    gateway: Installation, upstream: Upstream, sdk_of: Callable[[Buyer], anthropic.Anthropic]
) -> None:
    """It is refused whole, before the provider hears of it."""
    poor = Buyer.mint(gateway, cap_usd="0.0001")
    with pytest.raises(anthropic.APIStatusError) as refused:
        begin(sdk_of(poor), *map(message, range(50)))
    assert refused.value.status_code == 402
    assert upstream.count == 0
    poor.untouched()

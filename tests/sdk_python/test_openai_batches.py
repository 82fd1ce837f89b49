"""Batches with the unmodified OpenAI SDK: bounded by their file, charged at their end, owned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.upstream import Upstream, simulate

MODEL = "gpt-5"
INPUT_NANO_USD, OUTPUT_NANO_USD = 625, 5_000
"""Of a token, in a batch."""
POLLED_WITHIN_S = 60
REQUESTS = 3
DONE = Charge(
    "openai",
    MODEL,
    REQUESTS * (5 * INPUT_NANO_USD + 7 * OUTPUT_NANO_USD),
    REQUESTS * 5,
    REQUESTS * 7,
)
CHAT = "/v1/chat/completions"


@pytest.fixture
def sdk_of() -> Iterator[Callable[[Buyer], openai.OpenAI]]:
    with ExitStack() as stack:
        yield lambda buyer: stack.enter_context(
            openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret, max_retries=0)
        )


def line(index: int = 0, url: str = CHAT, **fields: Any) -> dict[str, Any]:
    """One request of a file."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_completion_tokens": 16,
        **fields,
    }
    return {"custom_id": f"request-{index}", "method": "POST", "url": url, "body": body}


def upload(sdk: openai.OpenAI, *lines: dict[str, Any], purpose: Any = "batch") -> str:
    """Store a file of requests."""
    content = "\n".join(json.dumps(each) for each in lines).encode()
    return sdk.files.create(file=("requests.jsonl", content), purpose=purpose).id


def begin(sdk: openai.OpenAI, file_id: str, endpoint: Any = CHAT, **controls: int) -> Any:
    """Begin a batch whose answers have seven tokens to five."""
    return sdk.batches.create(
        input_file_id=file_id,
        endpoint=endpoint,
        completion_window="24h",
        extra_headers=simulate(input=5, output=7, **controls),
    )


def test_a_batch_is_held_and_charged_at_its_end(
    buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """The sum of its bounds stays held until it has ended; then its usage is the charge, once."""
    sdk = sdk_of(buyer)
    begun = begin(sdk, upload(sdk, *map(line, range(REQUESTS))), polls=2)
    held = buyer.key().held_nano_usd
    assert held > REQUESTS * 16 * OUTPUT_NANO_USD
    assert held < 2 * REQUESTS * (16 * OUTPUT_NANO_USD + 400 * INPUT_NANO_USD)
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    (event,) = buyer.charged(DONE)
    assert event.provider_request_id == begun.id
    assert sorted(event.variants) == ["processing=batch", "requests=many"]


def test_its_results_are_the_keys_own(
    gateway: Installation, buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """Its owner reads, lists and cancels it, and its output file; to others nothing is there."""
    sdk = sdk_of(buyer)
    begun = begin(sdk, upload(sdk, *map(line, range(REQUESTS))))
    done = sdk.batches.retrieve(begun.id)
    assert done.status == "completed"
    assert done.output_file_id
    answers = sdk.files.content(done.output_file_id).text.splitlines()
    assert [json.loads(each)["custom_id"] for each in answers] == [
        f"request-{index}" for index in range(REQUESTS)
    ]
    assert [each.id for each in sdk.batches.list()] == [begun.id]
    assert done.output_file_id in [each.id for each in sdk.files.list()]
    other = Buyer.mint(gateway)
    strange = sdk_of(other)
    output_file_id = done.output_file_id
    attempts: list[Callable[[], object]] = [
        lambda: strange.batches.retrieve(begun.id),
        lambda: strange.batches.cancel(begun.id),
        lambda: strange.files.content(output_file_id),
        lambda: begin(strange, begun.input_file_id),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    assert list(strange.batches.list()) == []
    other.untouched()
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    buyer.charged(DONE)


def test_a_cancelled_batch_costs_what_ran(
    buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """A batch that is cancelled before any of it ran is free, and holds nothing."""
    sdk = sdk_of(buyer)
    begun = begin(sdk, upload(sdk, line()), polls=1_000)
    assert buyer.key().held_nano_usd > 0
    assert sdk.batches.cancel(begun.id).status == "cancelling"
    eventually(lambda: not buyer.key().held_nano_usd, POLLED_WITHIN_S, "the end of the hold")
    assert buyer.key().spent_nano_usd == 0


@pytest.mark.parametrize("limit", [None, 16])
def test_a_batch_that_does_not_fit_its_cap(
    gateway: Installation,
    upstream: Upstream,
    sdk_of: Callable[[Buyer], openai.OpenAI],
    limit: int | None,
) -> None:
    """It is refused whole, with or without stated limits, before the provider hears of it."""
    poor = Buyer.mint(gateway, cap_usd="0.0001")
    sdk = sdk_of(poor)
    file_id = upload(sdk, *(line(index, max_completion_tokens=limit) for index in range(50)))
    with pytest.raises(openai.APIStatusError) as refused:
        begin(sdk, file_id)
    assert refused.value.status_code == 402
    assert [record["path"] for record in upstream.requests()] == ["/openai/v1/files"]
    poor.untouched()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([line(), line(model="gpt-5-mini")], "Line 2: the requests of a batch must name one model"),
        ([line(), line(url="/v1/completions", prompt="x")], "Line 2: all requests"),
        ([line(url="/v1/images/generations")], "url"),
        ([line(stream=True)], "Line 1: a request of a batch is neither streamed"),
        ([line(service_tier="priority")], "service tier"),
        ([line(n=0)], "Line 1"),
        ([], "no requests"),
    ],
)
def test_a_file_that_cannot_be_bounded(
    buyer: Buyer,
    upstream: Upstream,
    sdk_of: Callable[[Buyer], openai.OpenAI],
    lines: list[dict[str, Any]],
    why: str,
) -> None:
    """What a batch could not be held for is refused when its file is stored, with its line."""
    with pytest.raises(openai.BadRequestError, match=why):
        upload(sdk_of(buyer), *lines)
    assert upstream.count == 0
    buyer.untouched()


def test_a_file_that_was_not_read(buyer: Buyer, sdk_of: Callable[[Buyer], openai.OpenAI]) -> None:
    """A batch of a file that was stored for another purpose, or route, has no bound."""
    sdk = sdk_of(buyer)
    with pytest.raises(openai.BadRequestError, match="purpose"):
        begin(sdk, upload(sdk, line(), purpose="user_data"))
    with pytest.raises(openai.BadRequestError, match="chat/completions"):
        begin(sdk, upload(sdk, line()), "/v1/responses")
    buyer.untouched()

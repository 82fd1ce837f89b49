"""Qwen's batches with the unmodified OpenAI SDK: bounded by their file, charged by their output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL = "qwen-plus"
INPUT_NANO_USD, OUTPUT_NANO_USD = 200, 600
"""Of a token, in a batch: half of 0.40 and 1.20 USD a million."""
POLLED_WITHIN_S = 60
REQUESTS = 3
CHAT: Any = "/v1/chat/completions"


@contextmanager
def sdk(buyer: Buyer) -> Iterator[openai.OpenAI]:
    base = f"{buyer.gateway.url}/qwen/compatible-mode/v1"
    with openai.OpenAI(base_url=base, api_key=buyer.secret, max_retries=0) as client:
        yield client


def upload(client: openai.OpenAI, requests: int = REQUESTS, **fields: Any) -> str:
    """Store a file of requests."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 16,
        "enable_thinking": False,
        **fields,
    }
    lines = [
        json.dumps({"custom_id": str(index), "method": "POST", "url": CHAT, "body": body})
        for index in range(requests)
    ]
    content = "\n".join(lines).encode()
    return client.files.create(file=("requests.jsonl", content), purpose="batch").id


def begin(client: openai.OpenAI, file_id: str, **controls: Any) -> Any:
    """Begin a batch whose answers have seven tokens to five."""
    return client.batches.create(
        input_file_id=file_id,
        endpoint=CHAT,
        completion_window="24h",
        extra_headers=simulate(input=5, output=7, **controls),
    )


def test_a_batch_is_charged_by_its_output(gateway: Installation, buyer: Buyer) -> None:
    """It is held for by its file, charged line by line at half the price, and its key's alone."""
    other = Buyer.mint(gateway)
    with sdk(buyer) as client, sdk(other) as strange:
        begun = begin(client, upload(client), polls=1)
        held = buyer.key().held_nano_usd
        assert held > REQUESTS * 16 * OUTPUT_NANO_USD
        assert held < 2 * REQUESTS * (16 * OUTPUT_NANO_USD + 500 * INPUT_NANO_USD)
        eventually(buyer.events, POLLED_WITHIN_S, "the charge")
        done = client.batches.retrieve(begun.id)
        assert done.output_file_id is not None
        assert len(client.files.content(done.output_file_id).text.splitlines()) == REQUESTS
        assert [each.id for each in client.batches.list()] == [begun.id]
        for attempt in (
            lambda: strange.batches.retrieve(begun.id),
            lambda: strange.batches.cancel(begun.id),
            lambda: strange.files.content(str(done.output_file_id)),
            lambda: begin(strange, begun.input_file_id),
        ):
            with pytest.raises(openai.NotFoundError):
                attempt()
        assert list(strange.batches.list()) == []
    cost = REQUESTS * (5 * INPUT_NANO_USD + 7 * OUTPUT_NANO_USD)
    assert cost == nano_usd("qwen-plus-latest", times="0.5", input=15, output=21)
    (event,) = buyer.charged(Charge("dashscope", MODEL, cost, REQUESTS * 5, REQUESTS * 7))
    assert event.provider_request_id == begun.id
    other.untouched()


def test_a_batch_that_ran_nothing_is_free(buyer: Buyer) -> None:
    """Cancelled before any of it ran, it costs nothing, and holds nothing."""
    with sdk(buyer) as client:
        begun = begin(client, upload(client, 1), polls=1_000)
        assert buyer.key().held_nano_usd > 0
        assert client.batches.cancel(begun.id).status == "cancelling"
    eventually(lambda: not buyer.key().held_nano_usd, POLLED_WITHIN_S, "the end of the hold")
    assert buyer.key().spent_nano_usd == 0


def test_refused_files_and_batches(buyer: Buyer, upstream: Upstream) -> None:
    """A price that depends on the answer, a search, or a longer wait than a hold's."""
    with sdk(buyer) as client:
        for fields, why in (
            ({"enable_thinking": True}, "two prices"),
            ({"enable_search": True}, "Web search"),
        ):
            with pytest.raises(openai.BadRequestError, match=f"Line 1.*{why}"):
                upload(client, **fields)
        assert upstream.requests() == []
        file_id = upload(client, 1)
        late: Any = "48h"
        with pytest.raises(openai.BadRequestError, match="completion_window"):
            client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window=late)
        with pytest.raises(openai.BadRequestError, match="endpoint"):
            client.batches.create(
                input_file_id=file_id, endpoint="/v1/embeddings", completion_window="24h"
            )
    buyer.untouched()

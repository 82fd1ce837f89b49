"""The unmodified SDKs raise their own rate limit errors for a key's limits; nothing is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from mintgate import RateLimits

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream

HELLO: Any = [{"role": "user", "content": "hello"}]


def ask_openai(gateway: Installation, secret: str) -> Any:
    """One short answer."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=secret, max_retries=0) as client:
        return client.chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, max_completion_tokens=20
        )


def ask_anthropic(gateway: Installation, secret: str) -> Any:
    """One short answer."""
    with anthropic.Anthropic(base_url=gateway.url, api_key=secret, max_retries=0) as client:
        return client.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=20)


def ask_gemini(gateway: Installation, secret: str) -> Any:
    """One short answer."""
    options = genai.types.HttpOptions(base_url=gateway.url)
    with genai.Client(api_key=secret, http_options=options) as client:
        return client.models.generate_content(
            model="gemini-2.5-flash",
            contents="hello",
            config=genai.types.GenerateContentConfig(max_output_tokens=20),
        )


Ask = Callable[[Installation, str], Any]


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (ask_openai, openai.RateLimitError),
        (ask_anthropic, anthropic.RateLimitError),
        (ask_gemini, google_errors.ClientError),
    ],
    ids=["openai", "anthropic", "gemini"],
)
def test_the_third_of_two_requests_a_minute(
    gateway: Installation, upstream: Upstream, ask: Ask, kind: type[Any]
) -> None:
    """It is the SDK's typed 429 with a time to wait; the provider and the books know of two."""
    buyer = Buyer.mint(gateway, rate_limits=RateLimits(requests_per_minute=2))
    ask(gateway, buyer.secret)
    ask(gateway, buyer.secret)
    before = buyer.key()
    with pytest.raises(kind) as caught:
        ask(gateway, buyer.secret)
    error = caught.value
    answer: httpx.Response = error.response
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    if kind is google_errors.ClientError:
        assert error.status == "RESOURCE_EXHAUSTED"
        assert "retry-after-ms" not in answer.headers
    else:
        assert 1 <= int(answer.headers["retry-after-ms"]) <= 20_000
        assert "x-should-retry" not in answer.headers
    assert "2 requests a minute" in str(error)
    after = buyer.key()
    assert (after.held_nano_usd, after.spent_nano_usd) == (0, before.spent_nano_usd)
    assert len(gateway.events(buyer.key_id)) == 2
    assert len(upstream.requests()) == 2


def test_a_limit_of_open_requests_is_free_again_after_the_answer(gateway: Installation) -> None:
    """One at a time means one after the other, without a wait between them."""
    buyer = Buyer.mint(gateway, rate_limits=RateLimits(open_requests=1))
    for _ in range(5):
        ask_openai(gateway, buyer.secret)
    assert len(gateway.events(buyer.key_id)) == 5

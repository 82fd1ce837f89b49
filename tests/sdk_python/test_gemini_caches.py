"""Caches with the unmodified Google Gen AI SDK: paid for at once, used, and their key's alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL = "gemini-2.5-flash"
LONG = "word " * 2_000
TOKENS = 2_500
LIVES = "5400s"
MADE = Charge("gemini", MODEL, nano_usd(MODEL, input=TOKENS, storage=TOKENS * 3 // 2), TOKENS, 0)
"""Its tokens as input, and each of them for an hour and a half."""


@pytest.fixture
def sdk_of() -> Iterator[Callable[[Buyer], genai.Client]]:
    with ExitStack() as stack:

        def make(buyer: Buyer) -> genai.Client:
            options = types.HttpOptions(base_url=f"{buyer.gateway.url}/gemini")
            return stack.enter_context(genai.Client(api_key=buyer.secret, http_options=options))

        yield make


def make(sdk: genai.Client, **config: Any) -> types.CachedContent:
    """A cache that lives for an hour and a half."""
    config.setdefault("ttl", LIVES)
    return sdk.caches.create(
        model=MODEL, config=types.CreateCachedContentConfig(contents=LONG, **config)
    )


def ask(sdk: genai.Client, cache: str, headers: dict[str, str] | None = None) -> Any:
    """A prompt that uses a cache."""
    config = types.GenerateContentConfig(
        cached_content=cache,
        max_output_tokens=16,
        http_options=types.HttpOptions(headers=headers or {}),
    )
    return sdk.models.generate_content(model=MODEL, contents="Which word?", config=config)


def test_a_cache_is_paid_for_when_it_is_made(
    buyer: Buyer, sdk_of: Callable[[Buyer], genai.Client]
) -> None:
    """To the nano-dollar: its tokens at the input price, and their storage for all its time."""
    sdk = sdk_of(buyer)
    made = make(sdk)
    assert made.usage_metadata is not None
    assert made.usage_metadata.total_token_count == TOKENS
    (event,) = buyer.charged(MADE)
    assert event.route == "cache"
    assert made.name == f"cachedContents/{event.provider_request_id}"


def test_a_prompt_pays_for_what_it_reads_from_its_cache(
    buyer: Buyer, sdk_of: Callable[[Buyer], genai.Client]
) -> None:
    """The cached tokens are in its hold and its charge, at their lower price."""
    sdk = sdk_of(buyer)
    made = make(sdk)
    answer = ask(sdk, made.name or "", simulate(output=7))
    assert answer.usage_metadata.cached_content_token_count == TOKENS
    asked = answer.usage_metadata.prompt_token_count - TOKENS
    cost = nano_usd(MODEL, input=asked, cached=TOKENS, output=7)
    buyer.charged(MADE, Charge("gemini", MODEL, cost, TOKENS + asked, 7))


def test_a_cache_is_its_keys_own(
    gateway: Installation,
    buyer: Buyer,
    upstream: Upstream,
    sdk_of: Callable[[Buyer], genai.Client],
) -> None:
    """Its owner lists, reads and deletes it; others can neither, nor use or count it."""
    sdk, other = sdk_of(buyer), Buyer.mint(gateway)
    made = [make(sdk) for _ in range(2)]
    named = [cache.name or "" for cache in made]
    assert [cache.name for cache in sdk.caches.list(config={"page_size": 1})] == named[::-1]
    assert sdk.caches.get(name=named[0]).expire_time == made[0].expire_time
    strange = sdk_of(other)
    seen = upstream.count
    assert list(strange.caches.list()) == []
    counted: dict[str, object] = {
        "generateContentRequest": {
            "model": f"models/{MODEL}",
            "contents": [{"parts": [{"text": "hi"}]}],
            "cachedContent": named[0],
        }
    }
    attempts: list[Callable[[], object]] = [
        lambda: strange.caches.get(name=named[0]),
        lambda: strange.caches.delete(name=named[0]),
        lambda: ask(strange, named[0]),
        lambda: strange._api_client.request("post", f"models/{MODEL}:countTokens", counted),
    ]
    for attempt in attempts:
        with pytest.raises(errors.ClientError) as caught:
            attempt()
        assert caught.value.code == 404
    assert upstream.count == seen
    other.untouched()
    with pytest.raises(errors.ClientError, match="Make another one"):
        sdk.caches.update(name=named[0], config={"ttl": "7200s"})
    sdk.caches.delete(name=named[0])
    assert [cache.name for cache in sdk.caches.list()] == named[1:]
    with pytest.raises(errors.ClientError) as gone:
        ask(sdk, named[0])
    assert gone.value.code == 404
    buyer.charged(MADE, MADE)


@pytest.mark.parametrize(("cap_usd", "lives"), [("0.0003", "60s"), ("0.01", "604800s")])
def test_a_cache_that_does_not_fit_its_cap(
    gateway: Installation,
    upstream: Upstream,
    sdk_of: Callable[[Buyer], genai.Client],
    cap_usd: str,
    lives: str,
) -> None:
    """Neither its tokens nor their storage may pass the cap: it is never made."""
    poor = Buyer.mint(gateway, cap_usd=cap_usd)
    with pytest.raises(errors.ClientError) as refused:
        make(sdk_of(poor), ttl=lives)
    assert refused.value.code == 402
    assert upstream.count == 0
    poor.untouched()


def test_a_model_without_a_price_of_storage(
    buyer: Buyer, upstream: Upstream, sdk_of: Callable[[Buyer], genai.Client]
) -> None:
    """Its caches are refused, not kept for nothing."""
    with pytest.raises(errors.ClientError, match="CACHE_STORAGE_TOKEN_HOURS"):
        sdk_of(buyer).caches.create(
            model="gemini-2.5-flash-image",
            config=types.CreateCachedContentConfig(contents=LONG),
        )
    assert upstream.count == 0
    buyer.untouched()


def test_a_cache_may_hold_files_of_its_key(
    gateway: Installation, buyer: Buyer, sdk_of: Callable[[Buyer], genai.Client]
) -> None:
    """A file of another key is not there."""
    sdk, strange = sdk_of(buyer), sdk_of(Buyer.mint(gateway))
    file = types.Part.from_uri(file_uri=upload(sdk), mime_type="text/plain")
    contents: Any = [types.Content(role="user", parts=[types.Part(text=LONG), file])]
    config = types.CreateCachedContentConfig(contents=contents, ttl="60s")
    sdk.caches.create(model=MODEL, config=config)
    with pytest.raises(errors.ClientError) as caught:
        strange.caches.create(model=MODEL, config=config)
    assert caught.value.code == 404
    assert len(buyer.events()) == 1


def upload(sdk: genai.Client) -> str:
    """The uri of a stored file."""
    file = sdk.files.upload(file=io.BytesIO(b"What was said."), config={"mime_type": "text/plain"})
    assert file.uri
    return file.uri

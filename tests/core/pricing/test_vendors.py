"""Every vendor can be sold: its models have cards, and requests cost what a person works out."""

from __future__ import annotations

import pytest
from mintgate_core.pricing import BoundSpec, PriceBook, Unit, in_force, quote, rate
from mintgate_core.pricing.overlay import load_overlay
from mintgate_core.pricing.rows import CHOICE
from mintgate_core.pricing.source import BaseCatalogue

FLAGSHIPS = {
    "anthropic": ["claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"],
    "cerebras": ["gpt-oss-120b", "qwen-3.8-27b", "zai-glm-4.7", "gemma-4-31b"],
    "dashscope": ["qwen3.8-max", "qwen3.8-flash", "qwen3.7-plus", "qwen3-max", "qwen-plus-latest"],
    "deepgram": ["nova-3", "nova-3-medical", "nova-2-phonecall", "aura-2-thalia-en", "read"],
    "deepseek": ["deepseek-flash", "deepseek-v4-pro", "deepseek-v4-flash", "deepseek-chat"],
    "elevenlabs": ["eleven_v4", "eleven_v3", "eleven_flash_v2_5", "scribe_v2", "scribe_v3"],
    "gemini": [
        "gemini-4-argon",
        "gemini-3.8-flash",
        "gemini-3.8-flash-tts",
        "veo-3.1-generate-001",
    ],
    "minimax": ["MiniMax-M3", "MiniMax-M2.7", "speech-2.8-hd", "MiniMax-H3"],
    "mistral": ["mistral-large-4", "mistral-large-3", "mistral-ocr-latest", "voxtral-mini-latest"],
    "moonshot": ["kimi-k3.1-pro", "kimi-k3", "kimi-k2.7-code", "moonshot-v1-auto"],
    "openai": ["gpt-6-astra", "gpt-6.1-sol", "gpt-image-2", "tts-1", "whisper-1", "sora-2"],
    "xai": ["grok-4.7", "grok-4.20-reasoning", "grok-imagine-image", "grok-voice-latest", "tts"],
}

IN, OUT, CACHED = Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.CACHE_READ_TOKENS
MS, CHARACTERS = Unit.INPUT_AUDIO_MS, Unit.INPUT_CHARACTERS
STORED = Unit.CACHE_STORAGE_TOKEN_HOURS

# (provider, model, units, variants, nano-USD worked out by hand)
BY_HAND: list[tuple[str, str, dict[Unit, int], tuple[str, ...], int]] = [
    # 1,000 at $5 a million and 200 at $25.
    ("anthropic", "claude-opus-4-6", {IN: 1_000, OUT: 200}, (), 5_000_000 + 5_000_000),
    # 1,000 at $0.35 and 100 at $0.75.
    ("cerebras", "gpt-oss-120b", {IN: 1_000, OUT: 100}, (), 350_000 + 75_000),
    # Above 32,000 all of it at $2.40 and $12; half in a cache at a fifth of input.
    ("dashscope", "qwen3-max", {IN: 20_000, CACHED: 20_000, OUT: 1_000}, (), 69_600_000),
    ("dashscope", "qwen-plus-latest", {OUT: 1_000}, (), 4_000_000),
    ("dashscope", "qwen-plus-latest", {OUT: 1_000}, ("thinking=off",), 1_200_000),
    ("dashscope", "wan3.0-video", {Unit.OUTPUT_VIDEO_MS: 5_000}, ("video=720p",), 412_565_000),
    # Streaming at the regular $0.0077 a minute, twice for who opts out of the programme; and a
    # minute at $0.0043 and $0.002 for speakers. A millisecond's price is rounded up.
    ("deepgram", "nova-3", {MS: 60_000}, ("addon=diarize",), 60 * (71_667 + 33_334)),
    ("deepgram", "nova-3", {MS: 60_000}, ("speech=streaming", "mip_opt_out=true"), 15_400_080),
    ("deepgram", "aura-2-thalia-en", {CHARACTERS: 100}, (), 3_000_000),
    ("deepseek", "deepseek-v4-pro", {IN: 1_000, OUT: 100}, (), 660_000 + 198_000),
    ("elevenlabs", "eleven_v3", {CHARACTERS: 250}, (), 25_000_000),
    # An hour at $0.22 and a fifth more for key terms; $0.22 an hour is 61,111.1 pico-USD a ms.
    ("elevenlabs", "scribe_v2", {MS: 3_600_000}, ("addon=keyterms",), 3_600 * (61_112 + 12_223)),
    ("elevenlabs", "eleven_text_to_sound_v2", {Unit.REQUESTS: 1}, (), 120_000_000),
    ("gemini", "gemini-2.5-pro", {IN: 1_000, OUT: 100}, ("processing=batch",), 625_000 + 500_000),
    ("gemini", "gemini-embedding-001", {IN: 1_000}, ("processing=batch",), 75_000),
    # At $1.25 a million, each kept for two hours at $4.50 a million.
    ("gemini", "gemini-2.5-pro", {IN: 1_000, STORED: 2_000}, (), 1_250_000 + 9_000_000),
    ("gemini", "veo-3.1-generate-001", {Unit.OUTPUT_VIDEO_MS: 8_000}, ("video=4k",), 4_800_000_000),
    ("minimax", "MiniMax-M3", {IN: 600_000}, (), 360_000_000),
    ("minimax", "speech-2.6-hd", {CHARACTERS: 10}, (), 1_000_000),
    # Ten pages, and ten annotated ones: $4 and $5 a thousand.
    ("mistral", "mistral-ocr-4-1", {Unit.INPUT_PAGES: 10}, (), 40_000_000),
    ("mistral", "mistral-ocr-4-1", {Unit.INPUT_PAGES: 10}, ("pages=annotated",), 50_000_000),
    ("mistral", "voxtral-mini-2602", {MS: 1_000}, (), 50_000),
    ("moonshot", "kimi-k3", {IN: 1_000, CACHED: 1_000, OUT: 100}, (), 4_800_000),
    ("openai", "tts-1-hd", {CHARACTERS: 4_096}, (), 122_880_000),
    ("openai", "whisper-1", {MS: 90_000}, (), 9_000_000),
    ("openai", "sora-2-pro", {Unit.OUTPUT_VIDEO_MS: 4_000}, ("video=1792x1024",), 2_000_000_000),
    # Above 199,999 of input at $4 and $12; and what xAI says itself goes before that.
    ("xai", "grok-4.7", {IN: 200_000, OUT: 1_000}, (), 800_000_000 + 12_000_000),
    ("xai", "grok-4.7", {IN: 200_000, OUT: 1_000, Unit.BILLED_TICKS: 7}, (), 1),
    ("xai", "grok-imagine-image-2.0", {Unit.OUTPUT_IMAGES: 2}, ("image=low/1024x1024",), 8 * 10**7),
]  # fmt: skip


EACH = [(provider, model) for provider, models in FLAGSHIPS.items() for model in models]


@pytest.mark.parametrize(("provider", "model"), EACH)
def test_what_a_vendor_sells_has_a_card(
    book: PriceBook, now_ms: int, *, provider: str, model: str
) -> None:
    """Chat, speech, pictures and video of each vendor can be priced today."""
    card = book.find("", provider, model, now_ms)
    assert any(price for price in card.rates[""].prices.values())


def test_every_vendor_is_in_the_book(base: BaseCatalogue) -> None:
    """Twelve vendors, each with models, and none besides."""
    assert sorted(base.providers) == sorted(FLAGSHIPS)


@pytest.mark.parametrize(("provider", "model", "units", "variants", "nano_usd"), BY_HAND)
def test_a_request_costs_what_is_worked_out_by_hand(
    book: PriceBook, now_ms: int, *, provider: str, model: str, units: dict[Unit, int],
    variants: tuple[str, ...], nano_usd: int,
) -> None:  # fmt: skip
    """One request a vendor and a way of billing, to the nano-dollar."""
    card = in_force(book.find("", provider, model, now_ms), now_ms)
    assert rate(card, units, variants).amount_nano_usd == nano_usd


@pytest.mark.parametrize(("provider", "model"), EACH)
def test_a_chat_model_bounds_an_answer_without_a_limit(
    book: PriceBook, now_ms: int, *, provider: str, model: str
) -> None:
    """What writes tokens says how many there can be, so that a hold is possible."""
    card = book.find("", provider, model, now_ms)
    states_its_limit = provider == "deepgram" or "image" in model
    if not states_its_limit and Unit.OUTPUT_TOKENS in card.rates[""].prices:
        assert quote(card, BoundSpec(input_tokens=10)).output_tokens > 0


def test_every_choice_is_bounded_by_a_standard_price(base: BaseCatalogue, now_ms: int) -> None:
    """A unit whose price is chosen has a standard price too, for a request that chooses nothing."""
    for row in load_overlay().rows:
        if row.kind == CHOICE:
            for model in row.models:
                card = base.timeline(row.provider, model).at(now_ms)
                assert card is not None
                assert row.unit in card.rates[""].prices


@pytest.mark.parametrize(
    ("provider", "name", "model"),
    [
        ("xai", "grok-code-fast-1", "grok-build-0.1"),
        ("mistral", "mistral-large-latest", "mistral-large-4"),
        ("mistral", "mistral-medium", "mistral-medium-3-5"),
        ("mistral", "magistral-medium-latest", "mistral-medium-3-5"),
    ],
)
def test_a_name_that_has_moved_on_costs_what_it_names_now(
    book: PriceBook, base: BaseCatalogue, now_ms: int, provider: str, name: str, model: str
) -> None:
    """A retired model's name is priced as what answers to it, and is listed no more."""
    assert book.find("", provider, name, now_ms).model == model
    assert name not in base.models(provider)
    listed = {card.model for card in book.catalogue("", provider, at_ms=now_ms)}
    assert model in listed
    assert name not in listed


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "text-embedding-3-small"),
        ("gemini", "gemini-3.5-flash"),
        ("gemini", "gemini-3.7-flash"),
    ],
)
def test_a_batch_costs_half(book: PriceBook, now_ms: int, provider: str, model: str) -> None:
    """A model that its vendor sells in batches at half the price is charged half there."""
    card = book.find("", provider, model, now_ms)
    alone = rate(card, {IN: 1_000_000}).amount_nano_usd
    assert rate(card, {IN: 1_000_000}, ["processing=batch"]).amount_nano_usd * 2 == alone


def test_cached_input_of_mistral_costs_a_tenth(book: PriceBook, now_ms: int) -> None:
    """Cached tokens are not charged as new ones where the packaged prices name none."""
    card = book.find("", "mistral", "codestral-latest", now_ms)
    new = rate(card, {IN: 1_000_000}).amount_nano_usd
    assert rate(card, {CACHED: 1_000_000}).amount_nano_usd * 10 == new


def test_the_preview_of_search_costs_more_at_models_that_do_not_reason(
    book: PriceBook, now_ms: int
) -> None:
    """Held and charged at 25 dollars a thousand, whatever tier the answer names besides."""
    card = book.find("", "openai", "gpt-4.1", now_ms)
    searches = {Unit.WEB_SEARCHES: 1_000}
    assert rate(card, searches).amount_nano_usd == 10 * 10**9
    assert rate(card, searches, ["search=preview"]).amount_nano_usd == 25 * 10**9
    bound = BoundSpec(fees=searches, output_tokens=0, variants=("search=preview",))
    assert quote(card, bound).amount_nano_usd == 25 * 10**9
    reasoning = book.find("", "openai", "gpt-6-astra", now_ms)
    assert rate(reasoning, searches, ["search=preview"]).amount_nano_usd == 10 * 10**9

"""Requests that are billed by tokens, at sizes of every kind.

A vendor's worst is worked out here from its documentation, not from the facade's bound: a token
is a byte of the body, a picture the most that it is billed as, an answer the limit that binds it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from hypothesis import strategies as st
from mintgate_core.pricing import RateCard, Unit
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect

from tests.http_facade.uploads.sounds import silence
from tests.properties.worst.case import Case, Target, cards, json_case, priced, up_to
from tests.properties.worst.playing import stored_conversation

TEXTS = ("hi", "word " * 500, "Zürich " * 3_000, "日本" * 2_000)
WRITTEN_MAX = 2_000
"""Tokens of text that one choice of an example really writes; more is claimed as reasoning."""
CHUNKS = 3
HIDDEN_MAX = 2_000_000
PICTURE = "data:image/png;base64," + base64.b64encode(bytes(48)).decode()
SOUND = base64.b64encode(silence("wav", 0.2)).decode()
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
OPENAI_PICTURE_TOKENS = {"low": 2_833, "high": 3_779, "auto": 24_600}
"""By `detail`: at gpt-4o-mini 85 tiles at 33 times; 1,536 and 10,000 patches at 2.46 a patch."""
OPENAI_MINI_PICTURE_TOKENS = 48_169
QWEN_PICTURE_TOKENS = 16_384
GEMINI_PICTURE_TOKENS = 2_240
CACHE_TOKENS_MIN = 1_024
ANTHROPIC_PICTURE_TOKENS = 4_784
TOKENS = (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS)


@dataclass
class Room:
    """How much of everything an answer may claim."""

    card: RateCard
    media_tokens: int = 0
    media_bytes: int = 0
    """Of the body; they are tokens of media and not of text."""
    elsewhere: bool = False
    """Some content is not in the body."""
    passes: int = 1
    controls: dict[str, int | str] = field(default_factory=dict)

    def input_max(self, document: dict[str, Any]) -> int:
        """The most input over all passes."""
        window = self.card.context_window
        size = len(orjson.dumps(document)) - self.media_bytes + self.media_tokens
        if self.elsewhere:
            return window * self.passes
        return (min(size, window) if window else size) * self.passes


def flavor_of(target: Target) -> Flavor:
    """How the target's vendor differs from OpenAI."""
    return cast("OpenAIDialect", target.surface.dialect)._flavor


def answer_controls(
    draw: st.DrawFn, card: RateCard, *, limit: int | None, reasons: bool = True
) -> dict[str, int | str]:
    """Draw output and reasoning; a model writes no more than it can, hidden tokens included."""
    most = card.max_output_tokens or card.context_window or limit or 0
    output = min(draw(up_to(WRITTEN_MAX)), most)
    reasoning = min(draw(up_to(HIDDEN_MAX)), most - output) if reasons else 0
    return {"output": output, "reasoning": reasoning, "chunks": CHUNKS}


def input_controls(draw: st.DrawFn, most: int, *, writes: bool) -> dict[str, int | str]:
    """Draw an input whose parts were cached, or written to the cache."""
    total = draw(up_to(most))
    cached = total * draw(up_to(100)) // 100
    written = (total - cached) * draw(up_to(100)) // 100 if writes else 0
    return {"input": total, "cached": cached, "cache_write": written}


@st.composite
def chat(draw: st.DrawFn, target: Target) -> Case:
    """Any chat: text, pictures, sound, tools, choices, tiers."""
    flavor = flavor_of(target)
    card = draw(cards(target, *TOKENS))
    room = Room(card)
    document: dict[str, Any] = {"model": card.model, "stream": draw(st.booleans())}
    content: list[Any] = [{"type": "text", "text": draw(st.sampled_from(TEXTS))}]
    _draw_picture(draw, room, content)
    if flavor.audio_input and priced(card, Unit.INPUT_AUDIO_TOKENS) and draw(st.booleans()):
        content.append({"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}})
        room.controls["audio_input"] = draw(up_to(len(SOUND)))
    plain = len(content) == 1 and draw(st.booleans())
    document["messages"] = [{"role": "user", "content": content[0]["text"] if plain else content}]
    limit = draw(st.none() | st.integers(16, 5_000))
    if limit is not None:
        document["max_tokens"] = limit
    document["n"] = draw(st.integers(1, min(5, flavor.choices_max)))
    tools = draw(st.booleans())
    if tools:
        document["tools"] = [FUNCTION]
    if priced(card, Unit.OUTPUT_AUDIO_TOKENS) and draw(st.booleans()):
        document["modalities"] = ["text", "audio"]
        room.controls["audio_output"] = draw(up_to(WRITTEN_MAX))
    _draw_tier(draw, target, document, room)
    reasons = flavor.unreasoning.search(card.model) is None
    controls = answer_controls(draw, card, limit=limit, reasons=reasons)
    media = int(room.controls.get("image_input", 0)) + int(room.controls.get("audio_input", 0))
    total = input_controls(draw, room.input_max(document), writes=flavor.bills_cache_writes)
    # What is claimed as a picture is within the window, as is all input.
    if media > room.input_max(document):
        room.controls["image_input"] = room.controls["audio_input"] = 0
    return json_case(card, document, {**controls, **total, **room.controls})


@st.composite
def responses(draw: st.DrawFn, target: Target) -> Case:
    """Any response: within a conversation, and with searches, each a pass over the whole input."""
    flavor = flavor_of(target)
    card = draw(cards(target, *TOKENS))
    room = Room(card)
    document: dict[str, Any] = {"model": card.model, "stream": draw(st.booleans())}
    document["input"] = draw(st.sampled_from(TEXTS))
    limit = draw(st.none() | st.integers(16, 5_000))
    if limit is not None:
        document["max_output_tokens"] = limit
    if flavor.conversations and card.context_window and draw(st.booleans()):
        document["conversation"] = stored_conversation(draw(st.sampled_from(TEXTS)))
        room.elsewhere = True
    if flavor.hosted_search and draw(st.booleans()):
        calls = draw(st.integers(1, 4))
        document["tools"] = [{"type": "web_search"}]
        document["max_tool_calls"] = calls
        room.elsewhere, room.passes = True, calls + 1
        room.controls["searches"] = draw(up_to(calls))
    _draw_tier(draw, target, document, room)
    controls = answer_controls(draw, card, limit=limit)
    most = room.input_max(document)
    total = input_controls(draw, most, writes=flavor.bills_cache_writes)
    return json_case(card, document, {**controls, **total, **room.controls})


@st.composite
def compactions(draw: st.DrawFn, target: Target) -> Case:
    """Any input that is made short, at any length that the model can write."""
    card = draw(cards(target, *TOKENS))
    room = Room(card)
    document: dict[str, Any] = {"model": card.model, "input": draw(st.sampled_from(TEXTS))}
    _draw_tier(draw, target, document, room)
    # The answer names no tier.
    room.controls.pop("tier", None)
    controls = answer_controls(draw, card, limit=None)
    total = input_controls(draw, room.input_max(document), writes=True)
    stated = draw(st.sampled_from(({}, {"usage": "none"})))
    return json_case(card, document, {**controls, **total, **stated})


@st.composite
def completions(draw: st.DrawFn, target: Target) -> Case:
    """Any legacy completion: several prompts, each several times."""
    flavor = flavor_of(target)
    card = draw(cards(target, *TOKENS))
    fim = target.route.operation == "fim"
    text = draw(st.sampled_from(TEXTS))
    document: dict[str, Any] = {"model": card.model, "stream": draw(st.booleans())}
    document["prompt"] = text if fim or draw(st.booleans()) else [text, "x"]
    limit = draw(st.none() | st.integers(1, 5_000))
    if limit is not None:
        document["max_tokens"] = limit
    if not fim and flavor.choices_max > 1:
        document["n"] = draw(st.integers(1, 2))
        if not document["stream"]:
            document["best_of"] = draw(st.integers(document["n"], 4))
    controls = answer_controls(draw, card, limit=limit)
    most = Room(card).input_max(document)
    total = input_controls(draw, most, writes=flavor.bills_cache_writes)
    return json_case(card, document, {**controls, **total})


@st.composite
def embeddings(draw: st.DrawFn, target: Target) -> Case:
    """One text, many, or arrays of tokens."""
    card = draw(cards(target, Unit.INPUT_TOKENS))
    text = draw(st.sampled_from(TEXTS))
    given = draw(st.sampled_from((text, [text] * 7, [1] * 999, [[12, 3], [4]])))
    document = {"model": card.model, "input": given}
    most = len(orjson.dumps(document))
    return json_case(card, document, {"input": draw(up_to(most))})


@st.composite
def messages(draw: st.DrawFn, target: Target) -> Case:
    """Any message: caches of both lives, searches, regions, speeds."""
    own = target.provider.slug == "anthropic"
    card = draw(cards(target, *TOKENS))
    room = Room(card)
    content: list[Any] = [{"type": "text", "text": draw(st.sampled_from(TEXTS))}]
    lives = draw(st.sampled_from(((), ("5m",), ("5m", "1h"))))
    for life in lives:
        control = {"type": "ephemeral", "ttl": life}
        content.append({"type": "text", "text": "keep", "cache_control": control})
    if draw(st.booleans()):
        source = {"type": "base64", "media_type": "image/png", "data": PICTURE.partition(",")[2]}
        content.append({"type": "image", "source": source})
        room.media_tokens += ANTHROPIC_PICTURE_TOKENS
        room.media_bytes += len(source["data"])
    limit = draw(st.integers(16, 5_000))
    document: dict[str, Any] = {
        "model": card.model,
        "max_tokens": limit,
        "stream": draw(st.booleans()),
        "messages": [{"role": "user", "content": content}],
    }
    if own and draw(st.booleans()):
        calls = draw(st.integers(1, 3))
        search = {"type": "web_search_20250305", "name": "web_search", "max_uses": calls}
        document["tools"] = [search]
        room.elsewhere, room.passes = True, calls + 1
        room.controls["searches"] = draw(up_to(calls))
    if own and priced_under(card, "inference_geo=us") and draw(st.booleans()):
        document["inference_geo"] = "us"
    if own and priced_under(card, "speed=fast") and draw(st.booleans()):
        document["speed"] = draw(st.sampled_from(("fast", "standard")))
    total = draw(up_to(room.input_max(document)))
    cached = total * draw(up_to(100)) // 100
    short = (total - cached) * draw(up_to(100)) // 100 if lives or not own else 0
    hour = (total - cached - short) * draw(up_to(100)) // 100 if "1h" in lives else 0
    apart = {"cached": cached, "cache_write_5m": short, "cache_write_1h": hour}
    fresh = {"input": total - cached - short - hour}
    controls = answer_controls(draw, card, limit=limit)
    return json_case(card, document, {**controls, **fresh, **apart, **room.controls})


@st.composite
def generate(draw: st.DrawFn, target: Target) -> Case:
    """Any generation of Gemini's: candidates, kinds, tiers, content at an address."""
    card = draw(cards(target, *TOKENS))
    room = Room(card)
    parts: list[Any] = [{"text": draw(st.sampled_from(TEXTS))}]
    if priced(card, Unit.INPUT_IMAGE_TOKENS) and draw(st.booleans()):
        data = PICTURE.partition(",")[2]
        parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
        room.media_tokens += GEMINI_PICTURE_TOKENS
        room.media_bytes += len(data)
        room.controls["image_input"] = draw(up_to(GEMINI_PICTURE_TOKENS))
    kinds = (Unit.INPUT_IMAGE_TOKENS, Unit.INPUT_AUDIO_TOKENS, Unit.INPUT_VIDEO_TOKENS)
    if priced(card, *kinds) and card.context_window and draw(st.booleans()):
        file = {"mimeType": "video/mp4", "fileUri": "https://media.invalid/a"}
        parts.append({"fileData": file})
        room.elsewhere = True
        room.controls["audio_input"] = draw(up_to(card.context_window // 2))
    config: dict[str, Any] = {"candidateCount": draw(st.integers(1, 4))}
    limit = draw(st.none() | st.integers(16, 5_000))
    if limit is not None:
        config["maxOutputTokens"] = limit
    if priced(card, Unit.OUTPUT_IMAGE_TOKENS) and draw(st.booleans()):
        config["responseModalities"] = ["TEXT", "IMAGE"]
    elif priced(card, Unit.OUTPUT_AUDIO_TOKENS) and draw(st.booleans()):
        config["responseModalities"] = ["AUDIO"]
        room.controls["audio_output"] = draw(up_to(WRITTEN_MAX))
    document: dict[str, Any] = {"contents": [{"parts": parts}], "generationConfig": config}
    controls = answer_controls(draw, card, limit=limit)
    if "IMAGE" in config.get("responseModalities", ()):
        # A picture is drawn instead of text, and takes its room in the limit.
        controls = {**controls, "output": 0, "reasoning": 0}
    total = input_controls(draw, room.input_max(document), writes=False)
    query = ""
    if target.route.operation == "stream":
        query = draw(st.sampled_from(("", "alt=sse")))
    return json_case(card, document, {**controls, **total, **room.controls}, query)


@st.composite
def caches(draw: st.DrawFn, target: Target) -> Case:
    """Any cache: text, a picture, content at an address, kept for a moment or for days."""
    card = draw(cards(target, *TOKENS, Unit.CACHE_STORAGE_TOKEN_HOURS))
    room = Room(card)
    parts: list[Any] = [{"text": draw(st.sampled_from(TEXTS[2:]))}]
    if draw(st.booleans()):
        data = PICTURE.partition(",")[2]
        parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
        room.media_tokens += GEMINI_PICTURE_TOKENS
        room.media_bytes += len(data)
    if draw(st.booleans()):
        file = {"mimeType": "video/mp4", "fileUri": "https://media.invalid/a"}
        parts.append({"fileData": file})
        room.elsewhere = True
    document: dict[str, Any] = {"model": f"models/{card.model}", "contents": [{"parts": parts}]}
    if draw(st.booleans()):
        document["ttl"] = f"{draw(st.integers(1, 604_800))}s"
    most = room.input_max(document)
    tokens = draw(st.sampled_from((CACHE_TOKENS_MIN, most)) | st.integers(CACHE_TOKENS_MIN, most))
    usage = draw(st.sampled_from(({}, {"usage": "none"})))
    return json_case(card, document, {"input": tokens, **usage})


@st.composite
def embed(draw: st.DrawFn, target: Target) -> Case:
    """One text, or a batch of them."""
    card = draw(cards(target, Unit.INPUT_TOKENS, named=lambda name: "embedding" in name))
    content = {"content": {"parts": [{"text": draw(st.sampled_from(TEXTS))}]}}
    if target.route.operation == "embed":
        return json_case(card, content, {})
    return json_case(card, {"requests": [content] * draw(st.integers(1, 9))}, {})


def priced_under(card: RateCard, variant: str) -> bool:
    """Whether a card has prices under a variant."""
    return variant in card.rates or variant in card.multipliers_permille


def _draw_picture(draw: st.DrawFn, room: Room, content: list[Any]) -> None:
    kind = draw(st.sampled_from(("none", "here", "there")))
    if kind == "none":
        return
    detail = draw(st.sampled_from(("low", "high", "auto")))
    most = OPENAI_PICTURE_TOKENS[detail]
    if room.card.model.startswith("gpt-4o-mini"):
        most = OPENAI_MINI_PICTURE_TOKENS
    elif room.card.provider == "dashscope":
        most = QWEN_PICTURE_TOKENS
    url = PICTURE if kind == "here" else "https://media.invalid/a.png"
    if kind == "there" and not room.card.context_window:
        return
    content.append({"type": "image_url", "image_url": {"url": url, "detail": detail}})
    room.media_tokens += most
    room.media_bytes += len(PICTURE) if kind == "here" else 0
    room.elsewhere = room.elsewhere or kind == "there"
    if priced(room.card, Unit.INPUT_IMAGE_TOKENS):
        room.controls["image_input"] = draw(up_to(most))


def _draw_tier(draw: st.DrawFn, target: Target, document: dict[str, Any], room: Room) -> None:
    tiers = [
        tier
        for tier in sorted(flavor_of(target).tiers)
        if tier in {"auto", "default"} or priced_under(room.card, f"service_tier={tier}")
    ]
    tier = draw(st.none() | st.sampled_from(tiers)) if tiers else None
    if tier is None:
        return
    document["service_tier"] = tier
    if tier not in {"auto", "default"}:
        room.controls["tier"] = draw(st.sampled_from((tier, "default")))

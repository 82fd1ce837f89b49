"""Caches: how long they may live, what they cost, and how they bound the prompts that use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_STORAGE_TOKEN_HOURS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_INPUT_TOKENS,
)
from mintgate_facade.dialects.base import Ask, Meter, ObjectName, Reading, RefusedRequest

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
MeterFor = Callable[..., Meter]

MODEL = "gemini-2.5-flash"
NOW_MS = 1_790_000_000_000
HELLO = [{"role": "user", "parts": [{"text": "Hello"}]}]
PICTURE = [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]
SOUND = [{"parts": [{"inlineData": {"mimeType": "audio/mp3", "data": "//uQxAAA"}}]}]
MADE = {
    "name": "cachedContents/abc",
    "createTime": "2026-09-22T00:00:00.25Z",
    "expireTime": "2026-09-22T00:30:00.20Z",
    "usageMetadata": {"totalTokenCount": 2_000},
}


def cache(**fields: Any) -> dict[str, Any]:
    return {"model": f"models/{MODEL}", "contents": HELLO, **fields}


@pytest.fixture
def made(read: Read, meter_for: MeterFor) -> Callable[..., Reading]:
    """What is read of the answer to a cache that was asked for."""

    def make(answer: dict[str, Any], **fields: Any) -> Reading:
        ask = read("gemini", "cache", cache(**fields), now_ms=NOW_MS)
        meter = meter_for("gemini", "cache", ask, "application/json")
        meter.feed(orjson.dumps(answer))
        meter.close()
        assert meter.complete
        return meter.reading()

    return make


@pytest.mark.parametrize(
    ("fields", "lives_ms"),
    [
        ({}, 3_600_000),
        ({"ttl": "60s"}, 60_000),
        ({"ttl": "0.0000001s"}, 1),
        ({"ttl": "604800s"}, 604_800_000),
        ({"expire_time": "2026-09-21T14:13:21Z"}, 61_000),
        ({"expireTime": "2026-09-21T16:13:20.5+02:00"}, 60_500),
    ],
)
def test_a_cache_is_held_for_all_its_time(
    read: Read, fields: dict[str, Any], lives_ms: int
) -> None:
    """By its lifetime or its end, of which Google's clock may think a minute differently."""
    ask = read("gemini", "cache", cache(**fields), now_ms=NOW_MS)
    assert ask.model == MODEL
    assert ask.bound.input_kept_ms == lives_ms
    assert ask.bound.HasField("output_tokens")
    assert ask.bound.input_tokens == len(ask.body) + 64
    assert ask.creates == "cache"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"ttl": "0s"}, "ttl"),
        ({"ttl": "604801s"}, "ttl"),
        ({"ttl": "1h"}, "ttl"),
        ({"ttl": "-5s"}, "ttl"),
        ({"ttl": 60}, "ttl"),
        ({"ttl": "60s", "expireTime": "2026-09-22T00:00:00Z"}, "ttl"),
        ({"expireTime": "2026-09-21T14:12:20Z"}, "expireTime"),
        ({"expireTime": "2027-09-21T14:12:20Z"}, "expireTime"),
        ({"expireTime": "2026-09-21T14:13:21"}, "expireTime"),
        ({"expireTime": "tomorrow"}, "expireTime"),
        ({"model": None}, "model"),
        ({"contents": "Hello"}, "contents"),
        ({"tools": [{"googleSearch": {}}]}, "tools"),
        ({"tools": [{"codeExecution": {}}]}, "tools[0].codeExecution"),
    ],
)
def test_what_cannot_be_bounded_is_refused(
    refusal: Refusal, fields: dict[str, Any], param: str
) -> None:
    """The refusal names the field at fault."""
    refused = refusal("gemini", "cache", cache(**fields), now_ms=NOW_MS)
    assert refused.failure.param == param


def test_it_costs_its_tokens_and_their_time(made: Callable[..., Reading]) -> None:
    """Google states tokens and both ends of the time; a begun second and token-hour count."""
    reading = made(MADE)
    assert reading.units == {UNIT_INPUT_TOKENS: 2_000, UNIT_CACHE_STORAGE_TOKEN_HOURS: 1_000}
    assert reading.basis == SETTLED_BY_USAGE
    assert reading.provider_request_id == "abc"
    assert made(MADE, contents=PICTURE).units == reading.units


def test_it_never_costs_more_time_than_was_held(made: Callable[..., Reading]) -> None:
    """Whatever the answer says of its end, or if it says nothing."""
    minute = {UNIT_INPUT_TOKENS: 2_000, UNIT_CACHE_STORAGE_TOKEN_HOURS: 34}
    assert made(MADE, ttl="60s").units == minute
    for odd in ({"expireTime": "soon"}, {"expireTime": None}, {"createTime": "2026-09-22"}):
        assert made({**MADE, **odd}, ttl="60s").units == minute


def test_sound_costs_as_sound(made: Callable[..., Reading]) -> None:
    """Tokens of no stated kind are the dearest that the contents may be."""
    assert UNIT_INPUT_TOKENS not in made(MADE, contents=SOUND).units


def test_without_usage_it_is_counted(made: Callable[..., Reading]) -> None:
    """An answer that does not state its tokens costs our own count of them."""
    reading = made({"name": "cachedContents/abc"})
    counted = reading.units[UNIT_INPUT_TOKENS]
    assert 0 < counted == reading.units[UNIT_CACHE_STORAGE_TOKEN_HOURS]
    assert reading.basis == SETTLED_BY_COUNTED


def test_a_prompt_is_bounded_with_its_cache(read: Read, made: Callable[..., Reading]) -> None:
    """What the note says of a cache is added to what stands in the prompt."""
    document = {"contents": HELLO, "cachedContent": "cachedContents/abc"}
    ask = read("gemini", "generate", document, path_model=MODEL)
    assert ask.uses == (ObjectName("cache", "abc"),)
    assert ask.noted is not None
    known = ask.noted(["", made(MADE, contents=PICTURE).note])
    assert known.bound.input_tokens == ask.bound.input_tokens + 2_000
    assert list(known.bound.input_units) == [UNIT_INPUT_IMAGE_TOKENS]
    assert known.delivered_input_tokens == ask.delivered_input_tokens + 2_000
    assert not known.bound.input_open
    sound = made({"name": "cachedContents/abc"}, contents=SOUND)
    unknown = ask.noted([sound.note])
    assert unknown.bound.input_open
    assert list(unknown.bound.input_units) == [UNIT_INPUT_AUDIO_TOKENS]


def test_a_cache_is_for_its_model(read: Read, made: Callable[..., Reading]) -> None:
    """Tokens of one model are not those of another."""
    document = {"contents": HELLO, "cachedContent": "cachedContents/abc"}
    ask = read("gemini", "stream", document, path_model="gemini-2.5-pro")
    assert ask.noted is not None
    with pytest.raises(RefusedRequest, match=MODEL):
        ask.noted([made(MADE).note])

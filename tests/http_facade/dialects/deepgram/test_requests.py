"""What each route is held for, and what it refuses because nothing would bound it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS
from mintgate_facade.dialects.base import Ask, FilePart, RefusedRequest

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]

RECORDING = FilePart("", 64_000, duration_ms=2_000, duration_max_ms=2_100, channels=2)
SAMPLES = FilePart("", 64_000, unreadable="is not audio that can be decoded")


def view(query: dict[str, Any], file: FilePart = RECORDING, kind: str = "audio/wav") -> Any:
    return {
        "query_string": urlencode(query, doseq=True),
        "files": (file,),
        "headers": {"content-type": kind},
    }


def held(ask: Ask) -> dict[int, int]:
    assert ask.bound.HasField("output_tokens")
    return {fee.unit: fee.count for fee in ask.bound.fees}


@pytest.mark.parametrize(
    ("query", "heard_ms"),
    [
        ({}, 3_100),
        ({"multichannel": "true"}, 6_200),
        # Where it could be samples as well, the longer counts.
        ({"encoding": "mulaw", "sample_rate": 8_000}, 9_000),
        ({"encoding": "mulaw", "sample_rate": 8_000, "channels": 2, "multichannel": "1"}, 10_000),
        ({"encoding": "flac"}, 3_100),
    ],
)
def test_a_recording(read: Read, query: dict[str, Any], heard_ms: int) -> None:
    """Its longest reading, for each channel that is heard, and a second for rounding."""
    ask = read("deepgram", "listen", {}, **view(query))
    assert held(ask) == {UNIT_INPUT_AUDIO_MS: heard_ms}
    assert (ask.bound.input_tokens, ask.bound.output_tokens) == (0, 0)


def test_samples_that_nothing_else_could_be(read: Read) -> None:
    """What no decoder reads is as long as its bytes at the stated rate."""
    query = {"encoding": "linear16", "sample_rate": 16_000}
    ask = read("deepgram", "listen", {}, **view(query, SAMPLES))
    assert ask.counted is not None
    assert ask.counted.units == {UNIT_INPUT_AUDIO_MS: 2_000}


@pytest.mark.parametrize(
    ("query", "variants"),
    [
        ({"model": "nova-3"}, []),
        ({"model": "nova-3-general", "language": "multi"}, ["speech=multilingual"]),
        ({"model": "nova-3", "detect_language": ["en", "es"]}, ["speech=multilingual"]),
        # No other model sells it apart, and would be taken for dearer than it is.
        ({"model": "nova-2", "language": "multi"}, []),
        ({"model": "nova-3-medical", "language": "multi"}, []),
        ({"diarize": "true", "diarize_model": "v2"}, ["addon=diarize"]),
        ({"diarize_version": "v2"}, ["addon=diarize"]),
        ({"redact": ["false", "pci"]}, ["addon=redact"]),
        ({"keyterm": "", "detect_entities": "false"}, []),
        ({"keyterm": "no"}, ["addon=keyterm"]),
        ({"mip_opt_out": "TRUE"}, ["mip_opt_out=true"]),
    ],
)
def test_variants(read: Read, query: dict[str, Any], variants: list[str]) -> None:
    """What is asked for is priced under the names of the price book, held and charged alike."""
    ask = read("deepgram", "listen", {}, **view(query))
    assert list(ask.bound.variants) == variants
    assert ask.counted is not None
    assert list(ask.counted.variants) == variants


@pytest.mark.parametrize(
    ("query", "file", "param"),
    [
        ({"encoding": "linear16"}, SAMPLES, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": "16k"}, SAMPLES, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": 16_000, "channels": 21}, SAMPLES, "channels"),
        ({"encoding": "opus", "sample_rate": 16_000}, SAMPLES, ""),
        ({}, SAMPLES, ""),
        ({"model": "nova-3\n"}, RECORDING, "model"),
        ({"tier": "enhanced"}, RECORDING, "tier"),
        ({"keyterm": ["term"] * 1_001}, RECORDING, ""),
    ],
)
def test_refusals(refusal: Refusal, query: dict[str, Any], file: FilePart, param: str) -> None:
    """Each names the parameter at fault."""
    refused = refusal("deepgram", "listen", {}, **view(query, file))
    assert refused.failure.param == param


def test_speech(read: Read, refusal: Refusal) -> None:
    """The first version has a voice of its own accord, the second one none."""
    ask = read("deepgram", "speak", {"text": "Ďé 👋"})
    assert ask.model == "aura-asteria-en"
    assert held(ask) == {UNIT_INPUT_CHARACTERS: 4}
    assert refusal("deepgram", "speak_v2", {"text": "a"}).failure.param == "model"


@pytest.mark.parametrize(
    ("operation", "document", "query", "param"),
    [
        ("speak", {}, {}, "text"),
        ("speak", {"text": ""}, {}, "text"),
        ("speak", {"text": "a"}, {"callback": "https://example.com"}, "callback"),
        ("speak", {"text": "a"}, {"summarize": "true"}, "summarize"),
        ("read", {"url": "https://example.com"}, {"summarize": "true"}, "url"),
        ("read", {"text": "a", "url": "https://example.com"}, {"summarize": "true"}, "url"),
        ("read", {"text": "a"}, {}, "summarize"),
        ("read", {"text": "a"}, {"summarize": "false"}, "summarize"),
    ],
)
def test_texts_that_are_refused(
    refusal: Refusal, operation: str, document: Any, query: dict[str, str], param: str
) -> None:
    """Addresses, callbacks, and what asks for nothing."""
    refused = refusal("deepgram", operation, document, query_string=urlencode(query))
    assert refused.failure.param == param

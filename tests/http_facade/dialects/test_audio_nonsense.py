"""Whatever a request to ElevenLabs or Deepgram holds, it is bounded or refused, never a crash."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate_facade.dialects.base import (
    Ask,
    FailureKind,
    FilePart,
    Policy,
    RefusedRequest,
    RequestView,
    Route,
)
from mintgate_facade.dialects.split import COUNT_MAX
from mintgate_facade.providers.registry import REGISTRY

SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)

words = st.text(max_size=8) | st.sampled_from(["true", "false", "null", "1", "pcm_s16le_16", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**7) | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
TEXT_FIELDS = (
    "auto_generate_text",
    "composition_plan",
    "duration_seconds",
    "finetune_id",
    "inputs",
    "model_id",
    "music_length_ms",
    "prompt",
    "pronunciation_dictionary_locators",
    "respect_sections_durations",
    "text",
    "url",
)
FORM_FIELDS = (
    "cloud_storage_url",
    "detect_speaker_roles",
    "entity_detection",
    "file_format",
    "model_id",
    "transcript_edit",
    "use_multi_channel",
    "webhook",
)
PARAMETERS = (
    "callback",
    "channels",
    "detect_language",
    "diarize",
    "encoding",
    "keyterm",
    "language",
    "mip_opt_out",
    "model",
    "multichannel",
    "sample_rate",
    "summarize",
    "topics",
    "unknown",
)
sections = st.fixed_dictionaries({}, optional={"duration_ms": values, "source_from": values})
documents = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(TEXT_FIELDS, values),
        "composition_plan": values
        | st.fixed_dictionaries({"sections": st.lists(sections, max_size=3)}),
        "inputs": values
        | st.lists(st.fixed_dictionaries({}, optional={"text": values, "voice_id": values})),
    },
)
forms = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(FORM_FIELDS, words), "keyterms": st.lists(words, max_size=3)}
)


def a_file(
    name: str, size: int, heard_ms: int, unread_ms: int, channels: int, why: str
) -> FilePart:
    return FilePart(
        name,
        size,
        duration_ms=heard_ms,
        duration_max_ms=heard_ms + unread_ms,
        channels=channels,
        unreadable=why,
    )


lengths = st.integers(0, 10**8)
files = st.lists(
    st.builds(
        a_file,
        st.sampled_from(["file", "audio", ""]),
        st.integers(0, 2**31),
        lengths,
        lengths,
        st.integers(0, 64),
        st.sampled_from(["", "is not audio"]),
    ),
    max_size=2,
).map(tuple)
queries = st.lists(st.tuples(st.sampled_from(PARAMETERS), words), max_size=6).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
operations = [
    (provider.slug, route.operation)
    for provider in REGISTRY.providers
    if provider.slug in {"elevenlabs", "deepgram"}
    for route in provider.routes
    if route.policy is Policy.METERED
]


@pytest.mark.parametrize(("slug", "operation"), sorted(set(operations)))
@SETTINGS
@given(documents | forms, files, queries, words)
def test_nonsense(
    slug: str,
    operation: str,
    document: dict[str, Any],
    parts: tuple[FilePart, ...],
    query: str,
    kind: str,
) -> None:
    """It is a 400 that says what to change, or a bound of whole numbers that core takes."""
    headers = {"content-type": f"audio/{kind}"} if kind else {}
    view = RequestView(
        body=b"{}", document=document, files=parts, query_string=query, headers=headers
    )
    answer = read(slug, operation, view)
    if isinstance(answer, RefusedRequest):
        assert answer.failure.kind is FailureKind.BAD_REQUEST
        assert answer.failure.message.endswith(".")
        return
    assert answer.model.isprintable()
    assert 0 < len(answer.model) <= 256
    assert answer.bound.HasField("output_tokens")
    most: dict[int, int] = {fee.unit: fee.count for fee in answer.bound.fees}
    assert all(0 <= count <= COUNT_MAX for count in most.values())
    counted = {} if answer.counted is None else answer.counted.units
    assert all(count <= most[unit] for unit, count in counted.items() if unit in most)


def read(slug: str, operation: str, view: RequestView) -> Ask | RefusedRequest:
    route = Route("POST", "/test", Policy.METERED, operation)
    try:
        return REGISTRY.provider(slug).dialect.read(route, view)
    except RefusedRequest as refused:
        return refused

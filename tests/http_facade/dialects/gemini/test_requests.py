"""Gemini requests: both spellings of every field, modalities, tools, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.unit_pb2 import (
    UNIT_GROUNDED_REQUESTS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_INPUT_VIDEO_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_facade.dialects.base import Ask, Policy, RefusedRequest, Route
from mintgate_facade.dialects.gemini import GeminiDialect
from mintgate_facade.dialects.gemini.names import to_camel, to_snake

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]

MODEL = "gemini-2.5-flash"
HELLO = [{"role": "user", "parts": [{"text": "Hello"}]}]


def body(**fields: Any) -> dict[str, Any]:
    return {"contents": HELLO, **fields}


def part(value: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [value]}], **fields}


@pytest.fixture
def generate(read: Read) -> Callable[..., Ask]:
    """Read a generateContent request for one model."""

    def call(document: dict[str, Any], model: str = MODEL, **view: Any) -> Ask:
        return read("gemini", "generate", document, path_model=model, **view)

    return call


@pytest.mark.parametrize(("camel", "snake"), [("maxOutputTokens", "max_output_tokens"), ("n", "n")])
def test_names_have_two_spellings(camel: str, snake: str) -> None:
    """The two spellings are each other's image."""
    assert to_snake(camel) == snake
    assert to_camel(snake) == camel


@pytest.mark.parametrize(
    "config",
    [
        {"generationConfig": {"maxOutputTokens": 100, "candidateCount": 2}},
        {"generation_config": {"max_output_tokens": 100, "candidate_count": 2}},
        {"generationConfig": {"max_output_tokens": 100, "candidateCount": 2}},
    ],
)
def test_either_spelling_is_read(generate: Callable[..., Ask], config: dict[str, Any]) -> None:
    """A limit counts under both of its names."""
    document = body(**config)
    ask = generate(document)

    assert ask.model == MODEL
    assert ask.bound.output_tokens == 100
    assert ask.bound.choices == 2
    assert list(ask.bound.output_units) == [UNIT_OUTPUT_TOKENS]
    assert ask.bound.input_tokens == len(orjson.dumps(document)) + 64


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (body(), {"generationConfig": {"maxOutputTokens": 9}}),
        (
            body(generation_config={"top_k": 4}),
            {"generation_config": {"maxOutputTokens": 9, "top_k": 4}},
        ),
        (
            body(generation_config={"max_output_tokens": None}),
            {"generation_config": {"max_output_tokens": 9}},
        ),
    ],
)
def test_a_fitted_limit_keeps_the_spelling(
    generate: Callable[..., Ask], document: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The splice never makes a field appear under both names."""
    route = Route("POST", "/models/{model}:generateContent", Policy.METERED, "generate")
    spliced = GeminiDialect().with_output_limit(route, generate(document), 9)

    assert orjson.loads(spliced) == {**document, **expected}


@pytest.mark.parametrize(
    ("model", "config", "units"),
    [
        (MODEL, {"responseModalities": ["TEXT"]}, [UNIT_OUTPUT_TOKENS]),
        (
            MODEL,
            {"responseModalities": ["text", "Image"]},
            [UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_IMAGE_TOKENS],
        ),
        (
            MODEL,
            {"responseModalities": ["AUDIO"]},
            [UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_AUDIO_TOKENS],
        ),
        ("gemini-3-pro-image", {}, [UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_IMAGE_TOKENS]),
        ("gemini-2.5-flash-preview-tts", {}, [UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_AUDIO_TOKENS]),
    ],
)
def test_output_modalities_list_their_units(
    generate: Callable[..., Ask], model: str, config: dict[str, Any], units: list[int]
) -> None:
    """Pictures and speech are dearer than text, so the core must know that they may come."""
    assert list(generate(body(generationConfig=config), model).bound.output_units) == units


def test_a_picture_is_held_for_whole(generate: Callable[..., Ask]) -> None:
    """A limit below one picture does not make it cheaper; a larger one stands."""
    asked = {"responseModalities": ["IMAGE"]}

    low = generate(body(generationConfig={**asked, "maxOutputTokens": 1})).bound
    high = generate(body(generationConfig={**asked, "maxOutputTokens": 9000})).bound
    none = generate(body(generationConfig=asked)).bound
    assert (low.output_tokens, high.output_tokens) == (2520, 9000)
    assert not none.HasField("output_tokens")
    assert none.output_tokens_min == 2520


def blob(mime: str, data: str = "AAAA") -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": data}}


@pytest.mark.parametrize(
    ("value", "units", "is_open"),
    [
        (blob("image/png"), [UNIT_INPUT_IMAGE_TOKENS], False),
        (
            {"inline_data": {"mime_type": "audio/mp3", "data": "//uQxAAA"}},
            [UNIT_INPUT_AUDIO_TOKENS],
            False,
        ),
        (blob("text/plain"), [], False),
        (
            blob("video/mp4"),
            [UNIT_INPUT_AUDIO_TOKENS, UNIT_INPUT_IMAGE_TOKENS, UNIT_INPUT_VIDEO_TOKENS],
            True,
        ),
        (
            blob("application/pdf"),
            [UNIT_INPUT_AUDIO_TOKENS, UNIT_INPUT_IMAGE_TOKENS, UNIT_INPUT_VIDEO_TOKENS],
            True,
        ),
        (
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
            [UNIT_INPUT_AUDIO_TOKENS, UNIT_INPUT_IMAGE_TOKENS, UNIT_INPUT_VIDEO_TOKENS],
            True,
        ),
        (
            {"functionResponse": {"name": "f", "response": {}, "parts": [blob("image/png")]}},
            [UNIT_INPUT_IMAGE_TOKENS],
            False,
        ),
    ],
)
def test_media_lists_its_units(
    generate: Callable[..., Ask], value: dict[str, Any], units: list[int], *, is_open: bool
) -> None:
    """Each kind of media is bounded as it can be: by bytes, by a cap, or not at all."""
    bound = generate(part(value)).bound

    assert list(bound.input_units) == units
    assert bound.input_open is is_open


def test_an_image_counts_by_the_resolution_it_asks_for(generate: Callable[..., Ask]) -> None:
    """The cap is that of the highest resolution, unless a part asks for more tokens."""
    image = blob("image/png")
    large = {**image, "mediaResolution": {"numTokens": 9000}}

    usual = generate(part(image)).bound.input_tokens
    assert usual > 2200
    assert generate(part(large)).bound.input_tokens > usual + 6000


def test_audio_makes_no_room_for_a_picture(generate: Callable[..., Ask]) -> None:
    """The bytes of audio bound its own tokens; those of a picture beside it are held as well."""
    document = {"contents": [{"parts": [blob("image/png"), blob("audio/wav", "A" * 8_000)]}]}
    assert generate(document).bound.input_tokens >= 8_000 + 2_240


def test_grounding_costs_one_fee_up_to_generation_two(generate: Callable[..., Ask]) -> None:
    """Older models pay a fee for each grounded request, and read what they found."""
    bound = generate(body(tools=[{"google_search": {}}])).bound

    assert [(fee.unit, fee.count) for fee in bound.fees] == [(UNIT_GROUNDED_REQUESTS, 1)]
    assert bound.input_open
    assert bound.passes == 2


def test_addresses_are_open_and_free_of_fees(generate: Callable[..., Ask]) -> None:
    """What a model fetches is billed as tokens only."""
    bound = generate(body(tools=[{"urlContext": {}}])).bound

    assert not bound.fees
    assert bound.input_open


def test_client_side_tools_are_bounded(generate: Callable[..., Ask]) -> None:
    """Functions cost tokens only, in one pass."""
    tools = [{"functionDeclarations": [{"name": "f"}]}, {"computerUse": {}}]
    bound = generate(body(tools=tools)).bound

    assert bound.passes == 1
    assert not bound.input_open


@pytest.mark.parametrize(
    ("tier", "variants"),
    [
        ("flex", ["service_tier=flex"]),
        ("PRIORITY", ["service_tier=priority"]),
        ("standard", []),
        (None, []),
    ],
)
def test_a_service_tier_is_a_price_variant(
    generate: Callable[..., Ask], tier: str | None, variants: list[str]
) -> None:
    """The standard tier has none."""
    assert list(generate(body(service_tier=tier)).bound.variants) == variants


def test_a_continuation_reads_an_earlier_answer(generate: Callable[..., Ask]) -> None:
    """The token stands for content that is not in the request."""
    assert generate(body(continuationToken="abc")).bound.input_open


def test_streams_are_told_apart_by_their_route(read: Read) -> None:
    """The route alone makes a stream; alt only chooses its framing."""
    ask = read("gemini", "stream", body(), path_model=MODEL, query_string="alt=sse")

    assert ask.stream


def test_embeddings_count_their_text(read: Read) -> None:
    """Their answers state no usage, so the text itself is what is charged."""
    single = {"content": {"parts": [{"text": "x" * 30}]}}
    batch = {"requests": [{"model": f"models/{MODEL}", **single}, single]}

    ask = read("gemini", "embed", single, path_model=MODEL)
    assert ask.delivered_input_tokens == 10
    assert ask.bound.output_tokens == 0
    assert ask.bound.HasField("output_tokens")
    assert read("gemini", "embed_batch", batch, path_model=MODEL).delivered_input_tokens == 20


@pytest.mark.parametrize(
    ("operation", "document", "param"),
    [
        ("embed", {}, "content"),
        ("embed", part(blob("image/png"))["contents"][0] | {"content": 7}, "content"),
        ("embed", {"content": {"parts": [blob("image/png")]}}, "content"),
        ("embed_batch", {"requests": []}, "requests"),
        ("embed_batch", {"requests": [{"model": "models/other"}]}, "requests[0].model"),
        ("embed_batch", {"requests": [{}]}, "requests[0].content"),
    ],
)
def test_embeddings_that_cannot_be_counted_are_refused(
    refusal: Refusal, operation: str, document: dict[str, Any], param: str
) -> None:
    """Media would never be billed, and another model would be billed wrongly."""
    assert refusal("gemini", operation, document, path_model=MODEL).failure.param == param


_CONFIG = "generationConfig"
_FILES = "https://generativelanguage.googleapis.com/v1beta/files/abc"
_ELSEWHERE = "https://generativelanguage.googleapis.com./v1beta/files/abc"
"""A name that a careless reader would take for another host."""


def test_stored_files_are_named_wherever_they_stand(read: Read) -> None:
    """The relay can only check whose a file is if it is told of every one."""
    inner = {"functionResponse": {"parts": [{"fileData": {"fileUri": _FILES[:-3] + "d-2"}}]}}
    document = body(
        contents=[{"parts": [{"file_data": {"file_uri": _FILES}}, inner]}],
        systemInstruction={"parts": [{"fileData": {"fileUri": "files/e"}}]},
    )
    ask = read("gemini", "generate", document, path_model="gemini-2.5-flash")
    assert sorted(name.id for name in ask.uses) == ["abc", "d-2", "e"]
    assert ask.bound.input_open


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": {"parts": []}}, "contents"),
        ({"contents": ["hi"]}, "contents[0]"),
        ({"contents": [{"parts": [{"text": 7}]}]}, "contents[0].parts[0].text"),
        (body(model="models/gemini-other"), "model"),
        (body(cachedContent="cachedContents/1/2"), "cachedContent"),
        (body(cached_content="files/1"), "cachedContent"),
        (body(cached_content=5), "cachedContent"),
        (body(**{_CONFIG: {"maxOutputTokens": "9"}}), "generationConfig.maxOutputTokens"),
        (body(**{_CONFIG: {"maxOutputTokens": 10**9 + 1}}), "generationConfig.maxOutputTokens"),
        (
            body(**{_CONFIG: {"maxOutputTokens": 1, "max_output_tokens": 2}}),
            "generationConfig.maxOutputTokens",
        ),
        (body(**{_CONFIG: {}, "generation_config": {}}), "generationConfig"),
        (body(**{_CONFIG: {"candidateCount": 9}}), "generationConfig.candidateCount"),
        (
            body(**{_CONFIG: {"responseModalities": ["SMELL"]}}),
            "generationConfig.responseModalities[0]",
        ),
        (body(**{_CONFIG: {"responseModalities": [2]}}), "generationConfig.responseModalities[0]"),
        (body(serviceTier="gold"), "serviceTier"),
        (body(tools=[{"codeExecution": {}}]), "tools[0].codeExecution"),
        (body(tools=[{"code_execution": {}}]), "tools[0].codeExecution"),
        (body(tools=[{"googleMaps": {}}]), "tools[0].googleMaps"),
        (body(tools=[{"fileSearch": {}}]), "tools[0].fileSearch"),
        (body(tools=[{"mcpServers": []}]), "tools[0].mcpServers"),
        (body(tools=[{"brandNew": {}}]), "tools[0].brandNew"),
        (
            part({"fileData": {"fileUri": _ELSEWHERE}}),
            "contents[0].parts[0].fileData.fileUri",
        ),
        (
            part({"file_data": {"file_uri": _FILES.upper()}}),
            "contents[0].parts[0].fileData.fileUri",
        ),
        (part({"fileData": {"fileUri": "files/a/b"}}), "contents[0].parts[0].fileData.fileUri"),
        (part({"fileData": {"fileUri": "gs://b/o"}}), "contents[0].parts[0].fileData.fileUri"),
        (part({"fileData": {"fileUri": "http://[x"}}), "contents[0].parts[0].fileData.fileUri"),
        (
            part({"functionResponse": {"parts": [{"fileData": {"fileUri": _ELSEWHERE}}]}}),
            "contents[0].parts[0].functionResponse.parts[0].fileData.fileUri",
        ),
        (
            body(systemInstruction={"parts": [{"fileData": {"fileUri": _ELSEWHERE}}]}),
            "systemInstruction.parts[0].fileData.fileUri",
        ),
    ],
)
def test_what_has_no_bound_is_refused(
    refusal: Refusal, document: dict[str, Any], param: str
) -> None:
    """Stored objects, doubled fields and hosted tools without a limit stop before any hold."""
    failure = refusal("gemini", "generate", document, path_model=MODEL).failure

    assert failure.status == 400
    assert failure.param == param


@pytest.mark.parametrize("model", ["gemini-3-pro", "gemini-flash-latest", "gemini-30-pro"])
def test_searches_without_a_limit_are_refused(refusal: Refusal, model: str) -> None:
    """Newer models pay for each query and make as many as they like; unknown ones may too."""
    document = body(tools=[{"googleSearch": {}}])

    assert refusal("gemini", "generate", document, path_model=model).failure.status == 400


@pytest.mark.parametrize(
    "query",
    [
        "fields=candidates",
        "%24fields=x",
        "fields=",
        "alt=proto",
        "callback=f",
        "alt=proto&alt=json",
        "alt=json&alt=proto",
        "alt=&alt=media",
    ],
)
def test_queries_that_would_hide_the_usage_are_refused(refusal: Refusal, query: str) -> None:
    """Google's partial responses would let a caller strip the usage from the answer."""
    refusal("gemini", "generate", body(), path_model=MODEL, query_string=query)

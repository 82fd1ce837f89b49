"""Chat requests: bounds, the spliced usage request, and refusals that name the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_facade.dialects.base import Ask, Policy, RefusedRequest, RequestView, Route
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]

ROUTE = Route("POST", "/chat/completions", Policy.METERED, "chat")
HELLO = [{"role": "user", "content": "Hello"}]


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-x", "messages": HELLO, **fields}


def parts(*content: dict[str, Any]) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": list(content)}])


def test_text_is_bounded_by_its_bytes(read: Read) -> None:
    """Input tokens are at most the body's bytes plus the template; no limit stays unset."""
    document = chat()
    ask = read("openai", "chat", document)

    assert ask.model == "gpt-x"
    assert ask.bound.input_tokens == len(orjson.dumps(document)) + 64
    assert not ask.bound.input_open
    assert list(ask.bound.input_units) == [UNIT_CACHE_WRITE_5M_TOKENS]
    assert not ask.bound.HasField("output_tokens")
    assert ask.bound.choices == 1
    assert list(ask.bound.variants) == []
    assert not ask.stream
    assert ask.body == orjson.dumps(document)
    assert 0 < ask.delivered_input_tokens <= ask.bound.input_tokens


@pytest.mark.parametrize(
    "fields",
    [
        {"Model": "gpt-dear"},
        {"N": 128},
        {"MAX_TOKENS": 9},
        {"\u017ftream": True},
        {"stream": True, "stream_options": {"Include_Usage": False}},
    ],
)
def test_names_of_fields_differ_in_more_than_their_case(
    refusal: Refusal, fields: dict[str, Any]
) -> None:
    """What a vendor whose server is in Go would take for another field is not forwarded."""
    refused = refusal("openai", "chat", chat(**fields)).failure
    assert refused.status == 400
    assert refused.param


def test_a_chat_is_kept_where_that_is_asked_for(read: Read, refusal: Refusal) -> None:
    """It then is an object of its key, at the vendor that can tell of it again."""
    assert read("openai", "chat", chat()).creates == ""
    assert read("openai", "chat", chat(store=False)).creates == ""
    assert read("openai", "chat", chat(store=True)).creates == "chat_completion"
    assert read("xai", "chat", chat(store=True)).creates == ""
    assert refusal("openai", "chat", chat(store="yes")).failure.param == "store"


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 20}, 20),
        ({"max_tokens": 10, "max_completion_tokens": 20}, 20),
        ({"max_tokens": 30, "max_completion_tokens": 20}, 30),
        ({"max_tokens": None, "max_completion_tokens": 20}, 20),
    ],
)
def test_the_larger_of_two_limits_counts(read: Read, fields: dict[str, Any], limit: int) -> None:
    """Two limits are both read, and nothing but the larger one is safe."""
    assert read("openai", "chat", chat(**fields)).bound.output_tokens == limit


@pytest.mark.parametrize(
    ("tier", "variants"),
    [
        (None, []),
        ("auto", []),
        ("default", []),
        ("flex", ["service_tier=flex"]),
        ("priority", ["service_tier=priority"]),
        ("fast", ["service_tier=priority"]),
    ],
)
def test_a_service_tier_is_a_price_variant(
    read: Read, tier: str | None, variants: list[str]
) -> None:
    """The answer reports `fast` as priority, so that is the variant that is held for."""
    assert list(read("openai", "chat", chat(service_tier=tier)).bound.variants) == variants


def test_tools_add_their_hidden_prompt(read: Read) -> None:
    """Tools make the provider add a prompt of its own to the input."""
    document = chat(tools=[{"type": "function", "function": {"name": "f"}}])

    assert read("openai", "chat", document).bound.input_tokens == (
        len(orjson.dumps(document)) + 64 + 1500
    )


def test_an_inline_image_counts_by_its_cap(read: Read) -> None:
    """A tiny file can be a large picture: the cap bounds it, not its bytes."""
    url = "data:image/png;base64,AAAA"
    image = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    document = parts(image)
    ask = read("openai", "chat", document)

    assert UNIT_INPUT_IMAGE_TOKENS in ask.bound.input_units
    assert not ask.bound.input_open
    assert ask.bound.input_tokens == len(orjson.dumps(document)) + 64 + 6150 - len(url)
    assert read("openai", "chat", {**document, "model": "gpt-4o-mini"}).bound.input_tokens > 48_000


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}},
    ],
)
def test_content_that_its_bytes_do_not_bound_is_open(read: Read, part: dict[str, Any]) -> None:
    """Addresses and documents leave only the context window as a bound."""
    assert read("openai", "chat", parts(part)).bound.input_open


def test_a_predicted_output_gets_no_limit(read: Read) -> None:
    """OpenAI refuses the usual limit beside a prediction, so that none is fitted; Mistral does not.

    A limit that is stated stands, and what is rejected of a prediction counts within it.
    """
    predicted = chat(prediction={"type": "content", "content": "Hello"})

    assert read("openai", "chat", predicted).bound.output_open
    assert not read("openai", "chat", {**predicted, "max_tokens": 9}).bound.output_open
    assert not read("openai", "chat", chat(prediction=None)).bound.output_open
    assert not read("mistral", "chat", predicted).bound.output_open


def test_audio_in_and_out_list_their_units(read: Read) -> None:
    """Audio is dearer than text, so the core must know that it may come."""
    audio = {"type": "input_audio", "input_audio": {"data": "A" * 3000, "format": "wav"}}
    ask = read("openai", "chat", {**parts(audio), "modalities": ["text", "audio"]})

    assert UNIT_INPUT_AUDIO_TOKENS in ask.bound.input_units
    assert list(ask.bound.output_units) == [UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_AUDIO_TOKENS]
    assert ask.delivered_input_tokens < 100


def test_audio_makes_no_room_for_a_picture(read: Read) -> None:
    """The bytes of audio bound its own tokens; those of a picture beside it are held as well."""
    url = "data:image/png;base64,AAAA"
    image = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    audio = {"type": "input_audio", "input_audio": {"data": "A" * 8_000, "format": "wav"}}
    document = parts(image, audio)
    ask = read("openai", "chat", document)
    assert ask.bound.input_tokens >= len(orjson.dumps(document)) - len(url) + 6_150


def test_asks_for_usage_where_the_client_did_not(read: Read) -> None:
    """The splice adds one member and leaves the rest of the body alone; the chunk is hidden."""
    document = chat(stream=True)
    ask = read("openai", "chat", document)

    assert ask.stream
    assert ask.hide_usage
    assert ask.body == (b'{"stream_options":{"include_usage":true},' + orjson.dumps(document)[1:])


@pytest.mark.parametrize(
    ("options", "hides"),
    [
        ({"include_usage": True}, False),
        ({"include_usage": False}, True),
        ({"include_obfuscation": False}, True),
        (None, True),
    ],
)
def test_usage_shows_only_to_who_asked(
    read: Read, options: dict[str, Any] | None, *, hides: bool
) -> None:
    """A client that asked sees its usage chunk; any other never does, but we always get it."""
    ask = read("openai", "chat", chat(stream=True, stream_options=options))

    assert ask.hide_usage is hides
    sent = orjson.loads(ask.body)["stream_options"]
    assert sent == {**(options or {}), "include_usage": True}


def test_a_fitted_limit_is_spliced_in(read: Read) -> None:
    """The limit that the ledger chose is written into the body, and nothing else changes."""
    document = chat(stream=False)
    ask = read("openai", "chat", document)

    body = OpenAIDialect().with_output_limit(ROUTE, ask, 4096)
    assert body == b'{"max_completion_tokens":4096,' + orjson.dumps(document)[1:]
    vendor = OpenAIDialect(Flavor(name="vendor", limit_field="max_tokens"))
    assert orjson.loads(vendor.with_output_limit(ROUTE, ask, 5))["max_tokens"] == 5


def test_a_flavor_needs_no_code() -> None:
    """A vendor that always states usage, and bills no cache writes, is told so as data."""
    dialect = OpenAIDialect(
        Flavor(name="vendor", asks_for_usage=False, bills_cache_writes=False, choices_max=4)
    )
    body = orjson.dumps(chat(stream=True, n=4))
    ask = dialect.read(ROUTE, RequestView(body=body, document=parse_object(body)))

    assert ask.body == body
    assert not ask.hide_usage
    assert list(ask.bound.input_units) == []
    bad = orjson.dumps(chat(n=5))
    with pytest.raises(RefusedRequest):
        dialect.read(ROUTE, RequestView(body=bad, document=parse_object(bad)))


def test_a_flavor_refuses_and_answers_in_its_own_way() -> None:
    """Fields that only a vendor has, and errors without the envelope, are data too."""
    dialect = OpenAIDialect(
        Flavor(name="vendor", forbidden={"deferred": "Not now."}, flat_errors={"object": "error"})
    )
    body = orjson.dumps(chat(deferred=True))

    with pytest.raises(RefusedRequest) as caught:
        dialect.read(ROUTE, RequestView(body=body, document=parse_object(body)))
    error, _ = dialect.error(caught.value.failure)
    assert orjson.loads(error)["param"] == "deferred"
    assert orjson.loads(error)["message"] == "Not now."


_FILE_ID = "messages[0].content[0].file.file_id"


@pytest.mark.parametrize(
    ("document", "param", "says"),
    [
        ({"messages": HELLO}, "model", "model"),
        (chat(model=7), "model", "a string"),
        (chat(model="a" * 300), "model", "not the name"),
        (chat(model="gpt-4o-search-preview"), "model", "Responses API"),
        (chat(messages=None), "messages", "non-empty"),
        (chat(messages="hi"), "messages", "an array"),
        (chat(messages=["hi"]), "messages[0]", "an object"),
        (chat(max_tokens="10"), "max_tokens", "an integer, not a string"),
        (chat(max_tokens=True), "max_tokens", "an integer, not a boolean"),
        (chat(max_tokens=1.5), "max_tokens", "an integer"),
        (chat(max_tokens=0), "max_tokens", "from 1 to"),
        (chat(max_completion_tokens=10**9 + 1), "max_completion_tokens", "1000000000 tokens"),
        (chat(n=129), "n", "from 1 to 128"),
        (chat(n=0), "n", "from 1 to 128"),
        (chat(stream="yes"), "stream", "true or false"),
        (chat(stream=True, stream_options=[]), "stream_options", "an object"),
        (
            chat(stream=True, stream_options={"include_usage": 1}),
            "stream_options.include_usage",
            "true or false",
        ),
        (chat(service_tier="ultrafast"), "service_tier", "one of"),
        (chat(web_search_options={}), "web_search_options", "max_tool_calls"),
        (chat(tools=[{"type": "code_interpreter"}]), "tools[0].type", "container"),
        (chat(tools=[{"type": "brand_new"}]), "tools[0].type", "can bound"),
        (chat(tools=[{"type": "web_search"}]), "tools[0]", "Responses API"),
        (chat(tools={}), "tools", "an array"),
        (parts({"type": "file", "file": {"file_id": 1}}), _FILE_ID, "a string"),
        (parts({"type": "video_url"}), "messages[0].content[0].type", "not supported"),
        (parts({"text": "x"}), "messages[0].content[0].type", "not supported"),
        (
            parts({"type": "image_url", "image_url": {"url": 1}}),
            "messages[0].content[0].image_url.url",
            "a string",
        ),
        (
            chat(messages=[{"role": "assistant", "audio": {"id": "audio_1"}}]),
            "messages[0].audio",
            "stored",
        ),
    ],
)
def test_refusals_name_the_field(
    refusal: Refusal, document: dict[str, Any], param: str, says: str
) -> None:
    """What cannot be read or bounded is a 400 before any hold, with the field and what to do."""
    failure = refusal("openai", "chat", document).failure

    assert failure.status == 400
    assert failure.param == param
    assert says in failure.message

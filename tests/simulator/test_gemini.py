"""The Gemini API through the google-genai SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.genai import errors, types
from mintgate_simulator.reply import PIECES

if TYPE_CHECKING:
    from google import genai

    from tests.simulator.conftest import Simulator

MODEL = "gemini-2.5-flash"
TEXT = "".join(PIECES)
BODY: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
PATH = f"/gemini/v1beta/models/{MODEL}"
TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(
                name="get_weather",
                parameters=types.Schema(
                    type=types.Type.OBJECT,
                    properties={"city": types.Schema(type=types.Type.STRING)},
                ),
            )
        ]
    )
]


def config(control: str = "", **fields: Any) -> types.GenerateContentConfig:
    headers = {"x-simulate": control}
    return types.GenerateContentConfig(http_options=types.HttpOptions(headers=headers), **fields)


def generate(client: genai.Client, control: str = "", **fields: Any) -> Any:
    return client.models.generate_content(
        model=MODEL, contents="hello", config=config(control, **fields)
    )


def stream(client: genai.Client, control: str = "", **fields: Any) -> list[Any]:
    return list(
        client.models.generate_content_stream(
            model=MODEL, contents="hello", config=config(control, **fields)
        )
    )


def test_plain_answer_has_text_and_usage(gemini_client: genai.Client) -> None:
    """A default answer is the fixed text; what is 0 is not stated."""
    response = generate(gemini_client)

    assert response.text == TEXT
    assert response.candidates[0].finish_reason == types.FinishReason.STOP
    assert response.model_version == MODEL
    usage = response.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == (2, 20)
    assert usage.total_token_count == 22
    assert usage.thoughts_token_count is None
    assert usage.cached_content_token_count is None


def test_claimed_usage_keeps_the_inclusion_rules(gemini_client: genai.Client) -> None:
    """Cached lies inside the prompt, thoughts outside the candidates, and the total adds up."""
    usage = generate(
        gemini_client,
        "input=1500; cached=1000; image_input=258; output=200; reasoning=400; audio_output=50",
    ).usage_metadata

    assert usage.prompt_token_count == 1500
    assert usage.cached_content_token_count == 1000
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (200, 400)
    assert usage.total_token_count == 2100
    split = {entry.modality.value: entry.token_count for entry in usage.prompt_tokens_details}
    assert split == {"TEXT": 1242, "IMAGE": 258}
    made = {entry.modality.value: entry.token_count for entry in usage.candidates_tokens_details}
    assert made == {"TEXT": 150, "AUDIO": 50}


def test_stream_usage_is_cumulative(gemini_client: genai.Client) -> None:
    """Every chunk states usage so far; the last one equals that of the plain call."""
    chunks = stream(gemini_client, "output=5; reasoning=3")
    plain = generate(gemini_client, "output=5; reasoning=3")

    counts = [chunk.usage_metadata.candidates_token_count for chunk in chunks]
    assert counts == [1, 2, 3, 4, 5, 5]
    assert "".join(chunk.text or "" for chunk in chunks) == "".join(PIECES[:5])
    assert chunks[-1].usage_metadata == plain.usage_metadata
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_array_stream_has_the_same_chunks_as_the_events(sim: Simulator) -> None:
    """Without ``alt=sse`` the same objects come as one JSON array, element by element."""
    array = sim.post(f"{PATH}:streamGenerateContent", BODY, "output=3")
    events = sim.post(f"{PATH}:streamGenerateContent?alt=sse", BODY, "output=3")

    assert array.headers["content-type"].startswith("application/json")
    assert array.text.startswith("[{")
    assert "},\r\n{" in array.text or "}\r\n,{" in array.text
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.text.endswith("}\r\n\r\n")
    from_events = [part.removeprefix("data: ") for part in events.text.split("\r\n\r\n")[:-1]]
    texts = [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in array.json()]
    assert texts == [*PIECES[:3], ""]
    assert len(from_events) == len(array.json())


def test_candidates_multiply_the_output(gemini_client: genai.Client) -> None:
    """Two candidates bill twice the output and thoughts, once the prompt."""
    response = generate(gemini_client, "output=5; reasoning=2", candidate_count=2)
    chunks = stream(gemini_client, "output=5; reasoning=2", candidate_count=2)

    assert len(response.candidates) == 2
    usage = response.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == (2, 10)
    assert usage.thoughts_token_count == 4
    assert chunks[-1].usage_metadata == usage


def test_limit_counts_thoughts_too(gemini_client: genai.Client) -> None:
    """At maxOutputTokens, thoughts included, the answer ends with MAX_TOKENS."""
    response = generate(gemini_client, "output=50; reasoning=4", max_output_tokens=10)

    assert response.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    usage = response.usage_metadata
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (6, 4)


def test_thoughts_are_shown_when_asked_for(gemini_client: genai.Client) -> None:
    """Asking for thoughts gives a part marked as thought, streamed and not."""
    thinking = types.ThinkingConfig(include_thoughts=True)
    response = generate(gemini_client, thinking_config=thinking)
    chunks = stream(gemini_client, thinking_config=thinking)

    assert [part.thought for part in response.candidates[0].content.parts] == [True, None]
    assert response.usage_metadata.thoughts_token_count == 8
    assert chunks[0].candidates[0].content.parts[0].thought is True


def test_thinking_can_be_turned_off(gemini_client: genai.Client) -> None:
    """A thinking budget of 0 bills no thoughts."""
    thinking = types.ThinkingConfig(thinking_budget=0)
    response = generate(gemini_client, thinking_config=thinking)

    assert response.usage_metadata.thoughts_token_count is None


@pytest.mark.parametrize("streamed", ["no", "yes"])
def test_function_call_fits_the_schema(gemini_client: genai.Client, streamed: str) -> None:
    """A function call has a sample for every property, streamed and not."""
    if streamed == "yes":
        calls = [
            call
            for chunk in stream(gemini_client, "tool", tools=TOOLS)
            for call in chunk.function_calls or []
        ]
    else:
        calls = generate(gemini_client, "tool", tools=TOOLS).function_calls

    assert [(call.name, call.args) for call in calls] == [("get_weather", {"city": "sample"})]


def test_function_response_ends_the_loop(gemini_client: genai.Client) -> None:
    """After a function's response the answer is text, even with the tool control."""
    part = types.Part.from_function_response(name="get_weather", response={"t": 1})
    response = gemini_client.models.generate_content(
        model=MODEL,
        contents=[types.Content(role="user", parts=[part])],
        config=config("tool", tools=TOOLS),
    )

    assert response.text == TEXT


def test_searches_are_grounding_queries(gemini_client: genai.Client) -> None:
    """Each search is one webSearchQueries entry, at the end of a stream too."""
    tools = [types.Tool(google_search=types.GoogleSearch())]
    response = generate(gemini_client, "searches=3", tools=tools)
    chunks = stream(gemini_client, "searches=3", tools=tools)

    assert len(response.candidates[0].grounding_metadata.web_search_queries) == 3
    assert len(chunks[-1].candidates[0].grounding_metadata.web_search_queries) == 3
    assert chunks[0].candidates[0].grounding_metadata is None


def test_url_context_is_billed_as_tool_use(gemini_client: genai.Client) -> None:
    """Fetched pages are counted apart from the prompt and inside the total."""
    tools = [types.Tool(url_context=types.UrlContext())]
    usage = generate(gemini_client, tools=tools).usage_metadata

    assert usage.tool_use_prompt_token_count == 50
    assert usage.total_token_count == usage.prompt_token_count + 50 + 20


def test_image_output_has_its_own_modality(gemini_client: genai.Client) -> None:
    """An image model returns inline data, billed as IMAGE tokens."""
    response = generate(gemini_client, response_modalities=["TEXT", "IMAGE"])

    blob = response.candidates[0].content.parts[-1].inline_data
    assert blob.data.startswith(b"\x89PNG")
    details = response.usage_metadata.candidates_tokens_details
    assert {entry.modality.value: entry.token_count for entry in details} == {
        "TEXT": 20,
        "IMAGE": 1290,
    }


def test_prompt_media_are_told_by_modality(sim: Simulator) -> None:
    """Inline image and sound are counted in their own modality, never above their bytes."""
    parts = [
        {"text": "hello"},
        {"inlineData": {"mimeType": "image/png", "data": "A" * 4000}},
        {"inlineData": {"mimeType": "audio/wav", "data": "A" * 40}},
    ]
    usage = sim.post(f"{PATH}:generateContent", {"contents": [{"parts": parts}]}).json()

    assert usage["usageMetadata"]["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 2},
        {"modality": "IMAGE", "tokenCount": 258},
        {"modality": "AUDIO", "tokenCount": 10},
    ]


def test_service_tier_is_stated_when_known(sim: Simulator) -> None:
    """The tier follows request or control, and is not stated otherwise."""
    plain = sim.post(f"{PATH}:generateContent", BODY).json()
    asked = sim.post(f"{PATH}:generateContent", {**BODY, "serviceTier": "flex"}).json()
    steered = sim.post(f"{PATH}:generateContent", BODY, "tier=priority").json()

    assert "serviceTier" not in plain["usageMetadata"]
    assert asked["usageMetadata"]["serviceTier"] == "flex"
    assert steered["usageMetadata"]["serviceTier"] == "priority"


def test_embeddings_have_vectors_and_no_usage(sim: Simulator, gemini_client: genai.Client) -> None:
    """Each content gets a vector of the length asked for; AI Studio states no usage."""
    response = gemini_client.models.embed_content(
        model="gemini-embedding-001",
        contents=["hello", "world"],
        config=types.EmbedContentConfig(output_dimensionality=64),
    )
    single = sim.post(
        "/gemini/v1beta/models/gemini-embedding-001:embedContent", {"content": BODY["contents"][0]}
    )

    assert response.embeddings is not None
    assert [len(entry.values or []) for entry in response.embeddings] == [64, 64]
    assert len(single.json()["embedding"]["values"]) == 3072
    assert "usageMetadata" not in single.json()


def test_tokens_can_be_counted_for_free(gemini_client: genai.Client) -> None:
    """The count equals the prompt that the answer bills."""
    counted = gemini_client.models.count_tokens(model=MODEL, contents="hello")

    assert counted.total_tokens == 2


def test_models_can_be_listed_and_fetched(gemini_client: genai.Client) -> None:
    """Every listed model can be fetched with its limits; another one is a typed 404."""
    names = [model.name for model in gemini_client.models.list()]

    assert f"models/{MODEL}" in names
    assert gemini_client.models.get(model=MODEL).output_token_limit == 65_536
    with pytest.raises(errors.ClientError) as raised:
        gemini_client.models.get(model="gemini-0")
    assert raised.value.code == 404


@pytest.mark.parametrize(
    ("status", "error", "name"),
    [
        (400, errors.ClientError, "INVALID_ARGUMENT"),
        (402, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (403, errors.ClientError, "PERMISSION_DENIED"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
        (504, errors.ServerError, "DEADLINE_EXCEEDED"),
    ],
)
def test_error_status_raises_the_typed_error(
    gemini_client: genai.Client, status: int, error: type[errors.APIError], name: str
) -> None:
    """Every status raises the SDK's own class with the native status name, streamed too."""
    with pytest.raises(error) as plain:
        generate(gemini_client, f"status={status}")
    with pytest.raises(error) as streamed:
        stream(gemini_client, f"status={status}")

    assert (plain.value.code, plain.value.status) == (status, name)
    assert (streamed.value.code, streamed.value.status) == (status, name)


def test_array_stream_wraps_its_error(sim: Simulator) -> None:
    """An error of a call that would have been an array is an array of one."""
    answer = sim.post(f"{PATH}:streamGenerateContent", BODY, "status=429; retry_after=7")

    error = answer.json()[0]["error"]
    assert answer.headers["retry-after"] == "7"
    assert error["details"][0]["retryDelay"] == "7s"


@pytest.mark.parametrize(
    "change",
    [
        {"contents": None},
        {"contents": "hello"},
        {"contents": [{"parts": []}]},
        {"unknownField": 1},
        {"generationConfig": {"maxOutputTokens": "many"}},
        {"generationConfig": {"maxOutputTokens": 0}},
        {"generationConfig": {"candidateCount": 9}},
        {"generationConfig": []},
    ],
)
def test_bad_request_is_refused(sim: Simulator, change: dict[str, Any]) -> None:
    """What the provider would refuse is refused with INVALID_ARGUMENT."""
    answer = sim.post(f"{PATH}:generateContent", {**BODY, **change})

    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "generation_config",
    [{"maxOutputTokens": 5}, {"max_output_tokens": 5}, {"maxOutputTokens": "5"}],
)
def test_fields_may_be_written_in_both_ways(
    sim: Simulator, generation_config: dict[str, Any]
) -> None:
    """Protobuf's JSON takes camelCase, snake_case and whole numbers as strings."""
    answer = sim.post(f"{PATH}:generateContent", {**BODY, "generation_config": generation_config})

    assert answer.json()["usageMetadata"]["candidatesTokenCount"] == 5


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_every_version_is_served(sim: Simulator, version: str) -> None:
    """All three version prefixes lead to the same method; another one is 404."""
    path = f"/gemini/{version}/models/{MODEL}:generateContent"

    assert sim.post(path, BODY).status_code == 200
    assert sim.post(path.replace(version, "v9"), BODY).status_code == 404


def test_a_cache_is_part_of_the_prompts_that_use_it(gemini_client: genai.Client) -> None:
    """It has a least size, lives for its ttl, and is read at the price of cached tokens."""
    caches = gemini_client.caches
    with pytest.raises(errors.ClientError, match="too small"):
        caches.create(model=MODEL, config={"contents": "hello"})
    made = caches.create(model=MODEL, config={"contents": "word " * 1_000, "ttl": "60s"})
    assert made.name is not None
    assert made.create_time is not None
    assert made.expire_time is not None
    assert (made.expire_time - made.create_time).total_seconds() == 60
    used = generate(gemini_client, cached_content=made.name).usage_metadata
    assert used.cached_content_token_count == 1_250
    assert used.prompt_token_count == 1_250 + 2
    longer = caches.update(name=made.name, config={"ttl": "120s"})
    assert longer.expire_time != made.expire_time
    caches.delete(name=made.name)
    assert list(caches.list()) == []
    with pytest.raises(errors.ClientError):
        generate(gemini_client, cached_content=made.name)


def test_a_video_is_there_after_some_looks(sim: Simulator, gemini_client: genai.Client) -> None:
    """Its operation is unfinished for as many looks as were asked for, then names its file."""
    begun = sim.post(
        "/gemini/v1beta/models/veo-3.1-generate-001:predictLongRunning",
        {"instances": [{"prompt": "A hen"}]},
        "polls=1",
    )
    operation = types.GenerateVideosOperation.model_validate({"name": begun.json()["name"]})
    assert not gemini_client.operations.get(operation).done
    done = gemini_client.operations.get(operation)
    assert done.response is not None
    assert done.response.generated_videos is not None
    (made,) = done.response.generated_videos
    assert gemini_client.files.download(file=made)[4:8] == b"ftyp"


def test_a_batch_has_its_answers_when_it_has_ended(gemini_client: genai.Client) -> None:
    """Each request is answered as if it came alone, and a bad one has its error."""
    requests = [
        types.InlinedRequest(contents="hello", metadata={"key": "a"}),
        types.InlinedRequest(
            contents="hello", config=types.GenerateContentConfig(candidate_count=99)
        ),
    ]
    options = types.HttpOptions(headers={"x-simulate": "polls=1"})
    batches = gemini_client.batches
    config = types.CreateBatchJobConfig(http_options=options)
    begun = batches.create(model=MODEL, src=requests, config=config)
    assert begun.name is not None
    assert batches.get(name=begun.name).dest is None
    ended = batches.get(name=begun.name)
    assert ended.state == types.JobState.JOB_STATE_SUCCEEDED
    assert ended.dest is not None
    assert ended.dest.inlined_responses is not None
    good, bad = ended.dest.inlined_responses
    assert good.response is not None
    assert (good.response.text, good.metadata) == (TEXT, {"key": "a"})
    assert bad.error is not None
    batches.delete(name=begun.name)
    with pytest.raises(errors.ClientError):
        batches.get(name=begun.name)

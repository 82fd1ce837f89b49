"""The vendors' twins, asked by the unmodified SDKs: each answers as its vendor does."""

from __future__ import annotations

from typing import Any

import cerebras.cloud.sdk as cerebras
import openai
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from tests.simulator.conftest import KEY, Simulator

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
PATHS = {
    "xai": "/xai/v1",
    "moonshot": "/moonshot/v1",
    "minimax": "/minimax/v1",
    "deepseek": "/deepseek",
}


def ask(sim: Simulator, slug: str, simulate: str = "", **fields: Any) -> Any:
    """One chat with OpenAI's SDK."""
    headers = {"x-simulate": simulate} if simulate else {}
    with openai.OpenAI(base_url=sim.url + PATHS[slug], api_key=KEY, max_retries=0) as sdk:
        answer: Any = sdk.chat.completions.create(
            model="m", messages=HELLO, extra_headers=headers, **fields
        )
        return list(answer) if fields.get("stream") else answer


@pytest.mark.parametrize("slug", PATHS)
def test_a_chat(sim: Simulator, slug: str) -> None:
    """Whole and streamed say the same text."""
    whole = ask(sim, slug).choices[0].message.content
    chunks = ask(sim, slug, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole


def test_xai_counts_reasoning_apart(sim: Simulator) -> None:
    """It is in the total alone, beyond any limit, and the cost is stated where it is known."""
    usage = ask(sim, "xai", "reasoning=50; ticks=99", max_tokens=5).usage
    assert (usage.completion_tokens, usage.total_tokens - usage.prompt_tokens) == (5, 55)
    assert usage.completion_tokens_details.reasoning_tokens == 50
    assert usage.cost_in_usd_ticks == 99


def test_kimi_states_usage_in_the_last_choice(sim: Simulator) -> None:
    """Without being asked, and alone too when it was."""
    last = ask(sim, "moonshot", "cached=3", stream=True)[-1]
    assert last.choices[0].model_extra["usage"]["cached_tokens"] == 3
    asked = ask(sim, "moonshot", stream=True, stream_options={"include_usage": True})
    assert (asked[-1].choices, asked[-1].usage is not None) == ([], True)


def test_deepseek_names_hits_and_misses(sim: Simulator) -> None:
    """They sum to the prompt."""
    usage = ask(sim, "deepseek", "input=10; cached=4").usage
    assert (usage.prompt_cache_hit_tokens, usage.prompt_cache_miss_tokens) == (4, 6)


@pytest.mark.parametrize("stream", [False, True])
def test_minimax_fails_with_status_200(sim: Simulator, *, stream: bool) -> None:
    """The SDK sees an answer without choices, as it does there."""
    answer = ask(sim, "minimax", "base_resp=1008", stream=stream)
    (said,) = answer if stream else [answer]
    assert said.choices is None
    assert said.model_extra["base_resp"]["status_code"] == 1008


@pytest.mark.parametrize(
    ("slug", "kind", "told"),
    [
        # Its `error` is a text, where the SDK looks for a message in an object.
        ("xai", openai.BadRequestError, "Error code: 400"),
        ("moonshot", openai.AuthenticationError, "Incorrect API key"),
        ("minimax", openai.AuthenticationError, "Incorrect API key"),
        ("deepseek", openai.AuthenticationError, "Incorrect API key"),
    ],
)
def test_a_wrong_key(sim: Simulator, slug: str, kind: type[openai.APIError], told: str) -> None:
    """It is a 400 at xAI and a 401 elsewhere, each in a body of the vendor's own."""
    with (
        openai.OpenAI(base_url=sim.url + PATHS[slug], api_key="sim-bad-key", max_retries=0) as sdk,
        pytest.raises(kind, match=told),
    ):
        sdk.chat.completions.create(model="m", messages=HELLO)


def test_messages_have_their_own_errors(sim: Simulator) -> None:
    """Below a vendor's Messages a refusal has Anthropic's shape, beside them the vendor's."""
    inside = sim.post("/moonshot/anthropic/v1/messages", {"model": "m"})
    assert inside.json()["type"] == "error"
    assert "error" in sim.post("/moonshot/v1/chat/completions", {"model": "m"}).json()


def test_minimax_states_no_input_at_the_start(sim: Simulator) -> None:
    """Its Messages tell the input with the last delta."""
    body = {"model": "m", "max_tokens": 9, "messages": HELLO, "stream": True}
    text = sim.post("/minimax/anthropic/v1/messages", body, "input=77").text
    start, _, rest = text.partition("content_block_start")
    assert '"input_tokens":0' in start
    assert '"input_tokens":77' in rest


def test_mistral(sim: Simulator) -> None:
    """Usage stands on the last chunk; a field that it does not know is a 422."""
    with Mistral(api_key=KEY, server_url=f"{sim.url}/mistral") as sdk:
        chunks = [event.data for event in sdk.chat.stream(model="m", messages=HELLO)]
        assert chunks[-1].usage is not None
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert sdk.embeddings.create(model="m", inputs=["a"]).id
        with pytest.raises(SDKError, match='"object":"error"'):
            sdk.chat.complete(model="m", messages=HELLO, http_headers={"x-simulate": "status=429"})
    body = {"model": "m", "messages": HELLO, "stream_options": {"include_usage": True}}
    refused = sim.post("/mistral/v1/chat/completions", body)
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "stream_options"]


def test_cerebras(sim: Simulator) -> None:
    """Timings beside the usage, flat errors, and an answer to the warm-up."""
    with cerebras.Cerebras(base_url=f"{sim.url}/cerebras", api_key=KEY, max_retries=0) as sdk:
        chunks: Any = list(sdk.chat.completions.create(model="m", messages=HELLO, stream=True))
        assert chunks[-1].time_info.total_time > 0
        headers = {"x-simulate": "status=402"}
        with pytest.raises(cerebras.APIStatusError) as caught:
            sdk.chat.completions.create(model="m", messages=HELLO, extra_headers=headers)
    assert isinstance(caught.value.body, dict)
    assert {"message", "type", "param", "code"} == set(caught.value.body)


def test_xai_videos(sim: Simulator) -> None:
    """A video is made for as many looks as asked, then states its length and its cost."""
    options: Any = {"headers": {"x-simulate": "polls=1; output=3"}}
    body = {"model": "m", "prompt": "a cat", "resolution": "720p"}
    with openai.OpenAI(base_url=f"{sim.url}/xai/v1", api_key=KEY, max_retries=0) as sdk:
        begun: Any = sdk.post("/videos/generations", cast_to=object, body=body, options=options)
        path = f"/videos/{begun['request_id']}"
        looks: list[Any] = [sdk.get(path, cast_to=object) for _ in range(3)]
        with pytest.raises(openai.NotFoundError):
            sdk.get("/videos/another", cast_to=object)
    assert [look["status"] for look in looks] == ["pending", "done", "done"]
    assert looks[-1]["video"]["duration"] == 3
    assert looks[-1]["usage"] == {"cost_in_usd_ticks": 2_100_000_000}

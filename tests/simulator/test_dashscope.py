"""DashScope's twin, asked by the unmodified SDK: it answers as the vendor does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from dashscope import v2
from dashscope.v2 import errors

from tests.simulator.conftest import KEY, Simulator

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
GENERATION = "/dashscope/api/v1/services/aigc/text-generation/generation"


@pytest.fixture(scope="module")
def sdk(sim: Simulator) -> Iterator[v2.Client]:
    with v2.Client(api_key=KEY, base_url=f"{sim.url}/dashscope/api/v1", max_retries=0) as client:
        yield client


def test_whole_and_streamed(sdk: v2.Client) -> None:
    """Both say the same text, and the last event states the usage of the whole."""
    create: Any = sdk.chat.completions.create
    whole = create(model="qwen-plus", messages=HELLO)
    chunks = list(create(model="qwen-plus", messages=HELLO, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == (
        whole.choices[0].message.content
    )
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("incremental", [False, True])
def test_events(sim: Simulator, *, incremental: bool) -> None:
    """Texts grow or follow each other; numbers always grow, and no event has a space to cut."""
    body = {
        "model": "qwen-plus",
        "input": {"messages": HELLO},
        "parameters": {"result_format": "message", "incremental_output": incremental},
    }
    answer = sim.post(GENERATION, body, "output=3", **{"x-dashscope-sse": "enable"})
    events = [line.partition(":")[2] for line in answer.text.splitlines() if line[:5] == "data:"]
    assert [event[0] for event in events] == ["{"] * 4
    assert (events[1].count("Hell"), events[1].count("o fr")) == (0 if incremental else 1, 1)
    stated = [json.loads(event)["usage"]["output_tokens"] for event in events]
    assert stated == [1, 2, 3, 3]


def test_a_budget_ends_the_reasoning(sim: Simulator) -> None:
    """The limit holds the answer, the budget the reasoning."""
    parameters = {"max_tokens": 5, "thinking_budget": 7, "result_format": "message"}
    body = {"model": "qwen-plus", "input": {"messages": HELLO}, "parameters": parameters}
    usage = sim.post(GENERATION, body, "output=50; reasoning=50").json()["usage"]
    assert usage["output_tokens"] == 12
    assert usage["output_tokens_details"] == {"reasoning_tokens": 7}


def test_vectors_and_rankings(sdk: v2.Client) -> None:
    """One total each; a ranking counts its query with every document."""
    vectors = sdk.embeddings.create(model="m", input=["abcd", "abcd"], dimension=64)
    assert [len(each.embedding) for each in vectors.embeddings] == [64, 64]
    ranked = sdk.rerank.create(model="m", query="abcdefgh", documents=["abcd"] * 3)
    assert vectors.usage is not None
    assert ranked.usage is not None
    assert (vectors.usage.total_tokens, ranked.usage.total_tokens) == (2, 9)


def test_failures(sim: Simulator, sdk: v2.Client) -> None:
    """A wrong key, an unknown path, a bad field: flat bodies that the SDK knows."""
    with (
        v2.Client(api_key="sim-bad-key", base_url=f"{sim.url}/dashscope/api/v1") as wrong,
        pytest.raises(errors.AuthenticationError),
    ):
        wrong.embeddings.create(model="m", input="a")
    with pytest.raises(errors.BadRequestError):
        sdk.embeddings.create(model="m", input="a", dimension=0)
    body = {"model": "m", "input": {"messages": HELLO}}
    within = sim.post(GENERATION, body, "base_resp=429")
    assert (within.status_code, within.json()["code"]) == (200, "Throttling.RateQuota")


def test_tasks(sim: Simulator, sdk: v2.Client) -> None:
    """A task runs for as many looks as asked, has one end, and is unknown under another name."""
    path = "/dashscope/api/v1/services/aigc/text2image/image-synthesis"
    body = {"model": "m", "input": {"prompt": "a cat"}, "parameters": {"n": 2}}
    assert sim.post(path, body).status_code == 403
    begun = sim.post(path, body, "polls=1", **{"x-dashscope-async": "enable"}).json()
    jobs = sdk.images.jobs
    looks = [jobs.fetch(begun["output"]["task_id"]) for _ in range(3)]
    assert [job.status for job in looks] == ["RUNNING", "SUCCEEDED", "SUCCEEDED"]
    assert len(looks[-1].image_urls) == 2
    assert jobs.fetch("another").status == "UNKNOWN"
    with pytest.raises(errors.BadRequestError):
        jobs.cancel(begun["output"]["task_id"])

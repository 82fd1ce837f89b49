"""DashScope's tasks by both generations of its SDK: begun, polled, and charged at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dashscope
import httpx
import pytest
from dashscope import v2
from dashscope.aigc.image_generation import ImageGeneration
from dashscope.api_entities.dashscope_response import Message
from dashscope.audio.asr import Transcription
from dashscope.v2 import errors

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.upstream import Upstream, simulate
from tests.wire import send

SYNTHESIS: Any = dashscope.ImageSynthesis
"""Its types lack what its base class has."""
PICTURES = "qwen-image-2.0-pro"
PICTURE_NANO_USD = 75_000_000
VIDEO = "wan2.7-t2v"
SECOND_720P_NANO_USD, SECOND_1080P_NANO_USD = 86_012_000, 143_353_000
SPEECH = "fun-asr"
HEARD_SECOND_NANO_USD = 35_000
POLLED_WITHIN_S = 60
SOUNDS = ["https://sounds.example/1.wav", "https://sounds.example/2.wav"]
SYNTHESIS_PATH = "/qwen/api/v1/services/aigc/text2image/image-synthesis"


@pytest.fixture(autouse=True)
def first_generation(gateway: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its calls about tasks take no address of their own."""
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{gateway.url}/qwen/api/v1")


@contextmanager
def sdk(buyer: Buyer, **controls: int) -> Iterator[v2.Client]:
    """The second generation of the SDK."""
    base = f"{buyer.gateway.url}/qwen/api/v1"
    headers = {**buyer.bearer, **simulate(**controls)}
    with httpx.Client(base_url=base, headers=headers, timeout=30) as http:
        yield v2.Client(api_key=buyer.secret, base_url=base, http_client=http, max_retries=0)


def piece(model: str, cost_nano_usd: int) -> Charge:
    """A charge without any token."""
    return Charge("dashscope", model, cost_nano_usd, 0, 0)


def draw(buyer: Buyer, pictures: int = 2, **controls: int | bool) -> Any:
    """Begin pictures by the first generation of the SDK."""
    headers = simulate(**controls)
    begin = SYNTHESIS.async_call
    return begin(PICTURES, "a cat", n=pictures, api_key=buyer.secret, headers=headers)


def settled(buyer: Buyer) -> None:
    """Wait for the poller."""
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")


def released(buyer: Buyer) -> None:
    """Wait for the poller to give a hold back."""
    eventually(lambda: buyer.key().held_nano_usd == 0, POLLED_WITHIN_S, "the release")
    buyer.untouched()


def test_pictures(buyer: Buyer) -> None:
    """The hold stays while the provider draws; what was really drawn is charged, once."""
    begun = draw(buyer, 3, polls=1, output=2)
    assert (begun.status_code, begun.output.task_status) == (200, "PENDING")
    key = buyer.key()
    assert (key.held_nano_usd, key.spent_nano_usd) == (3 * PICTURE_NANO_USD, 0)
    drawn = SYNTHESIS.wait(begun, api_key=buyer.secret)
    assert (len(drawn.output.results), drawn.usage.image_count) == (2, 2)
    settled(buyer)
    (event,) = buyer.charged(piece(PICTURES, 2 * PICTURE_NANO_USD))
    assert event.provider_request_id == begun.output.task_id
    assert event.held_nano_usd == 3 * PICTURE_NANO_USD
    again = SYNTHESIS.fetch(begun, api_key=buyer.secret)
    assert again.output.task_status == "SUCCEEDED"
    buyer.charged(piece(PICTURES, 2 * PICTURE_NANO_USD))


def test_pictures_by_messages(buyer: Buyer) -> None:
    """Newer models take messages, by a route of their own."""
    message = Message(role="user", content=[{"text": "a cat"}])
    drawn: Any = ImageGeneration.async_call(
        PICTURES, messages=[message], n=1, api_key=buyer.secret, headers=simulate()
    )
    assert ImageGeneration.wait(drawn, api_key=buyer.secret).status_code == 200
    settled(buyer)
    buyer.charged(piece(PICTURES, PICTURE_NANO_USD))


def test_video(buyer: Buyer, upstream: Upstream) -> None:
    """A second costs what its resolution does; the request passes unchanged."""
    made = dashscope.VideoSynthesis.call(
        VIDEO,
        prompt="a cat",
        duration=5,
        resolution="720P",
        api_key=buyer.secret,
        headers=simulate(output=4),
    )
    assert made.output.video_url.endswith(".mp4")
    assert upstream.requests()[0]["headers"]["x-dashscope-async"] == "enable"
    settled(buyer)
    (event,) = buyer.charged(piece(VIDEO, 4 * SECOND_720P_NANO_USD))
    assert event.held_nano_usd == 5 * SECOND_1080P_NANO_USD


def test_second_generation(buyer: Buyer) -> None:
    """The client of the second generation begins and awaits a video of the model's own choice."""
    with sdk(buyer, output=5) as client:
        made = client.videos.generate(model=VIDEO, prompt="a cat", poll_interval=0.1)
    assert made.succeeded
    assert made.video_url is not None
    settled(buyer)
    (event,) = buyer.charged(piece(VIDEO, 5 * SECOND_1080P_NANO_USD))
    assert event.held_nano_usd == 30 * SECOND_1080P_NANO_USD


def test_transcripts(buyer: Buyer) -> None:
    """Recordings at addresses are held for at twelve hours each, and charged by their length."""
    heard = Transcription.call(SPEECH, SOUNDS, api_key=buyer.secret, headers=simulate(output=21))
    assert [each["subtask_status"] for each in heard.output.results] == ["SUCCEEDED"] * 2
    settled(buyer)
    (event,) = buyer.charged(piece(SPEECH, 21 * HEARD_SECOND_NANO_USD))
    assert event.held_nano_usd == 2 * 12 * 3_600 * HEARD_SECOND_NANO_USD


def test_a_task_that_fails_is_free(buyer: Buyer) -> None:
    """The hold comes back when the provider says that it made nothing."""
    failed = SYNTHESIS.wait(draw(buyer, 1, fails=True), api_key=buyer.secret)
    assert failed.output.task_status == "FAILED"
    released(buyer)


def test_canceled(buyer: Buyer) -> None:
    """A task that is cancelled before it ran costs nothing."""
    begun = draw(buyer, polls=1_000)
    assert SYNTHESIS.cancel(begun, api_key=buyer.secret).status_code == 200
    released(buyer)


def test_it_is_nobody_elses(gateway: Installation, buyer: Buyer, upstream: Upstream) -> None:
    """No other key reads or cancels a task, and nobody lists those of the whole account."""
    begun = draw(buyer, 1)
    other = Buyer.mint(gateway)
    creations = [record for record in upstream.requests() if record["method"] == "POST"]
    attempts: list[Callable[..., Any]] = [
        SYNTHESIS.fetch,
        SYNTHESIS.cancel,
    ]
    for attempt in attempts:
        assert attempt(begun, api_key=other.secret).status_code == 404
    listed = SYNTHESIS.list(api_key=buyer.secret)
    assert (listed.status_code, listed.code) == (403, "AccessDenied")
    with sdk(other) as client, pytest.raises(errors.NotFoundError):
        client.videos.jobs.fetch(begun.output.task_id)
    other.untouched()
    assert [r for r in upstream.requests() if r["method"] == "POST"] == creations
    settled(buyer)
    buyer.charged(piece(PICTURES, PICTURE_NANO_USD))


def test_refused_before_any_hold(gateway: Installation, buyer: Buyer, upstream: Upstream) -> None:
    """Too dear, without a price, synchronous, or a video whose length nobody knows."""
    poor = Buyer.mint(gateway, cap_usd="0.01")
    assert draw(poor).status_code == 402
    video = dashscope.VideoSynthesis.async_call
    media = [{"type": "reference_video", "url": "https://videos.example/1.mp4"}]
    given = video(VIDEO, prompt="a cat", media=media, api_key=buyer.secret)
    assert (given.status_code, given.code) == (400, "InvalidParameter")
    assert video("wan2.1-t2v-plus", prompt="a cat", api_key=buyer.secret).status_code == 404
    body = {"model": PICTURES, "input": {"prompt": "a cat"}}
    plain = send(gateway.url, "POST", SYNTHESIS_PATH, headers=buyer.bearer, body=body)
    assert plain.status == 403
    assert "X-DashScope-Async: enable" in plain.json()["message"]
    assert upstream.requests() == []
    poor.untouched()
    buyer.untouched()


def test_a_refusal_within_200(buyer: Buyer) -> None:
    """A task that was not begun, though the status says 200, gives its hold back at once."""
    body = {"model": PICTURES, "input": {"prompt": "a cat"}}
    headers = {**buyer.bearer, "X-DashScope-Async": "enable", **simulate(base_resp=429)}
    refused = send(buyer.gateway.url, "POST", SYNTHESIS_PATH, headers=headers, body=body)
    assert (refused.status, refused.json()["code"]) == (200, "Throttling.RateQuota")
    buyer.untouched()

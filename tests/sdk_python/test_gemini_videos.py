"""Videos of Veo: begun as its REST reference says, followed and downloaded by the SDK.

The Google Gen AI SDK of this release begins them at Vertex alone, but reads operations and
files of the Gemini API as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types
from mintgate_simulator.gemini.videos import VIDEO

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.upstream import Upstream, simulate

MODEL = "veo-3.1-generate-001"
PER_MS_NANO_USD, PER_MS_4K_NANO_USD = 400_000, 600_000
"""$0.40 and, in 4k, $0.60 a second."""
POLLED_WITHIN_S = 60


@pytest.fixture
def sdk_of() -> Iterator[Callable[[Buyer], genai.Client]]:
    with ExitStack() as stack:

        def make(buyer: Buyer) -> genai.Client:
            options = types.HttpOptions(base_url=f"{buyer.gateway.url}/gemini")
            return stack.enter_context(genai.Client(api_key=buyer.secret, http_options=options))

        yield make


def begin(
    buyer: Buyer, controls: dict[str, int] | None = None, model: str = MODEL, **parameters: Any
) -> httpx.Response:
    """Ask for videos."""
    return httpx.post(
        f"{buyer.gateway.url}/gemini/v1beta/models/{model}:predictLongRunning",
        headers={"x-goog-api-key": buyer.secret, **simulate(**(controls or {}))},
        json={"instances": [{"prompt": "A hen"}], "parameters": parameters},
        timeout=30,
    )


def operation(begun: httpx.Response) -> types.GenerateVideosOperation:
    """The operation of a request that was taken."""
    assert begun.status_code == 200, begun.text
    return types.GenerateVideosOperation.model_validate({"name": begun.json()["name"]})


def charge(milliseconds: int, each_nano_usd: int = PER_MS_NANO_USD) -> Charge:
    """What so much video costs."""
    return Charge("gemini", MODEL, milliseconds // 1_000 * each_nano_usd * 1_000, 0, 0)


def test_a_video_is_held_then_charged_by_its_seconds(
    buyer: Buyer, sdk_of: Callable[[Buyer], genai.Client]
) -> None:
    """The hold stays while it is made; of three videos one is filtered, and costs nothing."""
    begun = begin(buyer, {"polls": 1, "output": 2}, sampleCount=3, durationSeconds=4)
    assert buyer.key().held_nano_usd == 12_000 * PER_MS_NANO_USD
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    (event,) = buyer.charged(charge(8_000))
    assert operation(begun).name == f"models/{MODEL}/operations/{event.provider_request_id}"
    read = sdk_of(buyer).operations.get(operation(begun))
    assert read.response is not None
    assert len(read.response.generated_videos or ()) == 2


def test_the_resolution_is_part_of_the_price(buyer: Buyer) -> None:
    """4k costs half as much again."""
    begin(buyer, resolution="4k", durationSeconds="8")
    assert buyer.key().held_nano_usd == 8_000 * PER_MS_4K_NANO_USD
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    buyer.charged(charge(8_000, PER_MS_4K_NANO_USD))


def test_operations_and_videos_are_the_keys_own(
    gateway: Installation,
    buyer: Buyer,
    upstream: Upstream,
    sdk_of: Callable[[Buyer], genai.Client],
) -> None:
    """Its owner reads the operation and downloads the video; others find neither."""
    sdk, other = sdk_of(buyer), Buyer.mint(gateway)
    begun = operation(begin(buyer))
    read = sdk.operations.get(begun)
    assert read.done
    assert read.response is not None
    assert read.response.generated_videos is not None
    video = read.response.generated_videos[0].video
    assert video is not None
    assert sdk.files.download(file=video) == VIDEO
    (file,) = sdk.files.list()
    assert file.source == "GENERATED"
    listed = f"{gateway.url}/gemini/v1beta/models/{MODEL}/operations"
    own = httpx.get(listed, headers={"x-goog-api-key": buyer.secret}).json()
    assert [each["name"] for each in own["operations"]] == [begun.name]
    strange = sdk_of(other)
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    seen = upstream.count
    assert httpx.get(listed, headers={"x-goog-api-key": other.secret}).json() == {}
    attempts: list[Callable[[], object]] = [
        lambda: strange.operations.get(begun),
        lambda: strange.files.download(file=video),
        lambda: strange.files.get(name=file.name or ""),
    ]
    for attempt in attempts:
        with pytest.raises(errors.ClientError) as caught:
            attempt()
        assert caught.value.code == 404
    assert upstream.count == seen
    other.untouched()
    buyer.charged(charge(8_000))


@pytest.mark.parametrize("controls", [{"output": 0}, {"base_resp": 1}])
def test_what_was_not_made_is_free(buyer: Buyer, controls: dict[str, int]) -> None:
    """A video that was filtered, and an operation that failed."""
    begin(buyer, {"polls": 1, **controls})
    assert buyer.key().held_nano_usd > 0
    eventually(lambda: not buyer.key().held_nano_usd, POLLED_WITHIN_S, "the end of the hold")
    buyer.untouched()


def test_a_video_that_does_not_fit_is_not_made(gateway: Installation, upstream: Upstream) -> None:
    """Nor one whose model has no price, nor one that a webhook would hear of."""
    poor = Buyer.mint(gateway, cap_usd="3.19")
    for asked, status in (
        (begin(poor), 402),
        (begin(poor, model="veo-2.0-generate-001", durationSeconds=4), 404),
        (begin(poor, webhookConfig={}), 400),
    ):
        assert asked.status_code == status, asked.text
    assert upstream.count == 0
    poor.untouched()

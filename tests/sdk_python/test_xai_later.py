"""What xAI keeps or goes on with, by the OpenAI SDK: videos, stored answers; and recordings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate_simulator import sounds

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.upstream import Upstream, simulate

VIDEO = "grok-imagine-video"
SECOND_480P_NANO_USD, SECOND_720P_NANO_USD = 50_000_000, 70_000_000
PICTURE_NANO_USD = 2_000_000
PICTURE = {"url": "https://pictures.example/one.png"}
POLLED_WITHIN_S = 60
HEARD_MS_PICO_USD = 27_778
"""0.10 USD an hour, as the price book rounds it up."""
MODEL = "grok-3"


@contextmanager
def sdk(buyer: Buyer) -> Iterator[openai.OpenAI]:
    base = f"{buyer.gateway.url}/xai/v1"
    with openai.OpenAI(base_url=base, api_key=buyer.secret, max_retries=0) as client:
        yield client


def film(client: openai.OpenAI, controls: dict[str, str], **fields: Any) -> str:
    """Begin a video; the SDK has no method for it."""
    body = {"model": VIDEO, "prompt": "a cat", **fields}
    options: Any = {"headers": controls}
    begun: Any = client.post("/videos/generations", cast_to=object, body=body, options=options)
    return str(begun["request_id"])


def look(client: openai.OpenAI, video: str) -> Any:
    """Ask how far a video is."""
    return client.get(f"/videos/{video}", cast_to=object)


def settled(buyer: Buyer) -> None:
    """Wait for the poller."""
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")


def piece(model: str, cost_nano_usd: int, *, counted: bool = False) -> Charge:
    """A charge without any token."""
    basis = SETTLED_BY_COUNTED if counted else SETTLED_BY_USAGE
    return Charge("xai", model, cost_nano_usd, 0, 0, settled_by=basis)


def test_a_video_costs_its_ticks(buyer: Buyer) -> None:
    """It is held for by length, resolution and pictures, and charged what xAI says, once."""
    with sdk(buyer) as client:
        controls = simulate(polls=1, ticks=1_234_567_891)
        video = film(client, controls, duration=4, resolution="720p", image=PICTURE)
        held = 4 * SECOND_720P_NANO_USD + PICTURE_NANO_USD
        key = buyer.key()
        assert (key.held_nano_usd, key.spent_nano_usd) == (held, 0)
        settled(buyer)
        done = look(client, video)
    assert (done["status"], done["video"]["duration"]) == ("done", 4)
    # A tick is 10^-10 USD; the whole is rounded up once.
    (event,) = buyer.charged(piece(VIDEO, 123_456_790))
    assert event.provider_request_id == video


def test_a_video_without_ticks_costs_its_length(buyer: Buyer) -> None:
    """Where no cost is stated, the seconds that were made are charged at their resolution."""
    with sdk(buyer) as client:
        film(client, simulate(usage="none", output=3), duration=5, resolution="480p")
    settled(buyer)
    buyer.charged(piece(VIDEO, 3 * SECOND_480P_NANO_USD, counted=True))


def test_a_video_that_fails_is_free(buyer: Buyer) -> None:
    """Its hold, of the longest and dearest where nothing was stated, comes back."""
    with sdk(buyer) as client:
        video = film(client, simulate(fails=True))
        assert look(client, video)["status"] == "failed"
    eventually(lambda: buyer.key().held_nano_usd == 0, POLLED_WITHIN_S, "the release")
    buyer.untouched()


def test_a_video_is_nobody_elses(gateway: Installation, buyer: Buyer, upstream: Upstream) -> None:
    """No other key sees it, and what cannot be bounded begins nothing."""
    other = Buyer.mint(gateway)
    with sdk(buyer) as client, sdk(other) as strange:
        video = film(client, simulate(), duration=1)
        with pytest.raises(openai.NotFoundError):
            look(strange, video)
        with pytest.raises(openai.BadRequestError, match="length"):
            film(strange, simulate(), video=PICTURE)
        with pytest.raises(openai.PermissionDeniedError, match="length"):
            strange.post("/videos/edits", cast_to=object, body={"model": VIDEO})
        with pytest.raises(openai.BadRequestError, match="only once"):
            strange.chat.completions.create(model=MODEL, messages=[], extra_body={"deferred": True})
        with pytest.raises(openai.PermissionDeniedError, match="only once"):
            strange.get("/chat/deferred-completion/1", cast_to=object)
    assert len([each for each in upstream.requests() if each["method"] == "POST"]) == 1
    other.untouched()
    settled(buyer)
    buyer.charged(piece(VIDEO, SECOND_480P_NANO_USD))


def test_stored_answers(gateway: Installation, buyer: Buyer) -> None:
    """An answer can be read, gone on from and deleted by its key alone."""
    other = Buyer.mint(gateway)
    with sdk(buyer) as client, sdk(other) as strange:
        first = client.responses.create(model=MODEL, input="hello", max_output_tokens=50)
        assert client.responses.retrieve(first.id).id == first.id
        for attempt in (strange.responses.retrieve, strange.responses.delete):
            with pytest.raises(openai.NotFoundError):
                attempt(first.id)
        with pytest.raises(openai.NotFoundError):
            strange.responses.create(model=MODEL, input="and?", previous_response_id=first.id)
        client.responses.create(
            model=MODEL, input="and?", previous_response_id=first.id, max_output_tokens=50
        )
        client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)
    assert len(buyer.events()) == 2
    other.untouched()


@pytest.mark.parametrize("stated", [True, False])
def test_recordings(buyer: Buyer, *, stated: bool) -> None:
    """A recording is held for by its decoded length, and charged by the length that is stated."""
    controls = simulate() if stated else simulate(usage="none")
    options: Any = {"headers": {"content-type": "multipart/form-data", **controls}}
    with sdk(buyer) as client:
        heard: Any = client.post(
            "/stt",
            cast_to=object,
            body={"language": "en"},
            files={"file": ("a.wav", sounds.wav(9.25))},
            options=options,
        )
    assert heard["text"] == "Hello"
    cost = -(-9_250 * HEARD_MS_PICO_USD // 1_000)
    (event,) = buyer.charged(piece("stt", cost, counted=not stated))
    assert event.held_nano_usd == 11_000 * HEARD_MS_PICO_USD // 1_000


def test_recordings_without_a_bound(buyer: Buyer, upstream: Upstream) -> None:
    """Neither an address nor several channels has a cost that could be held."""
    options: Any = {"headers": {"content-type": "multipart/form-data"}}
    files = {"file": ("a.wav", sounds.wav(1))}
    with sdk(buyer) as client:
        for fields, why in (
            ({"url": "https://sounds.example/a.wav"}, "Upload"),
            ({"multichannel": "true"}, "channels"),
        ):
            with pytest.raises(openai.BadRequestError, match=why):
                client.post("/stt", cast_to=object, body=fields, files=files, options=options)
    assert upstream.requests() == []
    buyer.untouched()

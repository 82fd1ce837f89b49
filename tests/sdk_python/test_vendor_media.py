"""Speech, pictures and documents of vendors, each charged by the piece to the nano-dollar."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS, UNIT_INPUT_PAGES, UNIT_OUTPUT_IMAGES
from mintgate_simulator import sounds
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from tests.buyer import Buyer, Charge
from tests.upstream import Upstream, simulate
from tests.wire import Answer, send

PDF: Any = {"type": "document_url", "document_url": "https://papers.example/one.pdf"}
PICTURE: Any = {"type": "image_url", "image_url": "https://papers.example/one.png"}
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True},
}


def piece(slug: str, model: str, cost_nano_usd: int, *, counted: bool = False) -> Charge:
    """A charge without any token."""
    basis = SETTLED_BY_COUNTED if counted else SETTLED_BY_USAGE
    return Charge(slug, model, cost_nano_usd, 0, 0, settled_by=basis)


@pytest.mark.parametrize(
    ("fields", "pages", "nano_usd_a_page", "held_pages"),
    [
        ({"document": PDF, "pages": [0, 1, 2]}, 3, 2_000_000, 3),
        # Without a list of pages the longest document is held.
        ({"document": PDF}, 7, 2_000_000, 1_000),
        ({"document": PICTURE}, 1, 2_000_000, 1),
        ({"document": PDF, "pages": "0,2-4"}, 4, 2_000_000, 4),
        # Annotations have a price of their own.
        ({"document": PDF, "pages": [0], "document_annotation_format": SCHEMA}, 1, 3_000_000, 1),
    ],
)
def test_mistral_reads_documents(
    buyer: Buyer, fields: dict[str, Any], pages: int, nano_usd_a_page: int, held_pages: int
) -> None:
    """What was read is charged by the page, as the answer states it."""
    model = "mistral-ocr-2512"
    with Mistral(api_key=buyer.secret, server_url=f"{buyer.gateway.url}/mistral") as sdk:
        answer = sdk.ocr.process(model=model, http_headers=simulate(output=pages), **fields)
    assert answer.usage_info.pages_processed == pages
    (event,) = buyer.charged(piece("mistral", model, pages * nano_usd_a_page))
    assert [(unit.unit, unit.count) for unit in event.units] == [(UNIT_INPUT_PAGES, pages)]
    assert event.held_nano_usd == held_pages * nano_usd_a_page


@pytest.mark.parametrize("stream", [False, True])
def test_mistral_speaks(buyer: Buyer, *, stream: bool) -> None:
    """Speech is charged by the characters of its text."""
    model = "voxtral-mini-tts-2603"
    with Mistral(api_key=buyer.secret, server_url=f"{buyer.gateway.url}/mistral") as sdk:
        answer: Any = sdk.audio.speech.complete(
            model=model, input="Grüezi!", voice_id="jane", stream=stream
        )
        audio = next(iter(answer)).data.audio_data if stream else answer.audio_data
        if stream:
            list(answer)
    assert base64.b64decode(audio)
    # Seven characters at 16 USD a million.
    (event,) = buyer.charged(piece("mistral", model, 7 * 16_000, counted=True))
    assert [(unit.unit, unit.count) for unit in event.units] == [(UNIT_INPUT_CHARACTERS, 7)]


@pytest.mark.parametrize("stream", [False, True])
def test_mistral_writes_down(buyer: Buyer, *, stream: bool) -> None:
    """A recording is held by its decoded length and charged by the seconds that are stated."""
    model = "voxtral-mini-2602"
    file: Any = {"content": sounds.wav(9.2), "file_name": "a.wav"}
    with Mistral(api_key=buyer.secret, server_url=f"{buyer.gateway.url}/mistral") as sdk:
        if stream:
            events = list(sdk.audio.transcriptions.stream(model=model, file=file))
            assert events[-1].data.type == "transcription.done"
        else:
            answer = sdk.audio.transcriptions.complete(
                model=model, file=file, timestamp_granularities=["segment"]
            )
            assert answer.text == "Hello from the simulator"
    # Ten whole seconds at 0.18 USD an hour, which are 50,000 pico-dollars a millisecond.
    (event,) = buyer.charged(piece("mistral", model, 10_000 * 50))
    assert event.held_nano_usd == 11_000 * 50


def test_mistral_writes_down_no_address(buyer: Buyer, upstream: Upstream) -> None:
    """What is not uploaded has no length that could be held, whether alone or beside a file."""
    address: Any = {"model": "voxtral-mini-2602", "file_url": "https://a.example/a.mp3"}
    file: Any = {"content": sounds.wav(1), "file_name": "a.wav"}
    with Mistral(api_key=buyer.secret, server_url=f"{buyer.gateway.url}/mistral") as sdk:
        with pytest.raises(SDKError, match="multipart/form-data"):
            sdk.audio.transcriptions.complete(**address)
        with pytest.raises(SDKError, match="no length that could be held"):
            sdk.audio.transcriptions.complete(**address, file=file)
    assert upstream.requests() == []
    buyer.untouched()


def post(buyer: Buyer, path: str, body: dict[str, Any], **controls: Any) -> Answer:
    """One request without an SDK: there is none for these routes."""
    headers = {**buyer.bearer, **(simulate(**controls) if controls else {})}
    return send(buyer.gateway.url, "POST", path, headers=headers, body=body)


@pytest.mark.parametrize("path", ["/minimax/v1/t2a_v2", "/v1/t2a_v2"])
@pytest.mark.parametrize("stream", [False, True])
def test_minimax_speaks(buyer: Buyer, path: str, *, stream: bool) -> None:
    """MiniMax counts the characters itself, Chinese ones twice, and that is the charge."""
    model = "speech-2.6-hd"
    answer = post(buyer, path, {"model": model, "text": "Hello 世界", "stream": stream})
    assert answer.status == 200
    assert b'"usage_characters":10' in answer.body
    # Ten characters at 100 USD a million; the bytes of the text were held.
    (event,) = buyer.charged(piece("minimax", model, 10 * 100_000))
    assert event.held_nano_usd == 12 * 100_000


@pytest.mark.parametrize("stream", [False, True])
def test_minimax_refuses_to_speak(buyer: Buyer, *, stream: bool) -> None:
    """A failure within status 200 costs nothing here either."""
    body = {"model": "speech-2.6-hd", "text": "Hello", "stream": stream}
    answer = post(buyer, "/minimax/v1/t2a_v2", body, base_resp=1002)
    assert (answer.status, answer.json()["base_resp"]["status_code"]) == (200, 1002)
    buyer.untouched()


def test_xai_draws(buyer: Buyer) -> None:
    """Pictures are charged as xAI says what they cost, and held at their price."""
    model = "grok-imagine-image"
    with openai.OpenAI(base_url=f"{buyer.gateway.url}/xai/v1", api_key=buyer.secret) as sdk:
        answer = sdk.images.generate(model=model, prompt="a cat", n=3)
    assert len(answer.data or []) == 3
    (event,) = buyer.charged(piece("xai", model, 3 * 20_000_000))
    assert (UNIT_OUTPUT_IMAGES, 3) in [(unit.unit, unit.count) for unit in event.units]


def test_xai_draws_without_a_bill(buyer: Buyer) -> None:
    """Where the answer states no cost, the pictures in it are counted."""
    model = "grok-imagine-image"
    body = {"model": model, "prompt": "a cat", "n": 2}
    assert post(buyer, "/xai/v1/images/generations", body, usage="none").status == 200
    buyer.charged(piece("xai", model, 2 * 20_000_000, counted=True))


def test_xai_speaks(buyer: Buyer, upstream: Upstream) -> None:
    """Speech is charged by the characters of its text, under the product's name."""
    body = {"text": "Hello there", "voice_id": "eve", "language": "en"}
    answer = post(buyer, "/xai/v1/tts", body)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.body == upstream.answer()
    # Eleven characters at 15 USD a million.
    buyer.charged(piece("xai", "tts", 11 * 15_000, counted=True))


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/mistral/v1/ocr", {"model": "m", "document": {"type": "file"}}, "file_"),
        ("/mistral/v1/ocr", {"model": "m", "document": {**PDF, "file_id": "f"}}, "document"),
        ("/mistral/v1/ocr", {"model": "m", "document": {"document_url": "ftp://a"}}, "document"),
        ("/mistral/v1/ocr", {"model": "m", "document": PDF, "pages": "all"}, "pages"),
        ("/mistral/v1/audio/speech", {"model": "m", "input": ""}, "input"),
        ("/minimax/v1/t2a_v2", {"model": "m", "text": "x" * 10_001}, "text"),
        ("/xai/v1/images/generations", {"model": "m", "prompt": "p", "n": 11}, "n"),
        ("/xai/v1/images/generations", {"model": "m", "prompt": "p", "resolution": "2k"}, "resol"),
        ("/xai/v1/tts", {"text": 7}, "text"),
    ],
)
def test_what_cannot_be_held_is_refused(
    buyer: Buyer, upstream: Upstream, path: str, body: dict[str, Any], param: str
) -> None:
    """A request whose pieces have no bound or no price names its field, and goes nowhere."""
    answer = post(buyer, path, body)
    assert answer.status == 400
    document = answer.json()
    assert param in document.get("error", document)["param"]
    assert upstream.requests() == []
    buyer.untouched()

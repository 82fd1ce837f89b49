"""The unmodified Deepgram SDK: every metered route, to the nano-dollar."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_AUDIO_MS,
    UNIT_INPUT_CHARACTERS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)

from tests.buyer import Buyer
from tests.harness import Installation
from tests.http_facade.uploads.sounds import silence
from tests.sdk_python.media import completed, deepgram_clients, nano_usd
from tests.upstream import Upstream, simulate

TEXT = "Whatever is written here is going to be spoken. " * 3
NOVA_3, NOVA_3_MULTI, BASE = "0.0043", "0.0052", "0.0145"
"""USD a minute."""
DIARIZE, REDACT, KEYTERM, ENTITIES = "0.002", "0.002", "0.0013", "0.0017"
"""USD a minute on top."""
MINUTE_MS = 60_000


@pytest.fixture
def connect(gateway: Installation) -> Iterator[Callable[[str], DeepgramClient]]:
    with deepgram_clients(gateway) as make:
        yield make


@pytest.fixture
def sdk(connect: Callable[[str], DeepgramClient], buyer: Buyer) -> DeepgramClient:
    return connect(buyer.secret)


def options(query: dict[str, str] | None = None, **controls: int | str | bool) -> Any:
    """What an SDK call takes beside its own arguments."""
    found: dict[str, Any] = {"additional_query_parameters": query} if query else {}
    return found | ({"additional_headers": simulate(**controls)} if controls else {})


def transcribe(sdk: DeepgramClient, recording: bytes, **asked: Any) -> Any:
    return sdk.listen.v1.media.transcribe_file(request=recording, **{"model": "nova-3", **asked})


def per_ms(*usd_a_minute: str) -> int:
    """Pico-dollars a millisecond of a price and what is added to it, each rounded up."""
    return sum(-(-int(float(usd) * 10**12) // MINUTE_MS) for usd in usd_a_minute)


def test_a_recording(sdk: DeepgramClient, buyer: Buyer, upstream: Upstream) -> None:
    """A transcript costs the length that its metadata states; the recording passes unchanged."""
    recording = silence("wav", 6)
    answer = transcribe(sdk, recording, smart_format=True, language="en", utterances=True)
    assert answer.results.channels[0].alternatives[0].transcript.startswith("word")
    cost = nano_usd(NOVA_3, 6_000, MINUTE_MS)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 6_000}, cost, SETTLED_BY_USAGE, model="nova-3")
    record = upstream.only()
    assert record["body_sha256"] == hashlib.sha256(recording).hexdigest()
    assert record["headers"]["authorization"].startswith("Token ")


def test_the_providers_request_id_is_on_the_event(sdk: DeepgramClient, buyer: Buyer) -> None:
    """What Deepgram calls the request can be looked up with its support."""
    answer = transcribe(sdk, silence("wav", 1))
    (event,) = buyer.events()
    assert event.provider_request_id == answer.metadata.request_id


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "m4a", "webm"])
def test_containers(sdk: DeepgramClient, buyer: Buyer, kind: str) -> None:
    """Any container is measured by decoding it, and charged as stated."""
    transcribe(sdk, silence(kind, 5))
    (event,) = buyer.events()
    (heard,) = event.units
    assert 5_000 <= heard.count <= 5_100
    assert event.charged_nano_usd == nano_usd(NOVA_3, heard.count, MINUTE_MS)
    assert event.held_nano_usd >= event.charged_nano_usd


def test_what_states_nothing(sdk: DeepgramClient, buyer: Buyer) -> None:
    """Without metadata a transcript costs what was decoded, for each channel that is heard."""
    transcribe(
        sdk,
        silence("wav", 6, channels=2),
        multichannel=True,
        request_options=options(usage="none"),
    )
    cost = nano_usd(NOVA_3, 12_000, MINUTE_MS)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 12_000}, cost, SETTLED_BY_COUNTED)


@pytest.mark.parametrize(("several", "heard_ms"), [(True, 8_000), (False, 4_000)])
def test_channels(sdk: DeepgramClient, buyer: Buyer, *, several: bool, heard_ms: int) -> None:
    """Each channel is billed on its own, if they are heard on their own."""
    transcribe(sdk, silence("wav", 4, channels=2), multichannel=several)
    cost = nano_usd(NOVA_3, heard_ms, MINUTE_MS)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: heard_ms}, cost, SETTLED_BY_USAGE)


@pytest.mark.parametrize(
    ("encoding", "hertz", "channels", "size"),
    [
        ("linear16", 16_000, 1, 16_000 * 2 * 3),
        ("linear16", 44_100, 2, 44_100 * 2 * 2 * 3),
        ("mulaw", 8_000, 1, 8_000 * 3),
        ("alaw", 8_000, 1, 8_000 * 3),
    ],
)
def test_raw_samples(
    sdk: DeepgramClient, buyer: Buyer, encoding: Any, hertz: int, channels: int, size: int
) -> None:
    """Samples without a header are as long as their bytes and the query say."""
    query = {"sample_rate": str(hertz), "channels": str(channels)}
    transcribe(sdk, bytes(size), encoding=encoding, request_options=options(query))
    cost = nano_usd(NOVA_3, 3_000, MINUTE_MS)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 3_000}, cost, SETTLED_BY_USAGE)


@pytest.mark.parametrize(
    ("asked", "prices"),
    [
        ({"diarize": True}, (NOVA_3, DIARIZE)),
        ({"diarize_model": "latest"}, (NOVA_3, DIARIZE)),
        ({"redact": ["pci", "ssn"]}, (NOVA_3, REDACT)),
        ({"keyterm": ["Mintgate", "ledger"]}, (NOVA_3, KEYTERM)),
        ({"detect_entities": True}, (NOVA_3, ENTITIES)),
        ({"language": "multi"}, (NOVA_3_MULTI,)),
        ({"detect_language": True}, (NOVA_3_MULTI,)),
        ({"language": "multi", "diarize": True, "redact": "pii"}, (NOVA_3_MULTI, DIARIZE, REDACT)),
        ({"mip_opt_out": True}, (NOVA_3,) * 2),
        ({"mip_opt_out": True, "diarize": True}, (NOVA_3, DIARIZE) * 2),
        ({"model": "nova-2-phonecall"}, (NOVA_3,)),
        ({"model": "nova-3-medical", "language": "multi"}, (NOVA_3_MULTI,)),
        ({"diarize": False, "multichannel": False, "mip_opt_out": False}, (NOVA_3,)),
    ],
)
def test_what_changes_the_price(
    sdk: DeepgramClient, buyer: Buyer, asked: dict[str, Any], prices: tuple[str, ...]
) -> None:
    """Additions are added, several languages have a price of their own, opting out doubles."""
    transcribe(sdk, silence("wav", 6), **asked)
    cost = -(-per_ms(*prices) * 6_000 // 1_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 6_000}, cost, SETTLED_BY_USAGE)


def test_no_model(buyer: Buyer) -> None:
    """A request that names no model is for the dearest one, as the vendor has it."""
    answer = httpx.post(
        f"{buyer.gateway.url}/v1/listen",
        headers={"authorization": f"Token {buyer.secret}", "content-type": "audio/wav"},
        content=silence("wav", 6),
    )
    assert answer.status_code == 200
    cost = nano_usd(BASE, 6_000, MINUTE_MS)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 6_000}, cost, SETTLED_BY_USAGE, model="base")


def test_intelligence(sdk: DeepgramClient, buyer: Buyer) -> None:
    """Summaries and the like cost the tokens that they state, besides."""
    transcribe(
        sdk, silence("wav", 6), summarize="v2", topics=True, request_options=options(output=70)
    )
    (event,) = buyer.events()
    units = {unit.unit: unit.count for unit in event.units}
    tokens_in = units[UNIT_INPUT_TOKENS]
    assert units == {
        UNIT_INPUT_AUDIO_MS: 6_000,
        UNIT_INPUT_TOKENS: tokens_in,
        UNIT_OUTPUT_TOKENS: 140,
    }
    pico = per_ms(NOVA_3) * 6_000 + tokens_in * 300_000 + 140 * 600_000
    assert event.charged_nano_usd == -(-pico // 1_000)
    assert event.held_nano_usd >= event.charged_nano_usd


@pytest.mark.parametrize(
    ("model", "usd"),
    [("aura-asteria-en", "0.015"), ("aura-2-thalia-en", "0.030"), (None, "0.015")],
)
def test_speech(
    sdk: DeepgramClient, buyer: Buyer, upstream: Upstream, model: str | None, usd: str
) -> None:
    """Speech costs the characters that its headers state."""
    asked: dict[str, Any] = {"model": model} if model else {}
    sound = b"".join(sdk.speak.v1.audio.generate(text=TEXT, **asked))
    assert sound == upstream.answer()
    cost = nano_usd(usd, len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)


def test_speech_of_the_second_version(sdk: DeepgramClient, buyer: Buyer) -> None:
    """Flux speaks over a path of its own."""
    sound = b"".join(sdk.speak.v2.audio.generate(text=TEXT, model="flux-alexis-en"))
    assert sound.startswith(b"\xff\xfb")
    cost = nano_usd("0.030", len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)


def test_speech_that_states_nothing(sdk: DeepgramClient, buyer: Buyer) -> None:
    """Without its header, speech costs the characters of its text; opting out doubles it."""
    b"".join(
        sdk.speak.v1.audio.generate(
            text=TEXT,
            model="aura-2-thalia-en",
            mip_opt_out=True,
            encoding="linear16",
            request_options=options(usage="none"),
        )
    )
    cost = nano_usd("0.060", len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_COUNTED)


def test_a_text_that_is_read(sdk: DeepgramClient, buyer: Buyer) -> None:
    """What a text is about costs tokens, for each thing that is asked."""
    answer = sdk.read.v1.text.analyze(
        request={"text": TEXT}, summarize=True, sentiment=True, language="en"
    )
    assert answer.results.summary is not None
    tokens_in, tokens_out = 2 * -(-len(TEXT) // 4), 2 * 40
    pico = tokens_in * 300_000 + tokens_out * 600_000
    completed(
        buyer,
        {UNIT_INPUT_TOKENS: tokens_in, UNIT_OUTPUT_TOKENS: tokens_out},
        -(-pico // 1_000),
        SETTLED_BY_USAGE,
        model="read",
    )


async def test_async(buyer: Buyer) -> None:
    """The asynchronous client is served alike, speech and recordings."""
    url = f"{buyer.gateway.url}/deepgram"
    environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    async with httpx.AsyncClient(timeout=30) as http:
        sdk = AsyncDeepgramClient(api_key=buyer.secret, environment=environment, httpx_client=http)
        speech = sdk.speak.v1.audio.generate(text=TEXT, model="aura-2-thalia-en")
        assert [piece async for piece in speech]
        await sdk.listen.v1.media.transcribe_file(request=silence("wav", 2), model="nova-3")
    spoken, heard = sorted(buyer.events(), key=lambda event: event.model)
    assert spoken.charged_nano_usd == nano_usd("0.030", len(TEXT), 1_000)
    assert heard.charged_nano_usd == nano_usd(NOVA_3, 2_000, MINUTE_MS)


def test_models(sdk: DeepgramClient, buyer: Buyer) -> None:
    """The lists are the gateway's own: what hears, and what speaks."""
    models = sdk.manage.v1.models.list()
    assert models.stt is not None
    assert models.tts is not None
    assert "nova-3" in {model.name for model in models.stt}
    assert "aura-2" in {model.name for model in models.tts}
    assert sdk.manage.v1.models.get("nova-3").name == "nova-3"
    buyer.untouched()

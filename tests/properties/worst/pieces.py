"""Requests that are billed by the piece: pictures, characters, pages, sound."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st
from mintgate_core.pricing import Unit
from mintgate_simulator import sounds
from mintgate_simulator.elevenlabs.speech import DEAR_VOICE
from mintgate_simulator.pictures import PNG_BASE64

from tests.properties.worst.case import (
    Case,
    Target,
    cards,
    form_case,
    json_case,
    up_to,
)

SPOKEN = ("a", "word " * 90, "Zürich, 日本! " * 60, "ß" * 4_000)
PLANNING_TOKENS = 16_384
"""What newer picture models write before they draw."""
PICTURE_SIZES = ("1024x1024", "1024x1536", "1536x1024", "auto")
SEEN_TOKENS = 1_097 + 6_144
"""The most that one picture is billed as: its tiles, and high fidelity."""
PNG = base64.b64decode(PNG_BASE64)
LARGE_SIZES = ("2560x1440", "3840x2160", "512x512")
PAGES_MAX = 1_000
FEATURES = ("summarize", "topics", "intents", "sentiment")
Controls = dict[str, int | str]
USAGE: st.SearchStrategy[Controls] = st.sampled_from(({}, {"usage": "none"}))
"""Whether the answer states its usage."""


def seconds() -> st.SearchStrategy[float]:
    """How long a recording is."""
    return st.sampled_from((0.02, 0.999, 1.0, 1.001, 7.3, 20.5))


@st.composite
def pictures(draw: st.DrawFn, target: Target) -> Case:
    """Pictures of GPT image models, of any size and quality."""
    card = draw(cards(target, Unit.INPUT_TOKENS, named=lambda name: "gpt-image" in name))
    fixed = "gpt-image-1" in card.model
    document: dict[str, Any] = {"model": card.model, "prompt": draw(st.sampled_from(SPOKEN))}
    document["size"] = draw(st.sampled_from(PICTURE_SIZES + (() if fixed else LARGE_SIZES)))
    document["quality"] = draw(st.sampled_from(("low", "medium", "high", "auto")))
    if draw(st.booleans()):
        document |= {"stream": True, "partial_images": draw(st.integers(0, 3))}
    else:
        document["n"] = draw(st.integers(1, 10))
    most = len(document["prompt"].encode())
    total = draw(up_to(most))
    cached = total * draw(up_to(100)) // 100
    return json_case(card, document, {"input": total, "cached": cached})


@st.composite
def edits(draw: st.DrawFn, target: Target) -> Case:
    """Pictures that are changed: each is billed by its tiles and its fidelity, a mask as well."""
    card = draw(cards(target, Unit.INPUT_TOKENS, named=lambda name: "gpt-image" in name))
    prompt = draw(st.sampled_from(SPOKEN))
    fields = {"model": card.model, "prompt": prompt, "size": draw(st.sampled_from(PICTURE_SIZES))}
    fields["quality"] = draw(st.sampled_from(("low", "high", "auto")))
    fields["input_fidelity"] = draw(st.sampled_from(("low", "high")))
    if draw(st.booleans()):
        fields |= {"stream": "true", "partial_images": str(draw(st.integers(0, 3)))}
    else:
        fields["n"] = str(draw(st.integers(1, 10)))
    sent = draw(st.integers(1, 16))
    files = {f"image[]#{index}": PNG for index in range(sent)}
    if draw(st.booleans()):
        files["mask"] = PNG
    billed = draw(up_to(len(files) * SEEN_TOKENS))
    total = billed + draw(up_to(len(prompt.encode())))
    cached = total * draw(up_to(100)) // 100
    controls: Controls = {"input": total, "image_input": billed, "cached": cached}
    return form_case(card, fields, files, controls=controls)


@st.composite
def pictures_by_count(draw: st.DrawFn, target: Target) -> Case:
    """Pictures that are billed one by one."""
    card = draw(cards(target, Unit.OUTPUT_IMAGES, named=lambda name: "video" not in name))
    document = {"model": card.model, "prompt": "a cat", "n": draw(st.integers(1, 10))}
    return json_case(card, document, draw(USAGE))


@st.composite
def speech(draw: st.DrawFn, target: Target) -> Case:
    """A text that OpenAI speaks: by characters, by stated tokens, or by the length of the sound."""
    card = draw(cards(target, named=lambda name: "tts" in name))
    document: dict[str, Any] = {"model": card.model, "input": draw(st.sampled_from(SPOKEN))}
    document["voice"] = "alloy"
    by_character = card.model.startswith("tts-1")
    document["response_format"] = draw(st.sampled_from(("mp3", "wav", "pcm")))
    if not by_character and draw(st.booleans()):
        document["stream_format"] = "sse"
    return json_case(card, document, draw(USAGE))


@st.composite
def speech_by_character(draw: st.DrawFn, target: Target) -> Case:
    """A text that a vendor speaks for its characters; where it is depends on the vendor."""
    card = draw(cards(target, Unit.INPUT_CHARACTERS))
    said = draw(st.sampled_from(SPOKEN))
    document: dict[str, Any] = {"model": card.model, "input": said, "text": said}
    if target.provider.slug != "xai":
        document["stream"] = draw(st.booleans())
    return json_case(card, document, draw(USAGE))


@st.composite
def pages(draw: st.DrawFn, target: Target) -> Case:
    """A document, of which some pages or all are read."""
    card = draw(cards(target, Unit.INPUT_PAGES))
    document: dict[str, Any] = {"model": card.model}
    named: Any = draw(st.sampled_from((None, [0], [0, 2, 4], "0,2-4")))
    picture = draw(st.booleans())
    address = "https://media.invalid/a"
    kind = "image_url" if picture else "document_url"
    document["document"] = {"type": kind, kind: address}
    most = 1 if picture else PAGES_MAX
    if named is not None:
        document["pages"] = named
        most = len(named) if isinstance(named, list) else 4
    if draw(st.booleans()):
        document["bbox_annotation_format"] = {"type": "json_object"}
    return json_case(card, document, {"output": draw(up_to(most))})


@st.composite
def transcripts(draw: st.DrawFn, target: Target) -> Case:
    """A recording that OpenAI writes down, in any form that it answers in."""
    translated = target.route.operation == "translation"
    names = ("whisper-1",) if translated else ("whisper-1", "gpt-transcribe")
    card = draw(
        cards(
            target,
            named=lambda name: name in names or (not translated and name.endswith("o-transcribe")),
        )
    )
    fields = {"model": card.model, "response_format": draw(st.sampled_from(("json", "text")))}
    if not translated and draw(st.booleans()):
        fields["stream"] = "true"
    controls = draw(USAGE)
    return form_case(card, fields, {"file": sounds.wav(draw(seconds()))}, controls=controls)


@st.composite
def spoken(draw: st.DrawFn, target: Target) -> Case:
    """A text or a dialogue of ElevenLabs', by the dearest voice that is held for."""
    named = {"eleven_v3", "eleven_flash_v2_5", "eleven_multilingual_v2"}
    card = draw(cards(target, named=lambda name: name in named))
    text = draw(st.sampled_from(SPOKEN))
    document: dict[str, Any] = {"model_id": card.model, "text": text}
    if target.route.operation.startswith("dialogue"):
        voices = draw(st.sampled_from(((DEAR_VOICE,), ("a", DEAR_VOICE))))
        document = {"model_id": card.model}
        document["inputs"] = [{"text": text[:2_000], "voice_id": voice} for voice in voices]
    controls = draw(USAGE)
    form = draw(st.sampled_from(("mp3_44100_128", "pcm_24000")))
    return json_case(card, document, controls, f"output_format={form}")


@st.composite
def designs(draw: st.DrawFn, target: Target) -> Case:
    """A voice that is described."""
    card = draw(cards(target, named=lambda name: name == "voice-design"))
    document: dict[str, Any] = {"voice_description": "calm"}
    if draw(st.booleans()):
        document["text"] = "a" * draw(st.integers(100, 1_000))
    else:
        document["auto_generate_text"] = True
    return json_case(card, document, draw(USAGE))


@st.composite
def recordings(draw: st.DrawFn, target: Target) -> Case:
    """A recording that ElevenLabs writes down, converts, cleans or aligns."""
    product = {
        "transcription": "scribe_v2",
        "conversion": "voice-changer",
        "isolation": "audio-isolation",
        "alignment": "forced-alignment",
    }[target.route.operation]
    card = draw(cards(target, named=lambda name: name == product))
    name = "file" if target.route.operation in {"transcription", "alignment"} else "audio"
    fields: dict[str, str] = {}
    if target.route.operation == "transcription":
        fields["model_id"] = card.model
        for option in ("use_multi_channel", "entity_detection", "detect_speaker_roles"):
            if draw(st.booleans()):
                fields[option] = "true"
    if target.route.operation == "alignment":
        fields["text"] = "word"
    controls = draw(USAGE)
    return form_case(card, fields, {name: sounds.wav(draw(seconds()))}, controls=controls)


@st.composite
def effects(draw: st.DrawFn, target: Target) -> Case:
    """One sound."""
    card = draw(cards(target, named=lambda name: name == "sound-generation"))
    document: dict[str, Any] = {"text": "rain"}
    if draw(st.booleans()):
        document["duration_seconds"] = draw(st.integers(1, 30))
    return json_case(card, document, {})


@st.composite
def songs(draw: st.DrawFn, target: Target) -> Case:
    """A song of a stated length, or of as many seconds as the model likes."""
    card = draw(cards(target, named=lambda name: name == "music"))
    document: dict[str, Any] = {"prompt": "quiet"}
    stated = draw(st.none() | st.integers(3_000, 20_000))
    if target.route.operation == "music_events" and stated is None:
        stated = 3_000
    if stated is not None:
        document["music_length_ms"] = stated
    return json_case(card, document, {"output": draw(up_to(30))})


@st.composite
def timed_transcripts(draw: st.DrawFn, target: Target) -> Case:
    """A recording that Mistral writes down, by whole seconds."""
    card = draw(cards(target, Unit.INPUT_AUDIO_MS))
    fields = {"model": card.model}
    if draw(st.booleans()):
        fields["stream"] = "true"
    return form_case(card, fields, {"file": sounds.wav(draw(seconds()))}, controls=draw(USAGE))


@st.composite
def recordings_by_xai(draw: st.DrawFn, target: Target) -> Case:
    """A recording that xAI writes down, by a model that is named or not."""
    card = draw(cards(target, named=lambda name: name == "stt" or "transcribe" in name))
    fields = {} if card.model == "stt" else {"model": card.model}
    return form_case(card, fields, {"file": sounds.wav(draw(seconds()))}, controls=draw(USAGE))


@st.composite
def listened(draw: st.DrawFn, target: Target) -> Case:
    """A recording that is the body, with what the query adds to its price."""
    card = draw(cards(target, named=lambda name: name in {"nova-3", "nova-2", "base"}))
    options = ("multichannel", "diarize", "redact", "detect_entities", *FEATURES)
    asked = [f"{name}=true" for name in options if draw(st.booleans())]
    if draw(st.booleans()):
        asked.append("language=multi")
    query = "&".join((f"model={card.model}", *asked))
    sound = sounds.wav(draw(seconds()))
    return Case(card, sound, draw(USAGE), content_type="audio/wav", query=query)


@st.composite
def spoken_by_query(draw: st.DrawFn, target: Target) -> Case:
    """A text whose model the query names."""
    card = draw(cards(target, Unit.INPUT_CHARACTERS, named=lambda name: "aura" in name))
    text = draw(st.sampled_from(SPOKEN))[:2_000]
    return json_case(card, {"text": text}, draw(USAGE), f"model={card.model}")


@st.composite
def looked_through(draw: st.DrawFn, target: Target) -> Case:
    """A text of which a summary, topics, intents or the sentiment are asked for."""
    card = draw(cards(target, named=lambda name: name == "read"))
    wanted = draw(st.lists(st.sampled_from(FEATURES), min_size=1, unique=True))
    query = "&".join(("language=en", *(f"{name}=true" for name in wanted)))
    return json_case(card, {"text": draw(st.sampled_from(SPOKEN))}, draw(USAGE), query)

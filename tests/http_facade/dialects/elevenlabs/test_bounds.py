"""Whatever is asked for, the hold covers what the twin's worst answer costs."""

from __future__ import annotations

from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate_simulator.elevenlabs import ElevenLabsTwin
from mintgate_simulator.elevenlabs.speech import DEAR_VOICE

from tests.http_facade.dialects.playing import play
from tests.http_facade.dialects.recordings import recordings

ROOT = "http://gateway"
TWIN = ElevenLabsTwin()
SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)

spoken = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
voices = st.sampled_from(["JBFqnCBsd6RMkjVDRZzb", DEAR_VOICE])
models = st.sampled_from(
    ["eleven_multilingual_v2", "eleven_flash_v2_5", "eleven_v3", "eleven_v4_turbo", None]
)
controls = st.sampled_from(["", "usage=none"])


def covered(request: httpx.Request, control: str = "") -> None:
    played = play("elevenlabs", TWIN, request, control)
    assert played.complete
    assert 0 < played.charged_nano_usd <= played.held_nano_usd


def without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@SETTINGS
@given(spoken, voices, models, st.sampled_from(["", "/stream", "/with-timestamps"]), controls)
def test_speech(text: str, voice: str, model: str | None, end: str, control: str) -> None:
    """Any text in any voice, at its own rate."""
    body = without_none(text=text, model_id=model)
    url = f"{ROOT}/v1/text-to-speech/{voice}{end}"
    covered(httpx.Request("POST", url, json=body), control)


@SETTINGS
@given(st.lists(st.tuples(spoken, voices), min_size=1, max_size=5), controls)
def test_dialogue(turns: list[tuple[str, str]], control: str) -> None:
    """Any turns, of which one voice may be dear."""
    inputs = [{"text": text, "voice_id": voice} for text, voice in turns]
    url = f"{ROOT}/v1/text-to-dialogue"
    covered(httpx.Request("POST", url, json={"inputs": inputs}), control)


@SETTINGS
@given(
    recordings,
    st.fixed_dictionaries(
        {"model_id": st.sampled_from(["scribe_v1", "scribe_v2", "scribe_v3"])},
        optional={
            "keyterms": st.lists(st.just("term"), min_size=1, max_size=300),
            "detect_speaker_roles": st.sampled_from(["true", "false"]),
            "transcript_edit": st.just("shorter"),
            "entity_detection": st.sampled_from(['"pii"', "null", '["pii", "phi"]']),
            "use_multi_channel": st.sampled_from(["true", "false"]),
            "multichannel_output_style": st.sampled_from(["separate", "combined"]),
        },
    ),
    controls,
)
def test_transcripts(file: bytes, fields: dict[str, Any], control: str) -> None:
    """Any recording with any surcharges, on any channels."""
    request = httpx.Request(
        "POST", f"{ROOT}/v1/speech-to-text", data=fields, files={"file": ("a", file)}
    )
    covered(request, control)


@SETTINGS
@given(
    recordings,
    st.sampled_from(["voice-changer/x", "speech-to-speech/x/stream", "audio-isolation"]),
)
def test_recordings(file: bytes, path: str) -> None:
    """Any recording that is converted or cleaned."""
    files = {"audio": ("a", file)}
    covered(httpx.Request("POST", f"{ROOT}/v1/{path}", files=files))


@SETTINGS
@given(
    st.one_of(
        st.fixed_dictionaries(
            {"prompt": st.just("a tune")},
            optional={"music_length_ms": st.integers(3_000, 60_000)},
        ),
        st.fixed_dictionaries(
            {
                "composition_plan": st.fixed_dictionaries(
                    {
                        "sections": st.lists(
                            st.fixed_dictionaries({"duration_ms": st.integers(1, 20_000)}),
                            min_size=1,
                            max_size=4,
                        )
                    }
                )
            }
        ),
    ),
    st.integers(3, 600),
)
def test_music(body: dict[str, Any], made_s: int) -> None:
    """A song of a stated length, by a plan, or of any length that the model chooses."""
    covered(httpx.Request("POST", f"{ROOT}/v1/music", json=body), f"output={made_s}")

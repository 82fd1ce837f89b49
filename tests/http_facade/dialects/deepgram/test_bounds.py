"""Whatever is asked for, the hold covers what the twin's worst answer costs."""

from __future__ import annotations

from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate_facade.dialects.deepgram.intelligence import OUTPUT_TOKENS
from mintgate_simulator.deepgram import DeepgramTwin

from tests.http_facade.dialects.playing import play
from tests.http_facade.dialects.recordings import recordings

ROOT = "http://gateway"
TWIN = DeepgramTwin()
SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)

switches = st.sampled_from(["true", "false"])
features = {
    name: st.sampled_from(["true", "v2", "false"])
    for name in ("summarize", "topics", "intents", "sentiment")
}
asked = st.fixed_dictionaries(
    {"model": st.sampled_from(["nova-3", "nova-3-medical", "nova-2-meeting", "base", "whisper"])},
    optional={
        **features,
        "detect_entities": switches,
        "detect_language": switches,
        "diarize": switches,
        "diarize_model": st.just("latest"),
        "keyterm": st.lists(st.just("term"), min_size=1, max_size=20),
        "language": st.sampled_from(["en", "multi"]),
        "mip_opt_out": switches,
        "multichannel": switches,
        "redact": st.lists(st.sampled_from(["pci", "ssn"]), min_size=1, max_size=2),
    },
)
written = st.integers(0, OUTPUT_TOKENS)
"""Tokens that each feature writes; more would be an overrun, as docs/metering.md says."""
controls = st.builds(
    lambda output, told: f"output={output}" + ("" if told else "; usage=none"),
    written,
    st.booleans(),
)


def covered(request: httpx.Request, control: str = "") -> None:
    played = play("deepgram", TWIN, request, control)
    assert played.complete
    assert 0 < played.charged_nano_usd <= played.held_nano_usd


@SETTINGS
@given(recordings, asked, controls)
def test_recordings(recording: bytes, query: dict[str, Any], control: str) -> None:
    """Any recording, with any additions, channels and features."""
    url = httpx.URL(f"{ROOT}/v1/listen", params=query)
    headers = {"content-type": "audio/wav"}
    covered(httpx.Request("POST", url, content=recording, headers=headers), control)


@SETTINGS
@given(
    st.sampled_from([("linear16", 2), ("linear32", 4), ("mulaw", 1), ("alaw", 1)]),
    st.sampled_from([8_000, 16_000, 44_100, 48_000]),
    st.integers(1, 8),
    st.integers(1, 5_000),
    switches,
)
def test_raw_samples(
    kind: tuple[str, int], hertz: int, channels: int, frames: int, several: str
) -> None:
    """Any samples, on any channels."""
    encoding, sample_bytes = kind
    query: dict[str, str | int] = {
        "model": "nova-3",
        "encoding": encoding,
        "sample_rate": hertz,
        "channels": channels,
        "multichannel": several,
    }
    url = httpx.URL(f"{ROOT}/v1/listen", params=query)
    body = bytes(frames * sample_bytes * channels)
    headers = {"content-type": "application/octet-stream"}
    covered(httpx.Request("POST", url, content=body, headers=headers))


@SETTINGS
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=2_000),
    st.sampled_from([("v1", "aura-2-thalia-en"), ("v1", "aura-asteria-en"), ("v2", "flux-a-en")]),
    switches,
    st.sampled_from(["", "usage=none"]),
)
def test_speech(text: str, voice: tuple[str, str], opted_out: str, control: str) -> None:
    """Any text, in any voice."""
    version, model = voice
    query = {"model": model, "mip_opt_out": opted_out}
    url = httpx.URL(f"{ROOT}/{version}/speak", params=query)
    covered(httpx.Request("POST", url, json={"text": text}), control)


@SETTINGS
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=2_000),
    st.fixed_dictionaries({**features, "summarize": st.just("true")}),
    controls,
)
def test_texts_that_are_read(text: str, query: dict[str, str], control: str) -> None:
    """Any text, looked through for anything."""
    url = httpx.URL(f"{ROOT}/v1/read", params=query)
    covered(httpx.Request("POST", url, json={"text": text}), control)

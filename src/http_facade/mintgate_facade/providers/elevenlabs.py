"""ElevenLabs: https://api.elevenlabs.io, and every path its SDK knows."""

from __future__ import annotations

import re

from mintgate_facade.dialects.elevenlabs import ElevenLabsDialect
from mintgate_facade.dialects.elevenlabs.account import subscription_body, user_body
from mintgate_facade.dialects.elevenlabs.audio import REPEATED
from mintgate_facade.providers.base import (
    Provider,
    Surface,
    denied,
    free,
    local,
    metered,
    of_key,
    uploaded,
)
from mintgate_facade.providers.reasons import ADMIN, BYPASS, DEFERRED, STORED

_AGENTS = "Agents, their calls and their secrets belong to the operator's account."
_SOCKET = "It is a WebSocket. Use the HTTP route of the same name."
_UNPRICED = "It has no known price."

ELEVENLABS = Provider(
    slug="elevenlabs",
    base_url="https://api.elevenlabs.io",
    unprefixed=(
        "/v1/audio-isolation",
        "/v1/forced-alignment",
        "/v1/music",
        "/v1/sound-generation",
        "/v1/speech-to-speech/",
        "/v1/speech-to-text",
        "/v1/text-to-dialogue",
        "/v1/text-to-speech/",
        "/v1/text-to-voice",
        "/v1/voice-changer/",
    ),
    header_marks=frozenset({"xi-api-key"}),
    models=re.compile(r"eleven_|scribe_|music_v"),
    use="the ElevenLabs SDK with the base URL <gateway>/elevenlabs",
    strip_response_headers=frozenset(
        {b"current-concurrent-requests", b"maximum-concurrent-requests", b"set-cookie"}
    ),
    surfaces=(
        Surface(
            dialect=ElevenLabsDialect(),
            auth_header="xi-api-key",
            auth_format="{}",
            routes=(
                metered("POST", "/v1/text-to-speech/{voice_id}", "speech"),
                metered("POST", "/v1/text-to-speech/{voice_id}/stream", "speech"),
                metered("POST", "/v1/text-to-speech/{voice_id}/with-timestamps", "speech_timed"),
                metered("POST", "/v1/text-to-speech/{voice_id}/stream/with-timestamps", "speech"),
                metered("POST", "/v1/text-to-dialogue", "dialogue"),
                metered("POST", "/v1/text-to-dialogue/stream", "dialogue"),
                metered("POST", "/v1/text-to-dialogue/with-timestamps", "dialogue_timed"),
                metered("POST", "/v1/text-to-dialogue/stream/with-timestamps", "dialogue"),
                metered("POST", "/v1/text-to-voice/design", "voice_design"),
                metered("POST", "/v1/text-to-voice/create-previews", "voice_design"),
                metered("POST", "/v1/text-to-voice/{voice_id}/remix", "voice_design"),
                metered("POST", "/v1/sound-generation", "effect"),
                metered("POST", "/v1/music", "music"),
                metered("POST", "/v1/music/stream", "music"),
                metered("POST", "/v1/music/detailed", "music"),
                metered("POST", "/v1/music/detailed/stream", "music_events"),
                uploaded("/v1/speech-to-text", "transcription", measured=True, repeated=REPEATED),
                # SDKs before 2.77, and those for JavaScript, say speech-to-speech.
                uploaded("/v1/speech-to-speech/{voice_id}", "conversion", measured=True),
                uploaded("/v1/speech-to-speech/{voice_id}/stream", "conversion", measured=True),
                uploaded("/v1/voice-changer/{voice_id}", "conversion", measured=True),
                uploaded("/v1/voice-changer/{voice_id}/stream", "conversion", measured=True),
                uploaded("/v1/audio-isolation", "isolation", measured=True),
                uploaded("/v1/audio-isolation/stream", "isolation", measured=True),
                uploaded("/v1/forced-alignment", "alignment", measured=True),
                free("POST", "/v1/music/plan", "music_plan"),
                free("GET", "/v1/shared-voices", "shared_voices"),
                free("GET", "/v1/voices/settings/default", "voice_settings"),
                free("GET", "/v1/voices/accents", "voice_accents"),
                free("GET", "/v1/audio-effects/catalog", "effects_catalogue"),
                local("/v1/models"),
                of_key("/v1/user", "account", user_body),
                of_key("/v1/user/subscription", "account", subscription_body),
                *denied(
                    _SOCKET,
                    "/v1/speech-to-text/realtime",
                    "/v1/text-to-dialogue/multi-stream-input",
                    "/v1/text-to-dialogue/stream-input",
                    "/v1/text-to-speech/{voice_id}/multi-stream-input",
                    "/v1/text-to-speech/{voice_id}/stream-input",
                    method="GET",
                ),
                *denied(_UNPRICED, "/v1/music/stem-separation", "/v1/music/video-to-music"),
                *denied(
                    STORED,
                    "/v1/assets/*",
                    "/v1/audio-isolation/history/*",
                    "/v1/audio-native/*",
                    "/v1/history/*",
                    "/v1/music/finetunes/*",
                    "/v1/music/upload",
                    "/v1/pronunciation-dictionaries/*",
                    "/v1/similar-voices/*",
                    "/v1/speech-to-text/*",
                    "/v1/text-to-voice/*",
                    "/v1/voices/*",
                    "/v2/voices/*",
                ),
                *denied(
                    DEFERRED,
                    "/v1/dubbing/*",
                    "/v1/flows/*",
                    "/v1/productions/*",
                    "/v1/projects/*",
                    "/v1/studio/*",
                    "/v1/translation/*",
                ),
                *denied(BYPASS, "/v1/single-use-token/*", "/v1/service-accounts/*"),
                *denied(_AGENTS, "/v1/convai/*", "/v1/speech-engine/*"),
                *denied(ADMIN, "/v1/usage/*", "/v1/user/*", "/v1/workspace/*", "/v1/workspaces/*"),
            ),
        ),
    ),
)

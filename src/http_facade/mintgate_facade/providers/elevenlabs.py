"""ElevenLabs: https://api.elevenlabs.io, and every path its SDK knows."""

from __future__ import annotations

import re

from mintgate_facade.dialects.base import Access, BodyKind
from mintgate_facade.dialects.elevenlabs import ElevenLabsDialect, voices
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
    owned,
    uploaded,
)
from mintgate_facade.providers.reasons import ADMIN, BYPASS, DEFERRED, STORED

_AGENTS = "Agents, their calls and their secrets belong to the operator's account."
_SOCKET = "It is a WebSocket. Use the HTTP route of the same name."
_UNPRICED = "It has no known price."

_SIMILAR = "It searches the library for nothing, with as large a recording as is sent."
_SAMPLES = (
    "Samples, collections and professional clones are stored objects of the operator's account. "
    "Clone a voice with POST /v1/voices/add."
)
_HISTORY = "The history holds the texts of all users. An answer is told once; keep it."

_VOICES = (
    owned(
        "POST",
        "/v1/voices/add",
        voices.VOICE,
        Access.CREATE,
        body=BodyKind.FORM,
        made_at="voice_id",
        most=voices.VOICES_MAX,
        uses=voices.recordings_of_voice,
    ),
    owned(
        "POST",
        "/v1/text-to-voice",
        voices.VOICE,
        Access.CREATE,
        made_at="voice_id",
        most=voices.VOICES_MAX,
        uses=voices.previews_of_voice,
    ),
    owned("GET", "/v1/voices", voices.VOICE, Access.FILTER, filtered=voices.ALL_VOICES),
    owned("GET", "/v2/voices", voices.VOICE, Access.FILTER, filtered=voices.FOUND_VOICES),
    owned("GET", "/v1/voices/{id}", voices.VOICE, Access.READ),
    owned("GET", "/v1/voices/{id}/settings", voices.VOICE, Access.READ),
    owned("DELETE", "/v1/voices/{id}", voices.VOICE, Access.FORGET),
    owned(
        "POST",
        "/v1/voices/{id}/edit",
        voices.VOICE,
        Access.USE,
        body=BodyKind.FORM,
        uses=voices.recordings_of_voice,
    ),
    owned("POST", "/v1/voices/{id}/settings/edit", voices.VOICE, Access.USE),
)
_DICTIONARY = "/v1/pronunciation-dictionaries"
_DICTIONARIES = (
    owned(
        "POST",
        f"{_DICTIONARY}/add-from-file",
        voices.DICTIONARY,
        Access.CREATE,
        body=BodyKind.FORM,
        most=voices.DICTIONARIES_MAX,
    ),
    owned(
        "POST",
        f"{_DICTIONARY}/add-from-rules",
        voices.DICTIONARY,
        Access.CREATE,
        most=voices.DICTIONARIES_MAX,
    ),
    owned("GET", _DICTIONARY, voices.DICTIONARY, Access.FILTER, filtered=voices.DICTIONARIES),
    owned("GET", f"{_DICTIONARY}/{{id}}", voices.DICTIONARY, Access.USE),
    owned("PATCH", f"{_DICTIONARY}/{{id}}", voices.DICTIONARY, Access.USE),
    *(
        owned("POST", f"{_DICTIONARY}/{{id}}/{change}-rules", voices.DICTIONARY, Access.USE)
        for change in ("add", "remove", "set")
    ),
)
_TRANSCRIPTS = (
    owned("GET", "/v1/speech-to-text/transcripts/{id}", voices.TRANSCRIPT, Access.USE),
    owned("DELETE", "/v1/speech-to-text/transcripts/{id}", voices.TRANSCRIPT, Access.FORGET),
)

ELEVENLABS = Provider(
    slug="elevenlabs",
    base_url="https://api.elevenlabs.io",
    unprefixed=(
        "/v1/audio-isolation",
        "/v1/forced-alignment",
        "/v1/music",
        "/v1/pronunciation-dictionaries",
        "/v1/sound-generation",
        "/v1/speech-to-speech/",
        "/v1/speech-to-text",
        "/v1/text-to-dialogue",
        "/v1/text-to-speech/",
        "/v1/text-to-voice",
        "/v1/voice-changer/",
        "/v1/voices",
        "/v2/voices",
    ),
    header_marks=frozenset({"xi-api-key"}),
    models=re.compile(r"eleven_|scribe_|music_v"),
    use="the ElevenLabs SDK with the base URL <gateway>/elevenlabs",
    common=voices.COMMON,
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
                *_VOICES,
                *_DICTIONARIES,
                *_TRANSCRIPTS,
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
                *denied(_SIMILAR, "/v1/similar-voices/*"),
                *denied(
                    _SAMPLES,
                    "/v1/voices/*",
                    "/v1/voices/collections",
                    "/v1/voices/pvc",
                    "/v2/voices/*",
                ),
                *denied(_HISTORY, "/v1/history/*"),
                *denied(
                    STORED,
                    "/v1/assets/*",
                    "/v1/audio-isolation/history/*",
                    "/v1/audio-native/*",
                    "/v1/music/finetunes/*",
                    "/v1/music/upload",
                    "/v1/pronunciation-dictionaries/*",
                    "/v1/speech-to-text/*",
                    "/v1/text-to-voice/*",
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

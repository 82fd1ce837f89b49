"""MiniMax: https://api.minimax.io/v1, and Anthropic's Messages below /anthropic.

Failures of its own and of its OpenAI-compatible routes may come with status 200.
"""

from __future__ import annotations

import re

from mintgate_facade.dialects import minimax
from mintgate_facade.dialects.base import Access
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers import compatible, reasons
from mintgate_facade.providers.base import Provider, Surface, denied, local, metered, owned

_OLD_CHAT = "Use POST /v1/chat/completions, which reaches the same models."
_PLUGINS = "Plugins run at MiniMax without a limit that could be held. Use tools of your own."
_OLD_LIMIT = "State the limit as 'max_tokens', which holds for every model."
_SONGS = "What its songs and lyrics cost is not known to this gateway."
_VIDEOS = (
    "The length and the resolution that its videos are billed by, and their defaults for each "
    "model, are not known to this gateway."
)
_VOICES = (
    "A voice is billed when it is first spoken with, by whichever request that is, and at a price "
    "that is not known to this gateway. Use a voice of the system's."
)
_LISTED = "The voices of the operator's account are shared by all users of this gateway."
_PICTURES = "What its pictures cost is not known to this gateway."

FLAVOR = Flavor(
    name="minimax",
    choices_max=1,
    tiers=frozenset({"auto", "default", "standard", "priority"}),
    hosted_search=False,
    forbidden={"plugins": _PLUGINS, "tokens_to_generate": _OLD_LIMIT},
    fails_within_200=True,
    operations=minimax.OPERATIONS,
)

MINIMAX = Provider(
    slug="minimax",
    base_url="https://api.minimax.io/v1",
    base_path="/v1",
    unprefixed=(
        "/v1/text/",
        "/v1/t2a_",
        "/v1/image_generation",
        "/v1/music_generation",
        "/v1/query/",
        "/v1/video_generation",
        "/v1/voice_clone",
    ),
    models=re.compile(r"minimax-|m2-|abab|speech-0", re.IGNORECASE),
    use="the OpenAI SDK with the base URL <gateway>/minimax/v1",
    strip_response_headers=compatible.RATE_HEADERS | {b"set-cookie"},
    surfaces=(
        Surface(
            dialect=OpenAIDialect(FLAVOR),
            routes=(
                metered("POST", "/chat/completions", "chat"),
                # MiniMax's own address of the same: OpenAI's shape, and failures within 200.
                metered("POST", "/text/chatcompletion_v2", "chat"),
                metered("POST", "/t2a_v2", "speech"),
                metered("POST", "/t2a_async_v2", "speech_task"),
                owned(
                    "GET",
                    "/query/t2a_async_query_v2",
                    minimax.SPEECH,
                    Access.USE,
                    id_query="task_id",
                ),
                owned("GET", "/files/retrieve", minimax.SPEECH, Access.USE, id_query="file_id"),
                owned(
                    "GET",
                    "/files/retrieve_content",
                    minimax.SPEECH,
                    Access.USE,
                    id_query="file_id",
                ),
                local("/models"),
                local("/models/{model}"),
                *denied(reasons.ADMIN, "/models/{model}", method="DELETE"),
                *denied(_OLD_CHAT, "/text/*"),
                *denied(_PICTURES, "/image_generation"),
                *denied(_SONGS, "/lyrics_generation", "/music_generation"),
                *denied(_VIDEOS, "/query/*", "/video_generation", "/video_template_generation"),
                *denied(_VOICES, "/voice_clone", "/voice_design"),
                *denied(_LISTED, "/delete_voice", "/get_voice"),
                *compatible.denied_paths_of_openai(),
            ),
        ),
        compatible.messages_below("/anthropic"),
    ),
)

"""MiniMax: https://api.minimax.io/v1, and Anthropic's Messages below /anthropic.

Failures of its own and of its OpenAI-compatible routes may come with status 200.
"""

from __future__ import annotations

import re

from mintgate_facade.dialects import minimax
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers import compatible, reasons
from mintgate_facade.providers.base import Provider, Surface, denied, local, metered

_OLD_CHAT = "Use POST /v1/chat/completions, which reaches the same models."
_PLUGINS = "Plugins run at MiniMax without a limit that could be held. Use tools of your own."
_OLD_LIMIT = "State the limit as 'max_tokens', which holds for every model."
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
                local("/models"),
                local("/models/{model}"),
                *denied(reasons.ADMIN, "/models/{model}", method="DELETE"),
                *denied(_OLD_CHAT, "/text/*"),
                *denied(_PICTURES, "/image_generation"),
                *denied(
                    reasons.DEFERRED,
                    "/lyrics_generation",
                    "/music_generation",
                    "/query/*",
                    "/t2a_async_v2",
                    "/video_generation",
                    "/video_template_generation",
                ),
                *denied(
                    reasons.STORED,
                    "/delete_voice",
                    "/get_voice",
                    "/voice_clone",
                    "/voice_design",
                ),
                *compatible.denied_paths_of_openai(),
            ),
        ),
        compatible.messages_below("/anthropic"),
    ),
)

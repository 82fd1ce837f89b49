"""Deepgram: https://api.deepgram.com, and every path its SDK knows."""

from __future__ import annotations

import re

from mintgate_facade.dialects.base import BodyKind
from mintgate_facade.dialects.deepgram import DeepgramDialect
from mintgate_facade.providers.base import Provider, Surface, denied, local, metered, uploaded
from mintgate_facade.providers.reasons import BYPASS

_ADMIN = (
    "Projects hold the operator's keys, members, balances and every user's requests. "
    "Ask this gateway's own API for keys and usage."
)
_AGENTS = "Voice agents are not served: their conversations are billed by time, over a WebSocket."
_SOCKET = "It is a WebSocket. Use POST, with the whole recording or text."

DEEPGRAM = Provider(
    slug="deepgram",
    base_url="https://api.deepgram.com",
    unprefixed=("/v1/listen", "/v1/read", "/v1/speak", "/v2/speak"),
    header_marks=frozenset({"x-deepgram-session-id"}),
    models=re.compile(r"nova-[23](-|$)|aura-|flux-general-"),
    use="the Deepgram SDK with every URL of its environment at <gateway>/deepgram",
    strip_response_headers=frozenset({b"dg-project-id", b"set-cookie"}),
    surfaces=(
        Surface(
            dialect=DeepgramDialect(),
            auth_format="Token {}",
            routes=(
                uploaded("/v1/listen", "listen", body=BodyKind.BYTES, measured=True),
                metered("POST", "/v1/speak", "speak"),
                metered("POST", "/v2/speak", "speak_v2"),
                metered("POST", "/v1/read", "read"),
                local("/v1/models"),
                local("/v1/models/{model}"),
                *denied(
                    _SOCKET, "/v1/listen", "/v1/speak", "/v2/listen", "/v2/speak", method="GET"
                ),
                *denied(_AGENTS, "/v1/agent/*"),
                *denied(BYPASS, "/v1/auth/*"),
                *denied(_ADMIN, "/v1/projects/*"),
            ),
        ),
    ),
)

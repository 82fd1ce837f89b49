"""Cerebras: https://api.cerebras.ai, and every path its SDK knows."""

from __future__ import annotations

import re

from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers import compatible, reasons
from mintgate_facade.providers.base import Provider, Surface, denied, local, metered

FLAVOR = Flavor(
    name="cerebras",
    completion_tokens_default=None,
    # What `flex` and `priority` cost is not published.
    tiers=frozenset({"auto", "default"}),
    hosted_search=False,
    flat_errors={},
)

CEREBRAS = Provider(
    slug="cerebras",
    base_url="https://api.cerebras.ai",
    unprefixed=("/v1/tcp_warming",),
    hosts=re.compile(r"gpt-oss-|llama|qwen-3|zai-glm-|gemma-"),
    use="the Cerebras SDK with the base URL <gateway>/cerebras",
    strip_response_headers=compatible.RATE_HEADERS | {b"set-cookie"},
    surfaces=(
        Surface(
            dialect=OpenAIDialect(FLAVOR),
            routes=(
                metered("POST", "/v1/chat/completions", "chat"),
                metered("POST", "/v1/completions", "completions"),
                # The SDK calls it each time that a client is made, and only waits for an answer.
                local("/v1/tcp_warming", "warm_up"),
                local("/v1/models"),
                local("/v1/models/{model}"),
                *denied(reasons.ADMIN, "/v1/models/{model}", method="DELETE"),
                *compatible.denied_paths_of_openai(
                    served=frozenset({"/completions"}),
                    at="/v1",
                ),
            ),
        ),
    ),
)

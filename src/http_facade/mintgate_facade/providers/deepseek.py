"""DeepSeek: https://api.deepseek.com, its beta below /beta, Messages below /anthropic."""

from __future__ import annotations

import re

from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers import compatible, reasons
from mintgate_facade.providers.base import Provider, Surface, denied, local, metered

_BETA_ONLY = "Only the beta completes text in the middle. Use POST /beta/completions."

FLAVOR = Flavor(
    name="deepseek",
    # It holds the chain of thought too, by DeepSeek's documentation.
    limit_field="max_tokens",
    choices_max=1,
    completion_tokens_default=None,
    tiers=frozenset({"auto", "default"}),
    hosted_search=False,
)
_DIALECT = OpenAIDialect(FLAVOR)

DEEPSEEK = Provider(
    slug="deepseek",
    base_url="https://api.deepseek.com",
    unprefixed=("/beta/completions",),
    # Mistral hosts models of DeepSeek's under names of its own: deepseek-v4-1-flash-1017.
    models=re.compile(r"deepseek-(chat|coder|reasoner|flash|v3|v4-(flash|pro))"),
    use="the OpenAI SDK with the base URL <gateway>/deepseek",
    strip_response_headers=compatible.RATE_HEADERS | {b"set-cookie"},
    surfaces=(
        Surface(
            dialect=_DIALECT,
            routes=(
                metered("POST", "/chat/completions", "chat"),
                local("/models"),
                local("/models/{model}"),
                *denied(reasons.ADMIN, "/models/{model}", method="DELETE"),
                *denied(reasons.ADMIN, "/user/*"),
                *compatible.denied_paths_of_openai({"/completions": _BETA_ONLY}),
            ),
        ),
        Surface(
            dialect=_DIALECT,
            name="beta",
            mount="/beta",
            upstream="/beta",
            routes=(
                metered("POST", "/chat/completions", "chat"),
                metered("POST", "/completions", "completions"),
                local("/models"),
                local("/models/{model}"),
                *denied(reasons.ADMIN, "/user/*"),
            ),
        ),
        compatible.messages_below("/anthropic", auth_header="x-api-key", auth_format="{}"),
    ),
)

"""Mistral: https://api.mistral.ai, and every path its SDK knows."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from mintgate_facade.dialects import mistral
from mintgate_facade.dialects import mistral_batch as batch
from mintgate_facade.dialects.base import Access, BodyKind
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers import compatible, reasons
from mintgate_facade.providers.base import (
    Provider,
    Surface,
    denied,
    kept,
    local,
    metered,
    owned,
    uploaded,
)

_UNSTATED = "Its answer does not say what it cost, so it cannot be charged exactly."
_AGENTS = (
    "Agents and what they run are stored in the operator's account, which all users of this "
    "gateway share. Use POST /v1/chat/completions."
)
_AUDIO = "Voices and agents are stored in the operator's account, which all users here share."

_FLAVOR = Flavor(
    name="mistral",
    limit_field="max_tokens",
    limits_predictions=True,
    completion_tokens_default=None,
    # Always stated, on the last chunk; a field that Mistral does not know is a 422.
    asks_for_usage=False,
    tiers=frozenset({"auto", "standard_only"}),
    hosted_search=False,
    forbidden={
        "agent_id": _AGENTS,
        "guardrails": "Guardrails ask another model, at a price of its own. Leave them out.",
    },
    prompt_fields=frozenset({"prompt_mode", "safe_prompt"}),
    audio_input=False,
    # Its SDK reads no model without these two.
    model_card={"type": "base", "capabilities": {}},
    operations=mistral.OPERATIONS,
    flat_errors={"object": "error"},
)
_ONE = OpenAIDialect(_FLAVOR)
"""Reads the single requests of a batch."""
FLAVOR = replace(
    _FLAVOR, operations=mistral.OPERATIONS | {batch.OPERATION: batch.operation(_ONE.read)}
)
_FILES_OF_JOBS = (("output_file", "file"), ("error_file", "file"))
_SIGNED = "A signed address is read without any key. Use GET /v1/files/{id}/content."

MISTRAL = Provider(
    slug="mistral",
    base_url="https://api.mistral.ai",
    models=re.compile(
        r"mistral-|ministral|magistral|codestral|devstral|pixtral|voxtral|mixtral|open-mi"
    ),
    hosts=re.compile(r"deepseek-v4-1-|zai-glm-"),
    use="the Mistral SDK with the server URL <gateway>/mistral",
    strip_response_headers=compatible.RATE_HEADERS
    | {
        b"ratelimitbysize-limit",
        b"ratelimitbysize-remaining",
        b"ratelimitbysize-reset",
        b"set-cookie",
        b"x-ratelimitbysize-limit-minute",
        b"x-ratelimitbysize-limit-month",
        b"x-ratelimitbysize-remaining-minute",
        b"x-ratelimitbysize-remaining-month",
    },
    surfaces=(
        Surface(
            dialect=OpenAIDialect(FLAVOR),
            versions=("v1", "v2"),
            routes=(
                metered("POST", "/v1/chat/completions", "chat"),
                metered("POST", "/v1/fim/completions", "fim"),
                metered("POST", "/v1/embeddings", "embeddings"),
                metered("POST", "/v1/ocr", "ocr"),
                metered("POST", "/v1/audio/speech", "speech"),
                uploaded(
                    "/v1/audio/transcriptions",
                    "transcription",
                    measured=True,
                    repeated=frozenset({"context_bias", "timestamp_granularities"}),
                ),
                owned(
                    "POST",
                    "/v1/files",
                    "file",
                    Access.CREATE,
                    body=BodyKind.FORM,
                    reads=partial(batch.reads, _ONE.read),
                ),
                *kept("/v1/files", "file", ("GET", "/content")),
                *denied(_SIGNED, "/v1/files/{id}/url", method="GET"),
                metered("POST", "/v1/batch/jobs", batch.OPERATION),
                owned("GET", "/v1/batch/jobs", "batch", Access.LIST, mentions=_FILES_OF_JOBS),
                owned("GET", "/v1/batch/jobs/{id}", "batch", Access.USE, mentions=_FILES_OF_JOBS),
                owned(
                    "POST",
                    "/v1/batch/jobs/{id}/cancel",
                    "batch",
                    Access.USE,
                    mentions=_FILES_OF_JOBS,
                ),
                owned("DELETE", "/v1/batch/jobs/{id}", "batch", Access.FORGET),
                local("/v1/models"),
                local("/v1/models/{model}"),
                *denied(reasons.ADMIN, "/v1/models/{model}", method="DELETE"),
                *denied(
                    _UNSTATED,
                    "/v1/chat/classifications",
                    "/v1/chat/moderations",
                    "/v1/classifications",
                ),
                *denied(
                    _AGENTS, "/v1/agents/*", "/v1/connectors/*", "/v1/triggers/*", "/v1/workflows/*"
                ),
                *denied(
                    reasons.STORED,
                    "/v1/context/*",
                    "/v1/libraries/*",
                    "/v1/rag/*",
                    "/v2/prompts/*",
                ),
                *denied(reasons.DEFERRED, "/v1/batch/*"),
                *denied(reasons.BYPASS, "/v1/client/*"),
                *denied(
                    reasons.ADMIN,
                    "/v1/observability/*",
                    "/v1/service-accounts/*",
                    "/v1/users/*",
                    "/v1/webhooks/*",
                    "/v1/whoami",
                ),
                *compatible.denied_paths_of_openai(
                    {
                        "/audio/*": _AUDIO,
                        "/moderations": _UNSTATED,
                        "/responses/*": _AGENTS,
                    },
                    served=frozenset({"/agents/*", "/embeddings"}),
                    at="/v1",
                ),
            ),
        ),
    ),
)

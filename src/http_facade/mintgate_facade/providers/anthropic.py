"""Anthropic: https://api.anthropic.com, and every path its SDK knows."""

from __future__ import annotations

import re

from mintgate_facade.dialects.anthropic import AnthropicDialect, batch
from mintgate_facade.dialects.base import Access, BodyKind
from mintgate_facade.providers.base import (
    Provider,
    Surface,
    denied,
    free,
    kept,
    local,
    metered,
    owned,
)
from mintgate_facade.providers.reasons import ADMIN, DEFERRED, STORED

_LEGACY = "Legacy completions are not served. Use POST /v1/messages."

_BATCHES = "/v1/messages/batches"
_RESULTS = (("results_url", f"{_BATCHES}/{{id}}/results"),)

ANTHROPIC = Provider(
    slug="anthropic",
    base_url="https://api.anthropic.com",
    unprefixed=("/",),
    header_marks=frozenset({"anthropic-version"}),
    models=re.compile(r"claude-"),
    use="the Anthropic SDK with the base URL <gateway>/anthropic",
    strip_request_headers=frozenset({b"anthropic-workspace-id", b"anthropic-user-profile-id"}),
    strip_response_headers=frozenset(
        {
            b"anthropic-organization-id",
            b"set-cookie",
            *(
                f"anthropic-ratelimit-{kind}-{part}".encode()
                for kind in ("requests", "tokens", "input-tokens", "output-tokens")
                for part in ("limit", "remaining", "reset")
            ),
        }
    ),
    surfaces=(
        Surface(
            dialect=AnthropicDialect(),
            auth_header="x-api-key",
            auth_format="{}",
            routes=(
                metered("POST", "/v1/messages", "messages"),
                free("POST", "/v1/messages/count_tokens", "count_tokens"),
                local("/v1/models"),
                local("/v1/models/{model}"),
                metered("POST", "/v1/messages/batches", batch.OPERATION),
                owned("GET", _BATCHES, "batch", Access.LIST, addresses=_RESULTS),
                owned("GET", f"{_BATCHES}/{{id}}", "batch", Access.USE, addresses=_RESULTS),
                owned("POST", f"{_BATCHES}/{{id}}/cancel", "batch", Access.USE, addresses=_RESULTS),
                owned("GET", f"{_BATCHES}/{{id}}/results", "batch", Access.USE),
                owned("DELETE", f"{_BATCHES}/{{id}}", "batch", Access.FORGET),
                *denied(_LEGACY, "/v1/complete"),
                owned("POST", "/v1/files", "file", Access.CREATE, body=BodyKind.FORM),
                *kept("/v1/files", "file", ("GET", "/content")),
                *denied(
                    STORED, "/v1/files/*", "/v1/memory_stores/*", "/v1/skills/*", "/v1/vaults/*"
                ),
                *denied(
                    DEFERRED,
                    "/v1/agents/*",
                    "/v1/deployment_runs/*",
                    "/v1/deployments/*",
                    "/v1/dreams/*",
                    "/v1/environments/*",
                    "/v1/sessions/*",
                    "/v1/tunnels/*",
                ),
                *denied(ADMIN, "/v1/organizations/*", "/v1/user_profiles/*", "/v1/webhooks/*"),
            ),
        ),
    ),
)

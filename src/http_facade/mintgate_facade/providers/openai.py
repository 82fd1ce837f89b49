"""OpenAI: https://api.openai.com/v1, and every path its SDK knows."""

from __future__ import annotations

import re
from dataclasses import replace

from mintgate_facade.dialects.base import Access, BodyKind
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect, batch, stored
from mintgate_facade.providers.base import (
    Provider,
    Surface,
    denied,
    free,
    kept,
    local,
    metered,
    owned,
    uploaded,
)
from mintgate_facade.providers.reasons import ADMIN, BYPASS, DEFERRED, STORED

_RETIRED = "OpenAI has retired this route with its last model. Use POST /v1/images/edits."

_NO_VIDEOS = (
    "OpenAI shut its video API (Sora) down on 24 September 2026. Ask another provider for videos, "
    "such as Gemini (Veo)."
)

_DIALECT = OpenAIDialect(Flavor(background=True, conversations=True, keeps_chats=True))
_BATCH_FILES = (("output_file_id", "file"), ("error_file_id", "file"))

_LISTED_CHATS, *_SINGLE_CHATS = kept(
    "/chat/completions", "chat_completion", ("POST", ""), ("GET", "/messages")
)
_CHATS = (replace(_LISTED_CHATS, oldest_first=True), *_SINGLE_CHATS)
_ITEM = "/conversations/{id}/items/{item_id}"
_CONVERSATIONS = (
    owned(
        "POST",
        "/conversations",
        stored.CONVERSATION,
        Access.CREATE,
        uses=stored.conversation_files,
    ),
    owned("GET", "/conversations/{id}", stored.CONVERSATION, Access.USE),
    owned("POST", "/conversations/{id}", stored.CONVERSATION, Access.USE),
    owned("DELETE", "/conversations/{id}", stored.CONVERSATION, Access.FORGET),
    owned("GET", "/conversations/{id}/items", stored.CONVERSATION, Access.USE),
    owned(
        "POST",
        "/conversations/{id}/items",
        stored.CONVERSATION,
        Access.USE,
        uses=stored.conversation_files,
    ),
    owned("GET", _ITEM, stored.CONVERSATION, Access.USE),
    owned("DELETE", _ITEM, stored.CONVERSATION, Access.USE),
)
_UPLOADS = (
    owned(
        "POST",
        "/uploads",
        stored.UPLOAD,
        Access.CREATE,
        uses=stored.upload_begun,
        sized_by="bytes",
        kept_ms=stored.UPLOAD_KEPT_MS,
    ),
    owned(
        "POST",
        "/uploads/{id}/parts",
        stored.UPLOAD_PART,
        Access.CREATE,
        of=stored.UPLOAD,
        body=BodyKind.FORM,
        kept_ms=stored.UPLOAD_KEPT_MS,
    ),
    owned(
        "POST",
        "/uploads/{id}/complete",
        "file",
        Access.CREATE,
        of=stored.UPLOAD,
        made_at="file.id",
        uses=stored.upload_parts,
    ),
    owned("POST", "/uploads/{id}/cancel", stored.UPLOAD, Access.USE),
)

OPENAI = Provider(
    slug="openai",
    base_url="https://api.openai.com/v1",
    unprefixed=("/",),
    models=re.compile(
        r"(ft:)?(gpt-(?!oss)|o[134](-|$)|chatgpt-|text-embedding-(?!v)|omni-moderation|codex-)"
    ),
    use="the OpenAI SDK with the base URL <gateway>/openai/v1",
    strip_request_headers=frozenset({b"openai-organization", b"openai-project"}),
    strip_response_headers=frozenset(
        {
            b"openai-organization",
            b"openai-project",
            b"set-cookie",
            b"x-ratelimit-limit-requests",
            b"x-ratelimit-limit-tokens",
            b"x-ratelimit-remaining-requests",
            b"x-ratelimit-remaining-tokens",
            b"x-ratelimit-reset-requests",
            b"x-ratelimit-reset-tokens",
        }
    ),
    surfaces=(
        Surface(
            dialect=_DIALECT,
            routes=(
                metered("POST", "/chat/completions", "chat"),
                metered("POST", "/responses", "responses"),
                metered("POST", "/responses/compact", "compact"),
                metered("POST", "/completions", "completions"),
                metered("POST", "/embeddings", "embeddings"),
                metered("POST", "/images/generations", "images"),
                free("POST", "/moderations", "moderations"),
                free("POST", "/responses/input_tokens", "count_tokens"),
                local("/models"),
                local("/models/{model}"),
                *denied(ADMIN, "/models/{model}", method="DELETE"),
                *_CHATS,
                owned(
                    "POST",
                    "/files",
                    "file",
                    Access.CREATE,
                    body=BodyKind.FORM,
                    reads=batch.reads(_DIALECT.read),
                ),
                *kept("/files", "file", ("GET", "/content")),
                metered("POST", "/batches", batch.OPERATION),
                owned("GET", "/batches", "batch", Access.LIST, mentions=_BATCH_FILES),
                owned("GET", "/batches/{id}", "batch", Access.USE, mentions=_BATCH_FILES),
                owned("POST", "/batches/{id}/cancel", "batch", Access.USE, mentions=_BATCH_FILES),
                owned("GET", "/responses/{id}", "response", Access.USE),
                owned("GET", "/responses/{id}/input_items", "response", Access.USE),
                owned("POST", "/responses/{id}/cancel", "response", Access.USE),
                owned("DELETE", "/responses/{id}", "response", Access.FORGET),
                *_CONVERSATIONS,
                *_UPLOADS,
                *denied(STORED, "/chat/completions/*", "/responses/*", "/conversations/*"),
                *denied(
                    STORED, "/files/*", "/uploads/*", "/vector_stores/*", "/skills/*", "/vaults/*"
                ),
                uploaded("/images/edits", "image_edit"),
                *denied(_RETIRED, "/images/*"),
                metered("POST", "/audio/speech", "speech"),
                uploaded("/audio/transcriptions", "transcription", measured=True),
                uploaded("/audio/translations", "translation", measured=True),
                *denied(STORED, "/audio/*"),
                *denied(BYPASS, "/realtime/*", "/live/*", "/chatkit/*"),
                *denied(
                    DEFERRED,
                    "/agents/*",
                    "/assistants/*",
                    "/batches/*",
                    "/containers/*",
                    "/decisions/*",
                    "/evals/*",
                    "/fine_tuning/*",
                    "/threads/*",
                ),
                *denied(_NO_VIDEOS, "/videos/*"),
                *denied(
                    ADMIN,
                    "/content_provenance_checks/*",
                    "/organization/*",
                    "/projects/*",
                    "/safety/*",
                    "/webhook_endpoints/*",
                    "/webhook_event_types/*",
                ),
            ),
        ),
    ),
)

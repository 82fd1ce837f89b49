"""Google Gemini (AI Studio), and every path its SDK knows there."""

from __future__ import annotations

import re

from mintgate_facade.dialects.base import Access, BodyKind
from mintgate_facade.dialects.gemini import GeminiDialect, batch, videos
from mintgate_facade.dialects.gemini.batch_file import BatchFile
from mintgate_facade.dialects.gemini.content import FILE_KEPT_MS
from mintgate_facade.providers.base import (
    Provider,
    Surface,
    denied,
    free,
    google_kept,
    local,
    metered,
    owned,
)
from mintgate_facade.providers.reasons import ADMIN, BYPASS

_STORED = (
    "What is searched or spoken with at the provider is not served: all users of this gateway "
    "share one account there. Send the content inline, as a file of yours, or in a cache."
)
_UNBOUNDED = (
    "It runs turns and tools whose cost nothing in the request bounds. Use generateContent, its "
    "stream, or a batch."
)
_TUNED = "Nothing in a request for tuning bounds what it costs. Use the models as they are."
_BATCHES = (
    "Batches are made with :batchGenerateContent and :asyncBatchEmbedContent, and then read, "
    "listed, cancelled and deleted."
)
_OPERATION = "Operations are read below the model that works on them."
_COMPATIBLE = "Gemini's OpenAI-compatible surface is not served. Use the Google Gen AI SDK."
_OPERATIONS = "/v1beta/models/{model}/operations"
_EXTENDED = (
    "A cache is paid for when it is made, for all of its time, which cannot be changed any more. "
    "Make another one."
)
_PER_PICTURE = "Its answer does not state what it cost. Use generateContent with an image model."

GEMINI = Provider(
    slug="gemini",
    base_url="https://generativelanguage.googleapis.com",
    prefixes=("google",),
    unprefixed=("/",),
    header_marks=frozenset({"x-goog-api-key"}),
    query_marks=frozenset({"key"}),
    models=re.compile(r"(models/)?(gemini-|imagen-|veo-|gemma-)"),
    use="the Google Gen AI SDK with the base URL <gateway>/gemini",
    # A method override or a field mask would change what the route or the answer is.
    strip_request_headers=frozenset(
        {
            b"x-goog-fieldmask",
            b"x-goog-user-project",
            b"x-http-method",
            b"x-http-method-override",
            b"x-method-override",
        }
    ),
    strip_response_headers=frozenset({b"set-cookie"}),
    surfaces=(
        Surface(
            dialect=GeminiDialect(),
            auth_header="x-goog-api-key",
            auth_format="{}",
            versions=("v1beta", "v1", "v1alpha"),
            keeps_version=True,
            routes=(
                metered("POST", "/v1beta/models/{model}:generateContent", "generate"),
                metered("POST", "/v1beta/models/{model}:streamGenerateContent", "stream"),
                metered("POST", "/v1beta/models/{model}:embedContent", "embed"),
                metered("POST", "/v1beta/models/{model}:batchEmbedContents", "embed_batch"),
                free("POST", "/v1beta/models/{model}:countTokens", "count_tokens"),
                free("POST", "/v1beta/models/{model}:computeTokens", "count_tokens"),
                local("/v1beta/models"),
                local("/v1beta/models/{model}"),
                *(
                    owned(
                        "POST",
                        path,
                        "file",
                        Access.UPLOAD,
                        body=BodyKind.BYTES,
                        reads=lambda _fields: BatchFile(),
                    )
                    for path in (
                        "/upload/v1beta/files",
                        "/upload/v1/files",
                        "/upload/v1alpha/files",
                    )
                ),
                metered("POST", "/v1beta/models/{model}:batchGenerateContent", batch.OPERATION),
                metered("POST", "/v1beta/models/{model}:asyncBatchEmbedContent", batch.EMBEDDING),
                *google_kept(
                    "/v1beta/batches",
                    batch.KIND,
                    "operations",
                    ("POST", ":cancel"),
                    described_by=batch.DESCRIBED_BY,
                    names=batch.files_of,
                    kept_ms=FILE_KEPT_MS,
                ),
                metered("POST", "/v1beta/models/{model}:predictLongRunning", videos.OPERATION),
                *(
                    owned(
                        "GET",
                        path,
                        videos.KIND,
                        access,
                        names=videos.files_of,
                        lists=lists,
                        kept_ms=FILE_KEPT_MS,
                    )
                    for path, access, lists in (
                        (_OPERATIONS, Access.LIST, "operations"),
                        (f"{_OPERATIONS}/{{id}}", Access.USE, ""),
                    )
                ),
                metered("POST", "/v1beta/cachedContents", "cache"),
                *google_kept("/v1beta/cachedContents", "cache", "cachedContents"),
                *denied(_EXTENDED, "/v1beta/cachedContents/{id}", method="PATCH"),
                *google_kept("/v1beta/files", "file", "files", ("GET", ":download")),
                *denied(_PER_PICTURE, "/v1beta/models/{model}:predict"),
                *denied(
                    _UNBOUNDED,
                    "/v1beta/agents/*",
                    "/v1beta/environments/*",
                    "/v1beta/interactions/*",
                    "/v1beta/triggers/*",
                ),
                *denied(_TUNED, "/v1beta/tunedModels/*", "/v1beta/tuningJobs/*"),
                *denied(_BATCHES, "/v1beta/batches/*", "/v1beta/batchPredictionJobs/*"),
                *denied(_OPERATION, "/v1beta/operations/*"),
                *denied(
                    _STORED,
                    "/v1beta/corpora/*",
                    "/v1beta/fileSearchStores/*",
                    "/v1beta/files/*",
                    "/upload/*",
                    "/v1beta/voices/*",
                ),
                *denied(BYPASS, "/v1beta/auth_tokens/*", "/ws/*"),
                *denied(ADMIN, "/v1beta/projects/*", "/v1beta/webhooks/*"),
                *denied(_COMPATIBLE, "/v1beta/openai/*"),
            ),
        ),
    ),
)

"""Alibaba Model Studio (Qwen): https://dashscope.aliyuncs.com, in three shapes beside each other.

Its own below /api/v1, OpenAI's below /compatible-mode/v1, Anthropic's below /apps/anthropic.
"""

from __future__ import annotations

import re

from mintgate_facade.dialects.anthropic import AnthropicDialect
from mintgate_facade.dialects.anthropic import Flavor as MessagesFlavor
from mintgate_facade.dialects.base import Access, BodyKind, Failure, FailureKind, Policy, Route
from mintgate_facade.dialects.dashscope import DashScopeDialect, tasks
from mintgate_facade.dialects.dashscope.compatible import FLAVOR, read_line
from mintgate_facade.dialects.dashscope.content import IMAGE_TOKENS_MAX
from mintgate_facade.dialects.dashscope.thinking import OFF, hold_message_reasoning
from mintgate_facade.dialects.openai import OpenAIDialect, batch
from mintgate_facade.providers import compatible, reasons
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

_TASKS = (
    "What runs as a task here are pictures, video and transcripts, by the routes that make them. "
    "Leave the header 'X-DashScope-Async' out of other requests."
)
_TASK_LIST = (
    "Its list is that of the operator's account. Keep the ids of your tasks, and ask for each by "
    "GET /api/v1/tasks/{task_id}."
)
_BATCH_FILES = (("output_file_id", "file"), ("error_file_id", "file"))
_UNPRICED = "What it costs is not known to this gateway."
_APPS = "Applications, agents and their memory belong to the operator's account."
_VOICES = "Voices and vocabularies are stored at the provider, where all users share one account."
_OTHER = "Ask for text, pictures, speech, embeddings or a ranking by the routes that have them."
_OWN_CHAT = "Use POST /compatible-mode/v1/chat/completions, which reaches the same models."

MESSAGES = MessagesFlavor(
    server_tools=False,
    caches_unasked=True,
    image_tokens=IMAGE_TOKENS_MAX,
    widen=hold_message_reasoning,
    thoughtless=OFF,
)


def _task(service: str, operation: str) -> Route:
    """A row whose answer names a task."""
    path = f"/api/v1/services/{service}"
    bears = frozenset({tasks.ASYNC_HEADER})
    return Route("POST", path, Policy.METERED, operation, bears=bears)


DASHSCOPE = Provider(
    slug="dashscope",
    prefixes=("qwen",),
    base_url="https://dashscope.aliyuncs.com",
    unprefixed=("/api/v1/", "/compatible-mode/", "/apps/anthropic/"),
    models=re.compile(r"qwen(?!-3)|qwq|qvq|wan\d|text-embedding-v\d|gte-rerank|cosyvoice"),
    hosts=re.compile(r"deepseek-|glm-|kimi-|qwen-3"),
    use="the DashScope SDK with the base URL <gateway>/qwen/api/v1",
    # An empty account is a 400 in its own shape.
    operator_errors=re.compile(rb"Arrearage|InvalidApiKey|invalid_api_key|Unpurchased"),
    refused_headers={
        "x-dashscope-encryptionkey": Failure(
            FailureKind.BAD_REQUEST,
            "An encrypted request cannot be read, so that its cost cannot be held. Send it plain.",
            param="X-DashScope-EncryptionKey",
            code="unsupported_parameter",
        ),
        "x-dashscope-async": Failure(FailureKind.FORBIDDEN, _TASKS, param="X-DashScope-Async"),
        "x-dashscope-plugin": Failure(
            FailureKind.BAD_REQUEST,
            "Plugins run at the provider, without a limit on their cost. Leave the header out.",
            param="X-DashScope-Plugin",
            code="unsupported_parameter",
        ),
    },
    strip_request_headers=frozenset({b"x-dashscope-workspace", b"x-dashscope-ossresourceresolve"}),
    strip_response_headers=compatible.RATE_HEADERS | {b"set-cookie"},
    surfaces=(
        Surface(
            dialect=DashScopeDialect(),
            routes=(
                metered("POST", "/api/v1/services/aigc/text-generation/generation", "generation"),
                metered(
                    "POST", "/api/v1/services/aigc/multimodal-generation/generation", "multimodal"
                ),
                metered(
                    "POST",
                    "/api/v1/services/embeddings/text-embedding/text-embedding",
                    "embeddings",
                ),
                metered("POST", "/api/v1/services/rerank/text-rerank/text-rerank", "rerank"),
                metered("POST", "/api/v1/services/audio/tts/SpeechSynthesizer", "speech"),
                _task("aigc/text2image/image-synthesis", tasks.PICTURES),
                _task("aigc/image2image/image-synthesis", tasks.PICTURES),
                _task("aigc/image-generation/generation", tasks.PICTURES),
                _task("aigc/video-generation/video-synthesis", tasks.VIDEO),
                _task("aigc/image2video/video-synthesis", tasks.VIDEO),
                _task("audio/asr/transcription", tasks.TRANSCRIPT),
                owned("GET", "/api/v1/tasks/{id}", tasks.KIND, Access.USE),
                owned("POST", "/api/v1/tasks/{id}/cancel", tasks.KIND, Access.USE),
                *denied(_TASK_LIST, "/api/v1/tasks", method="GET"),
                free("POST", "/api/v1/tokenizer", "count_tokens"),
                local("/api/v1/models"),
                *denied(
                    _UNPRICED,
                    "/api-task/*",
                    "/api/v1/services/aigc/image-generation/*",
                    "/api/v1/services/aigc/image2image/*",
                    "/api/v1/services/aigc/image2video/*",
                    "/api/v1/services/aigc/text2image/*",
                    "/api/v1/services/aigc/video-generation/*",
                    "/api/v1/services/embeddings/multimodal-embedding/*",
                    "/api/v1/services/nlp/*",
                    "/api/v1/systemone/*",
                    "/compatible-api/*",
                ),
                *denied(
                    _VOICES,
                    "/api/v1/services/audio/asr/customization",
                    "/api/v1/services/audio/tts/customization",
                ),
                *denied(_OTHER, "/api/v1/services/*"),
                *denied(reasons.STORED, "/api/v1/files/*", "/api/v1/uploads/*"),
                *denied(
                    reasons.ADMIN,
                    "/api/v1/deployments/*",
                    "/api/v1/fine-tunes/*",
                    "/api/v1/models/*",
                    "/api/v1/reinforcement-learning/*",
                    "/api/v1/workspaces/*",
                ),
                *denied(reasons.BYPASS, "/api/v1/tokens/*", "/api/v1/webrtc/*"),
                *denied(
                    _APPS,
                    "/api/v1/agentstudio/*",
                    "/api/v1/apps/*",
                    "/api/v1/assistants/*",
                    "/api/v1/indices/*",
                    "/api/v1/threads/*",
                ),
                *denied(compatible.SOCKET, "/api-ws/*"),
            ),
        ),
        Surface(
            dialect=OpenAIDialect(FLAVOR),
            mount="/compatible-mode",
            upstream="/compatible-mode",
            routes=(
                metered("POST", "/v1/chat/completions", "chat"),
                metered("POST", "/v1/embeddings", "embeddings"),
                owned(
                    "POST",
                    "/v1/files",
                    "file",
                    Access.CREATE,
                    body=BodyKind.FORM,
                    reads=batch.reads(read_line),
                ),
                *kept("/v1/files", "file", ("GET", "/content")),
                metered("POST", "/v1/batches", batch.OPERATION),
                owned("GET", "/v1/batches", "batch", Access.LIST, mentions=_BATCH_FILES),
                owned("GET", "/v1/batches/{id}", "batch", Access.USE, mentions=_BATCH_FILES),
                owned(
                    "POST", "/v1/batches/{id}/cancel", "batch", Access.USE, mentions=_BATCH_FILES
                ),
                local("/v1/models"),
                local("/v1/models/{model}"),
                *denied(reasons.ADMIN, "/v1/models/{model}", method="DELETE"),
                *denied(_UNPRICED, "/v1/systemone/*"),
                *compatible.denied_paths_of_openai(
                    {"/completions": compatible.LEGACY, "/responses/*": _OWN_CHAT},
                    served=frozenset({"/embeddings"}),
                    at="/v1",
                ),
            ),
        ),
        Surface(
            dialect=AnthropicDialect(MESSAGES),
            mount="/apps/anthropic",
            upstream="/apps/anthropic",
            routes=(
                metered("POST", "/v1/messages", "messages"),
                *denied(_UNPRICED, "/v1/messages/count_tokens"),
                local("/v1/models"),
                local("/v1/models/{model}"),
                *compatible.denied_paths_of_messages(),
            ),
        ),
    ),
)

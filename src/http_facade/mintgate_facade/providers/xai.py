"""xAI: https://api.x.ai/v1. Its own SDK speaks gRPC only and cannot be served; its REST can."""

from __future__ import annotations

import re

from mintgate_facade.dialects import xai, xai_video
from mintgate_facade.dialects.anthropic import AnthropicDialect
from mintgate_facade.dialects.anthropic import Flavor as MessagesFlavor
from mintgate_facade.dialects.base import Access
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers import compatible, reasons
from mintgate_facade.providers.base import (
    Provider,
    Surface,
    denied,
    free,
    local,
    metered,
    owned,
    uploaded,
)

_SEARCH = (
    "Live search bills each source that it reads, without a limit that could be held beforehand. "
    "Search in your own code."
)
_DEFERRED = (
    "A deferred answer can be read only once: by its client, or by this gateway, which must charge "
    "for it. Leave 'deferred' out, and set 'stream' to read the answer as it is made."
)
_VIDEOS_GIVEN = (
    "A video that is given has a length that is not known beforehand, and a price that is not "
    "known to this gateway. Use POST /videos/generations."
)
_EDITS = "Changing pictures is not served. Use POST /images/generations."
_NO_COUNT = "xAI does not count tokens in this shape. Use POST /v1/tokenize-text."

FLAVOR = Flavor(
    name="xai",
    # xAI documents `max_completion_tokens` as "only applies to visible output tokens (i.e. does
    # not apply to tokens used for reasoning or function calls)". Observed answers were cut with
    # both inside the limit; as that is nowhere promised, the model's largest output is held.
    # `max_output_tokens` of Responses does hold both, by its documentation.
    visible_limit=True,
    unreasoning=re.compile(r"non-reasoning|^grok-2|^grok-3(?!-mini)"),
    tiers=frozenset({"auto", "default", "priority"}),
    # Its server-side tools stop at `max_turns`, and a turn may hold any number of calls.
    hosted_search=False,
    forbidden={
        "deferred": _DEFERRED,
        "search_parameters": _SEARCH,
    },
    unbounded_models={"multi-agent": "lets several agents work in parallel"},
    states_cost=True,
    operations=xai.OPERATIONS,
)

XAI = Provider(
    slug="xai",
    base_url="https://api.x.ai/v1",
    base_path="/v1",
    models=re.compile(r"grok-"),
    use="the OpenAI SDK with the base URL <gateway>/xai/v1",
    # A wrong key is a 400 here, whose message shows a part of the key.
    operator_errors=re.compile(rb"API key|credits|spending limit", re.IGNORECASE),
    strip_response_headers=compatible.RATE_HEADERS | {b"set-cookie"},
    surfaces=(
        Surface(
            dialect=OpenAIDialect(FLAVOR),
            routes=(
                metered("POST", "/chat/completions", "chat"),
                metered("POST", "/responses", "responses"),
                metered("POST", "/embeddings", "embeddings"),
                metered("POST", "/images/generations", "images"),
                metered("POST", "/tts", "speech"),
                uploaded("/stt", "recording", measured=True, repeated=frozenset({"keyterm"})),
                metered("POST", "/videos/generations", xai_video.OPERATION),
                owned("GET", "/videos/{id}", xai_video.KIND, Access.USE),
                owned("GET", "/responses/{id}", "response", Access.USE),
                owned("DELETE", "/responses/{id}", "response", Access.FORGET),
                free("GET", "/tts/voices", "voices"),
                free("POST", "/tokenize-text", "count_tokens"),
                free("GET", "/language-models", "language_models"),
                free("GET", "/language-models/{model}", "language_models"),
                free("GET", "/image-generation-models", "image_models"),
                free("GET", "/image-generation-models/{model}", "image_models"),
                free("GET", "/embedding-models", "embedding_models"),
                free("GET", "/embedding-models/{model}", "embedding_models"),
                free("GET", "/video-generation-models", "video_models"),
                free("GET", "/video-generation-models/{model}", "video_models"),
                local("/models"),
                local("/models/{model}"),
                *denied(reasons.ADMIN, "/models/{model}", method="DELETE"),
                *denied(reasons.ADMIN, "/api-key", "/management/*"),
                *denied(reasons.STORED, "/collections/*", "/custom-voices/*", "/documents/*"),
                *denied(_DEFERRED, "/chat/deferred-completion/*"),
                *compatible.denied_paths_of_openai(
                    {
                        "/completions": compatible.LEGACY,
                        "/images/*": _EDITS,
                        "/responses/*": reasons.STORED,
                        "/videos/*": _VIDEOS_GIVEN,
                    },
                    served=frozenset({"/embeddings"}),
                ),
            ),
        ),
        Surface(
            # Beside the others: below https://api.x.ai/v1, too.
            dialect=AnthropicDialect(
                MessagesFlavor(server_tools=False, caches_unasked=True, visible_limit=True)
            ),
            routes=(
                metered("POST", "/messages", "messages"),
                *denied(_NO_COUNT, "/messages/count_tokens"),
                *denied(reasons.DEFERRED, "/messages/batches/*"),
                *denied(compatible.LEGACY, "/complete"),
            ),
        ),
    ),
)

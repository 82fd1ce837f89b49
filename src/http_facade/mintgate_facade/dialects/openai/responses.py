"""Reads `POST /responses` (openai/types/responses/response_create_params.py)."""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_WEB_SEARCHES, UnitCount

from mintgate_facade.dialects.base import Ask, LaterWork, ObjectName, RequestView
from mintgate_facade.dialects.checks import (
    OUTPUT_TOKENS_MAX,
    Fields,
    flag,
    forbid,
    integer,
    mapping,
    model_name,
    refused,
    text,
)
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.openai import background, stored
from mintgate_facade.dialects.openai.chat import (
    input_units,
    refuse_unbounded,
    tier_variants,
)
from mintgate_facade.dialects.openai.content import Content
from mintgate_facade.dialects.openai.flavor import Flavor
from mintgate_facade.dialects.openai.items import read_input
from mintgate_facade.dialects.openai.tools import HostedTools, hosted_calls
from mintgate_facade.dialects.openai.usage import PREVIEW
from mintgate_facade.dialects.overheads import input_bound

OUTPUT_TOKENS_MIN = 16
"""The smallest `max_output_tokens` that OpenAI accepts."""

RESPONSE_KEPT_MS = 30 * 24 * 3_600_000
"""OpenAI keeps a response for 30 days unless it is told not to."""

_SHARED = "because all users of this gateway share one account at the provider"
_FORBIDDEN = {
    "prompt": (
        f"'prompt' names a stored template, {_SHARED}. Send its text in 'instructions' and 'input'."
    ),
    "context_management": (
        "'context_management' lets the provider run further passes without a limit. Shorten the "
        "input yourself."
    ),
}


_NO_CONVERSATIONS = (
    f"'conversation' reads a stored conversation, {_SHARED}. Send the earlier turns in 'input'."
)
_NO_BACKGROUND = (
    "'background' is not served for this provider. Leave it out, and set 'stream' to read the "
    "answer as it is made."
)


def read_response(request: RequestView, flavor: Flavor) -> Ask:
    """Bound a Responses request. Raises `RefusedRequest` for what cannot be bounded."""
    document = request.document
    model = model_name(document)
    forbid(document, {**_FORBIDDEN, **flavor.forbidden})
    refuse_unbounded(model, flavor)
    _check_modes(document)
    content = Content(model)
    content.mark(document, "prompt_cache_options")
    hosted = HostedTools()
    hosted.read(document)
    read_input(document, content, hosted)
    if hosted.searches and not flavor.hosted_search:
        raise refused(
            "Tools that this provider runs have no limit that could be held beforehand. Use tools "
            "that your own code runs.",
            hosted.search_param,
            "unsupported_parameter",
        )
    calls = hosted_calls(document, hosted)
    history = [*_before(document), *_conversation(document, flavor)]
    if history:
        # Its earlier turns are billed as input once more, whatever they hold.
        content.open = content.images = content.audio = True
    tokens = input_bound(
        len(request.body),
        tools=hosted.present,
        hosted=hosted.searches,
        media_bytes=content.media_bytes,
        media_tokens=content.media_tokens,
    )
    fees = [UnitCount(unit=UNIT_WEB_SEARCHES, count=calls.searches)] if calls.searches else []
    text_size = len(request.body) - content.media_bytes - content.audio_bytes
    delivered = delivered_input(tokens, text_size, content.media_tokens)
    return Ask(
        model=model,
        bound=Bound(
            input_tokens=tokens,
            input_open=content.open or hosted.searches,
            input_units=input_units(content, flavor),
            passes=calls.passes,
            output_tokens=integer(
                document, "max_output_tokens", 1, OUTPUT_TOKENS_MAX, unit="tokens"
            ),
            output_tokens_min=OUTPUT_TOKENS_MIN,
            fees=fees,
            variants=[*tier_variants(document, flavor), *([PREVIEW] if hosted.previews else [])],
        ),
        body=request.body,
        stream=flag(document, "stream"),
        uses=(*content.files, *history),
        creates="" if document.get("store") is False else "response",
        creates_for_ms=RESPONSE_KEPT_MS,
        later=_later(
            document, flavor, delivered, kept_long=content.kept_long, previews=hosted.previews
        ),
        delivered_input_tokens=delivered,
    )


def _before(document: Fields) -> list[ObjectName]:
    """The stored answer that this one goes on from, if any."""
    before = text(document, "previous_response_id")
    return [ObjectName("response", before)] if before else []


def _conversation(document: Fields, flavor: Flavor) -> list[ObjectName]:
    """The stored conversation that is read and grows by the answer, if any."""
    stated = document.get("conversation")
    if not flavor.conversations:
        forbid(document, {"conversation": _NO_CONVERSATIONS})
        return []
    if stated is None:
        return []
    if isinstance(stated, str):
        name = stated
    else:
        fields = mapping(document, "conversation") or {}
        name = text(fields, "id", where="conversation") or ""
    if not name:
        raise refused("'conversation' must be the id of a conversation.", "conversation")
    return [ObjectName(stored.CONVERSATION, name)]


def _later(
    document: Fields, flavor: Flavor, delivered: int, *, kept_long: bool, previews: bool
) -> LaterWork | None:
    """Read whether the answer is made in the background."""
    if not flag(document, "background"):
        return None
    if not flavor.background:
        raise refused(_NO_BACKGROUND, "background", "unsupported_parameter")
    if document.get("store") is False:
        # Nobody could read it, this gateway included.
        raise refused("'background' needs 'store': it is read when it is done.", "store")
    state = background.state_of(delivered, kept_long=kept_long, previews=previews)
    return LaterWork(background.OPERATION, state, {UNIT_INPUT_TOKENS: delivered})


def _check_modes(document: Fields) -> None:
    reasoning = mapping(document, "reasoning") or {}
    if text(reasoning, "mode", where="reasoning") not in {None, "standard"}:
        raise refused(
            "'reasoning.mode' other than standard has no price that this gateway knows.",
            "reasoning.mode",
        )
    cache = mapping(document, "prompt_cache_options") or {}
    if cache.get("comparison_response_id") is not None:
        raise refused(
            f"'comparison_response_id' reads a stored response, {_SHARED}.",
            "prompt_cache_options.comparison_response_id",
        )

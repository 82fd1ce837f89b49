"""Reads `POST /v1/speak`, `/v2/speak` (text that is spoken) and `/v1/read` (what it is about).

Source: deepgram-sdk 7.17, speak/v1/audio, speak/v2/audio, read/v1/text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE, Bound
from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS, UNIT_INPUT_TOKENS

from mintgate_facade.dialects.base import Ask, Reading, RequestView
from mintgate_facade.dialects.checks import MODEL_NAME_MAX, refused, text
from mintgate_facade.dialects.counted import delivered_input, utf8_bytes
from mintgate_facade.dialects.deepgram.intelligence import tokens_bound, tokens_stated
from mintgate_facade.dialects.deepgram.query import SHARED, features, one, opted_out, read_query
from mintgate_facade.dialects.media import bound_of, charge_of
from mintgate_facade.dialects.split import Units, fields

VOICE = "aura-asteria-en"
"""What Deepgram takes in the first version where the query names no model."""
READ_PRODUCT = "read"
"""Its name in the price book: there is no model to choose."""

_SPEAK = frozenset(
    {
        "bit_rate",
        "callback",
        "callback_method",
        "container",
        "encoding",
        "expressivity",
        "extra",
        "mip_opt_out",
        "model",
        "priority",
        "sample_rate",
        "speed",
        "tag",
    }
)
_CHARACTERS = re.compile(r"\d{1,9}")
_ELSEWHERE = "The length of what an address leads to is not known. Send the text in 'text'."


def read_speak(request: RequestView, *, voice: str) -> Ask:
    """Bound a text that is spoken; `voice` where the query names none, or empty."""
    query = read_query(request, _SPEAK)
    spoken = _text(request)
    model = one(query, "model") or voice
    if not model or len(model) > MODEL_NAME_MAX or not model.isprintable():
        raise refused("'model' must be the name of a voice.", "model")
    variants = opted_out(query)
    characters: Units = {UNIT_INPUT_CHARACTERS: len(spoken)}
    return Ask(
        model=model,
        bound=bound_of(characters, variants),
        body=request.body,
        counted=charge_of(model, characters, variants),
        in_headers=partial(_stated_characters, model, variants),
    )


def read_read(request: RequestView) -> Ask:
    """Bound a text that is summarised, or looked through."""
    query = read_query(request, SHARED)
    if request.document.get("url") is not None:
        raise refused(_ELSEWHERE, "url", "unsupported_parameter")
    given = utf8_bytes(_text(request))
    wanted = features(query)
    if not wanted:
        raise refused("Ask for 'summarize', 'topics', 'intents' or 'sentiment'.", "summarize")
    variants = opted_out(query)
    most_in, most_out = tokens_bound(wanted, given + len(request.query_string))
    delivered: Units = {UNIT_INPUT_TOKENS: delivered_input(most_in, given * wanted)}
    return Ask(
        model=READ_PRODUCT,
        bound=Bound(input_tokens=most_in, output_tokens=most_out, variants=variants),
        body=request.body,
        counted=charge_of(READ_PRODUCT, delivered, variants),
        in_document=partial(_stated_tokens, variants),
    )


def _stated_characters(
    model: str, variants: tuple[str, ...], headers: Mapping[str, str]
) -> Reading | None:
    stated = headers.get("dg-char-count", "")
    if not _CHARACTERS.fullmatch(stated):
        return None
    return charge_of(model, {UNIT_INPUT_CHARACTERS: int(stated)}, variants, SETTLED_BY_USAGE)


def _stated_tokens(variants: tuple[str, ...], document: dict[str, Any]) -> Reading | None:
    metadata = fields(document.get("metadata"))
    # The SDK has it a level deeper than the vendor's own examples.
    units = tokens_stated(metadata) or tokens_stated(fields(metadata.get("metadata")))
    return charge_of(READ_PRODUCT, units, variants, SETTLED_BY_USAGE) if units else None


def _text(request: RequestView) -> str:
    found = text(request.document, "text")
    if not found:
        raise refused("'text' must be a non-empty string.", "text")
    return found

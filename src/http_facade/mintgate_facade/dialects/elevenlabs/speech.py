"""Reads what is billed by the characters of a text: speech, dialogue, designs of voices.

An answer states its credits in the header `character-cost`. That is the charge: it includes
what a request cannot know, the rate of a voice and of a busy account. Without it all
characters of the text are charged, spaces, tags and SSML included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from functools import partial
from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS

from mintgate_facade.dialects.base import Ask, Reading, RequestView
from mintgate_facade.dialects.checks import Fields, flag, forbid, inside, objects, refused, text
from mintgate_facade.dialects.elevenlabs.fields import SHARED, UNSPOKEN, model_of
from mintgate_facade.dialects.elevenlabs.voices import (
    PREVIEW,
    dictionaries_of,
    previews_in,
    voice_of_path,
    voice_of_turn,
)
from mintgate_facade.dialects.media import bound_of, charge_of

SPEECH_MODEL = "eleven_multilingual_v2"
DIALOGUE_MODEL = "eleven_v3"
DESIGN_MODEL = "voice-design"
"""The product's name in the price book; models of it are aliases."""
DESIGN_CHARACTERS_MAX = 1_000
"""The longest text of a preview, and what one is held for that the provider writes itself."""
DEAREST_RATE = 2
"""A request beyond an account's concurrency limit is billed double; voices of the library
have rates of their own. More than this is charged as an overrun."""

_DESIGN_MARK = "_ttv_"
_HALF_A_CREDIT = (
    "eleven_flash_",
    "eleven_turbo_",
    "eleven_v3_conversational",
    "eleven_v4_turbo",
)
"""Models whose characters cost half a credit each; of all others they cost one."""
_CREDITS = re.compile(r"\d{1,12}(\.\d{1,12})?")
_PREVIEWS = "The ids of its previews could not be kept for their key alone. Leave it out."


def read_speech(request: RequestView) -> Ask:
    """Bound one text that is spoken by one voice."""
    document = request.document
    forbid(document, SHARED)
    spoken = _spoken(document)
    ask = _by_character(request, model_of(document, SPEECH_MODEL), len(spoken))
    return replace(ask, uses=voice_of_path(request) + dictionaries_of(document))


def read_dialogue(request: RequestView) -> Ask:
    """Bound the turns of a dialogue."""
    document = request.document
    forbid(document, SHARED)
    turns = objects(document, "inputs")
    if not turns:
        raise refused("'inputs' must be an array with at least one turn.", "inputs")
    spoken = [_spoken(turn, where=f"inputs[{index}]") for index, turn in enumerate(turns)]
    voices = (voice_of_turn(turn, f"inputs[{index}]") for index, turn in enumerate(turns))
    ask = _by_character(request, model_of(document, DIALOGUE_MODEL), sum(map(len, spoken)))
    return replace(ask, uses=(*dict.fromkeys(voices), *dictionaries_of(document)))


def read_design(request: RequestView) -> Ask:
    """Bound previews of a voice that is described: one text, billed once for all of them."""
    document = request.document
    forbid(document, UNSPOKEN | {"stream_previews": _PREVIEWS})
    model = model_of(document, DESIGN_MODEL, mark=_DESIGN_MARK)
    written = text(document, "text") or ""
    if flag(document, "auto_generate_text") or not written:
        ask = _by_character(request, model, DESIGN_CHARACTERS_MAX)
        return _of_previews(request, replace(ask, in_document=partial(_own_text, model)))
    if len(written) > DESIGN_CHARACTERS_MAX:
        raise refused(
            f"'text' has {len(written)} characters; at most {DESIGN_CHARACTERS_MAX} are allowed.",
            "text",
        )
    return _of_previews(request, _by_character(request, model, len(written)))


def stated_characters(model: str, headers: Mapping[str, str]) -> Reading | None:
    """Read the credits of an answer as characters of its model, rounded up."""
    stated = headers.get("character-cost", "")
    if not _CREDITS.fullmatch(stated):
        return None
    per_credit = 2 if model.startswith(_HALF_A_CREDIT) else 1
    characters = (Decimal(stated) * per_credit).to_integral_value(rounding=ROUND_CEILING)
    return charge_of(model, {UNIT_INPUT_CHARACTERS: int(characters)}, basis=SETTLED_BY_USAGE)


def _by_character(request: RequestView, model: str, characters: int) -> Ask:
    return Ask(
        model=model,
        bound=bound_of({UNIT_INPUT_CHARACTERS: characters * DEAREST_RATE}),
        body=request.body,
        counted=charge_of(model, {UNIT_INPUT_CHARACTERS: characters}),
        in_headers=partial(stated_characters, model),
    )


def _of_previews(request: RequestView, ask: Ask) -> Ask:
    """The same, with the voice that is remixed, and the previews that are the key's alone."""
    return replace(ask, uses=voice_of_path(request), creates=PREVIEW, made=previews_in)


def _own_text(model: str, document: dict[str, Any]) -> Reading | None:
    """Read the text that the provider wrote itself, where the answer repeats it."""
    written = document.get("text")
    if not isinstance(written, str):
        return None
    return charge_of(model, {UNIT_INPUT_CHARACTERS: len(written)})


def _spoken(fields: Fields, *, where: str = "") -> str:
    spoken = text(fields, "text", where=where)
    if not spoken:
        param = inside(where, "text")
        raise refused(f"'{param}' must be a non-empty string.", param)
    return spoken

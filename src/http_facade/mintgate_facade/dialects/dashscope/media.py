"""Reads what is billed by the piece: speech by its characters, pictures by their number.

Sources: dashscope 2.0.2, v2/resources/audio/http_tts.py and v2/resources/images.py.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS, UNIT_OUTPUT_IMAGES

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import array, flag, forbid, integer, model_name, refused, text
from mintgate_facade.dialects.counted import utf8_bytes
from mintgate_facade.dialects.dashscope.content import Content
from mintgate_facade.dialects.dashscope.generation import is_stream, sections
from mintgate_facade.dialects.media import charge_of
from mintgate_facade.dialects.pieces import ask_for

CHARACTERS_MAX = 20_000
PICTURES_MAX = 6
PICTURES_UNASKED = 4
"""What models draw at most when a request does not say how many."""

_PICTURE_MODELS = re.compile(r"qwen-image|wan\d.*(image|t2i)|z-image|flux|stable-diffusion")
_WIDE = frozenset({"W", "F"})
_FORBIDDEN = {
    "enable_interleave": "How many pictures it draws then is left to the model. Leave it out.",
    "enable_search": "Web search is billed beside the pictures. Leave it out.",
}


def is_speech(request: RequestView) -> bool:
    """Whether a multimodal request is a text to be spoken."""
    inputs, _ = sections(request)
    return inputs.get("text") is not None and not inputs.get("messages")


def draws(model: str) -> bool:
    """Whether a model of the multimodal route is one that makes pictures."""
    return _PICTURE_MODELS.match(model) is not None


def read_speech(request: RequestView) -> Ask:
    """Bound speech by the bytes of its text: a Chinese character has three, and counts as two."""
    inputs, _ = sections(request)
    spoken = text(inputs, "text", where="input")
    if not spoken:
        raise refused("'input.text' must be a non-empty string.", "input.text")
    if len(spoken) > CHARACTERS_MAX:
        raise refused(
            f"'input.text' has {len(spoken)} characters; at most {CHARACTERS_MAX} are allowed.",
            "input.text",
        )
    told = sum(
        utf8_bytes(text(inputs, name, where="input") or "")
        for name in ("instruct", "instruction", "instructions", "language_type")
    )
    model = model_name(request.document)
    most = utf8_bytes(spoken) + told
    return replace(
        ask_for(request, model, UNIT_INPUT_CHARACTERS, most, stream=is_stream(request)),
        counted=charge_of(model, {UNIT_INPUT_CHARACTERS: spoken_characters(spoken)}),
    )


def spoken_characters(spoken: str) -> int:
    """Count as DashScope does, for an answer that does not say: wide characters twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in _WIDE else 1 for letter in spoken)


def read_pictures(request: RequestView) -> Ask:
    """Bound pictures by their number; what they are drawn after costs nothing."""
    inputs, parameters = sections(request)
    forbid(parameters, _FORBIDDEN)
    flag(parameters, "prompt_extend", where="parameters")
    if not array(inputs, "messages", where="input"):
        raise refused("'input.messages' must be a non-empty array.", "input.messages")
    Content().read_messages(inputs)
    asked = integer(parameters, "n", 1, PICTURES_MAX, where="parameters")
    return ask_for(
        request,
        model_name(request.document),
        UNIT_OUTPUT_IMAGES,
        PICTURES_UNASKED if asked is None else asked,
        stream=is_stream(request),
    )

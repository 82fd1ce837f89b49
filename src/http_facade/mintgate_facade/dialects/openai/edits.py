"""Reads `POST /images/edits`: a form with pictures (openai/types/image_edit_params.py).

What is drawn is bounded as in a generation. A picture that is sent is billed by its tiles, at
most 1,097 tokens, and at high fidelity 6,144 more; newer models always see at high fidelity.
"""

from __future__ import annotations

from typing import Any

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import UNIT_CACHE_WRITE_5M_TOKENS, UNIT_INPUT_IMAGE_TOKENS

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import choice, refused
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.openai.images import ask_for_pictures
from mintgate_facade.dialects.overheads import input_bound

INPUT_PICTURES_MAX = 16
PICTURE_TOKENS_MAX = 8_192
"""Above 1,097 for tiles and 6,144 for fidelity."""
PICTURE_TOKENS_LOW = 1_097
"""Of a picture at low fidelity: what is charged where an answer breaks off."""

_PICTURES = frozenset({"image", "image[]"})
_OVERLAYS = frozenset({"mask", "markup"})
_FIDELITIES = frozenset({"high", "low"})
_NUMBERS = frozenset({"n", "partial_images"})
_DIGITS_MAX = 4
_BOOLEANS = {"true": True, "false": False}


def read_edit(request: RequestView) -> Ask:
    """Bound the change of pictures that stand in the form."""
    document = _typed(request)
    choice(document, "input_fidelity", _FIDELITIES)
    pictures = [file for file in request.files if file.name in _PICTURES]
    if not 0 < len(pictures) <= INPUT_PICTURES_MAX:
        raise refused(f"The form must have 1 to {INPUT_PICTURES_MAX} files in 'image'.", "image")
    for file in request.files:
        if file.name not in _PICTURES | _OVERLAYS:
            raise refused(f"The form has a file in {file.name[:64]!r}, which has no known price.")
    size = sum(len(str(value).encode()) for value in request.document.values())
    seen = len(request.files)
    # A mask is a picture of its own, should it be billed.
    tokens = input_bound(size + seen * PICTURE_TOKENS_MAX, tools=False, hosted=False)
    return ask_for_pictures(
        document,
        Bound(
            input_tokens=tokens,
            input_units=[UNIT_CACHE_WRITE_5M_TOKENS, UNIT_INPUT_IMAGE_TOKENS],
        ),
        delivered_input(tokens, size, len(pictures) * PICTURE_TOKENS_LOW),
        b"",
    )


def _typed(request: RequestView) -> dict[str, Any]:
    """The fields with the types that they have in JSON; a form has strings only."""
    document: dict[str, Any] = {}
    for name, value in request.document.items():
        if name.partition("[")[0] in {"image", "images", *_OVERLAYS}:
            raise refused(f"'{name[:64]}' must be a file: upload the picture itself.", name[:64])
        # Parts of an object come as "svg[model]".
        document[name.partition("[")[0]] = _value(name, value)
    return document


def _value(name: str, value: Any) -> Any:
    if name == "stream":
        if value not in _BOOLEANS:
            raise refused("'stream' must be true or false.", name)
        return _BOOLEANS[value]
    if name in _NUMBERS:
        if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX):
            raise refused(f"'{name}' must be a whole number.", name)
        return int(value)
    return value

"""The checks Google makes on a body.

It is protobuf's JSON: fields may be written in camelCase or snake_case, whole numbers may be
strings, and unknown fields are refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import is_int

if TYPE_CHECKING:
    from mintgate_simulator.request import Request

_NOT_JSON = "Invalid JSON payload received. Unexpected token."
_HUMP = re.compile(r"[A-Z]")
INT32_MAX = 2_147_483_647


def body_of(request: Request, known: frozenset[str]) -> dict[str, Any]:
    """The body, a JSON object with no field outside ``known`` (in snake_case).

    The result has its top-level fields in snake_case.
    """
    body = {snake(name): value for name, value in request.json_object(_NOT_JSON).items()}
    for name in body:
        if name not in known:
            raise Refusal(
                400,
                f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.',
            )
    return body


def snake(name: str) -> str:
    """``maxOutputTokens`` as ``max_output_tokens``."""
    return name if name.islower() else _HUMP.sub(lambda hump: "_" + hump[0].lower(), name)


def mapping(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An optional object with its fields in snake_case; empty when absent."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(400, f"Invalid value at '{name}' (type.googleapis.com/google.protobuf.Any)")
    return {snake(key): child for key, child in value.items()}


def objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """An optional list of objects, each with its fields in snake_case; empty when absent."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refusal(400, f"Invalid value at '{name}' (expected a list of objects)")
    return [{snake(key): child for key, child in item.items()} for item in value]


def contents_of(body: dict[str, Any], message: str) -> list[dict[str, Any]]:
    """The conversation: at least one content, each with a list of parts."""
    contents = objects(body, "contents")
    if not contents:
        raise Refusal(400, f"* {message}.contents: contents is not specified\n")
    for index, content in enumerate(contents):
        if not isinstance(content.get("parts"), list) or not content["parts"]:
            raise Refusal(
                400,
                f"* {message}.contents[{index}].parts: contents.parts must not be empty.\n",
            )
    return contents


def whole_number(
    body: dict[str, Any], name: str, *, smallest: int, largest: int = INT32_MAX
) -> int | None:
    """An optional int32 inside its bounds; a string of digits counts as one."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not is_int(value) or not -INT32_MAX <= value <= INT32_MAX:
        raise Refusal(400, f"Invalid value at 'generation_config.{name}' (TYPE_INT32), {value!r}")
    if not smallest <= value <= largest:
        raise Refusal(400, f"Invalid value at 'generation_config.{name}': {value} is out of range.")
    return int(value)

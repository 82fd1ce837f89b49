"""Gemini reads every field under two names: `maxOutputTokens` and `max_output_tokens`.

That is proto3's JSON mapping. A request that uses both could be bounded by one
and run by the other, so it is refused.
"""

from __future__ import annotations

from mintgate_facade.dialects.checks import Fields, inside, refused


def unify(fields: Fields, where: str = "") -> Fields:
    """Give an object's fields their camelCase names."""
    if not any("_" in name for name in fields):
        return fields
    unified: dict[str, object] = {}
    for name, value in fields.items():
        camel = to_camel(name)
        if camel in unified:
            param = inside(where, camel)
            raise refused(f"'{param}' is set twice, as {camel} and {to_snake(camel)}.", param)
        unified[camel] = value
    return unified


def to_camel(name: str) -> str:
    """`max_output_tokens` to `maxOutputTokens`, as protobuf derives JSON names."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def to_snake(name: str) -> str:
    """`maxOutputTokens` to `max_output_tokens`."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)

"""Tool calls: sample arguments that satisfy a tool's JSON schema, so that an agent can run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

DEPTH_MAX = 8
"""Nested objects and arrays that are filled in; deeper ones stay empty."""
PROPERTIES_MAX = 64
"""Properties of one object that are filled in."""

_SAMPLES: dict[str, object] = {
    "string": "sample",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a function; ``arguments`` is the JSON text of ``values``."""

    name: str
    values: dict[str, Any]
    arguments: str


def make_call(name: str, schema: object) -> ToolCall:
    """A call of the named function with arguments that fit its schema."""
    values = _sample(schema, 0) if isinstance(schema, dict) else {}
    if not isinstance(values, dict):
        values = {}
    return ToolCall(name, values, orjson.dumps(values).decode())


def _sample(schema: dict[str, Any], depth: int) -> object:
    """A value for a schema: its first stated choice, else one of its type."""
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    for key in ("anyOf", "oneOf", "allOf"):
        options = schema.get(key)
        if isinstance(options, list) and options and isinstance(options[0], dict):
            return _sample(options[0], depth)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "string"
    # Gemini writes the types of its schema dialect in capitals.
    kind = str(kind).lower()
    if kind == "object":
        return _sample_object(schema, depth + 1) if depth < DEPTH_MAX else {}
    if kind == "array":
        item = schema.get("items")
        return [_sample(item, depth + 1)] if isinstance(item, dict) and depth < DEPTH_MAX else []
    return _SAMPLES.get(kind, "sample")


def _sample_object(schema: dict[str, Any], depth: int) -> dict[str, object]:
    """An object with every required property, or with all of them where none is required."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    required = schema.get("required")
    names = required if isinstance(required, list) and required else list(properties)
    return {
        name: _sample(properties[name], depth)
        for name in names[:PROPERTIES_MAX]
        if isinstance(properties.get(name), dict)
    }

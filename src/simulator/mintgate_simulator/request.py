"""One received request, as the twins see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import parse_qs

import orjson

from .control import DEFAULT_CONTROLS, Controls
from .refusal import Refusal

CREATED_AT_S = 1_790_000_000
"""The fixed second (September 2026) that every answer says it was made in."""


@dataclass(slots=True)
class Request:
    """``path`` is relative to the provider's prefix; ``number`` counts requests from 1."""

    number: int
    method: str
    path: str
    query: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    controls: Controls = DEFAULT_CONTROLS

    def header(self, name: bytes) -> str | None:
        """The first header of that (lower-case) name."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None

    def query_value(self, name: str) -> str | None:
        """The first query parameter of that name."""
        if not self.query:
            return None
        values = parse_qs(self.query, keep_blank_values=True).get(name)
        return values[0] if values else None

    def json_object(self, message: str) -> dict[str, Any]:
        """The body as a JSON object; ``message`` is the provider's text for anything else."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise Refusal(400, message) from None
        if not isinstance(body, dict):
            raise Refusal(400, message)
        return body


def is_int(value: object) -> TypeGuard[int]:
    """Whether a JSON value is a whole number (JSON's booleans are not)."""
    return isinstance(value, int) and not isinstance(value, bool)

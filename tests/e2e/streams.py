"""Streams of every dialect, at the level of bytes."""

from __future__ import annotations

import json
from typing import Any

from tests.buyer import Buyer
from tests.e2e.refusals import BODIES, GEMINI_MODEL, PATHS, credentials
from tests.wire import RawConnection

STREAM_PATHS = PATHS | {"gemini": f"{GEMINI_MODEL}:streamGenerateContent?alt=sse"}
FIRST_BYTES = b"data: "


def open_stream(
    buyer: Buyer, dialect: str, simulate: str, body: dict[str, Any] | None = None
) -> RawConnection:
    """Ask for a stream, and read until it has begun."""
    body = body or BODIES[dialect]
    if dialect != "gemini":
        body = body | {"stream": True}
    connection = RawConnection(buyer.gateway.url)
    # The end of the answer is then the end of the connection.
    own = {"x-simulate": simulate, "connection": "close"}
    headers = credentials(dialect, buyer) | own
    connection.request("POST", STREAM_PATHS[dialect], headers, json.dumps(body).encode())
    connection.read_until(FIRST_BYTES)
    return connection

"""Writes control answers: money both rounded for people and exact for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from mintgate.money import usd
from starlette.responses import Response

from mintgate_facade.relay.exchange import to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["answer", "to_micros", "usd_number"]

_HEADERS = {"cache-control": "no-store"}


def answer(document: Mapping[str, Any], status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(document), status, headers=_HEADERS, media_type="application/json")


def usd_number(amount_nano_usd: int) -> orjson.Fragment:
    """Nano-USD as an exact JSON number in USD, without a trailing zero."""
    text = f"{usd(amount_nano_usd):f}"
    return orjson.Fragment(text.rstrip("0").rstrip(".") if "." in text else text)

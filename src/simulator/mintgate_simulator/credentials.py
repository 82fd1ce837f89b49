"""What the twins check about credentials, whatever place a provider wants them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .request import Request

REJECTED_KEY = "sim-bad-key"
"""The one credential that every twin calls wrong."""
MINTED_KEY_MARK = b"qlk_live_"
"""How every key minted by the gateway begins. A provider must never get to see one."""


def carries_minted_key(request: Request) -> bool:
    """Whether a minted key reached the provider, in any header or in the query.

    Every header is searched and not only the known credential places: a key that leaks upstream
    in an unexpected place is the mistake this exists to find.
    """
    if MINTED_KEY_MARK.decode() in request.query:
        return True
    return any(MINTED_KEY_MARK in value for _, value in request.headers)


def bearer_token(request: Request) -> str | None:
    """The token of ``Authorization: Bearer``, if there is one."""
    header = request.header(b"authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None

"""From where a key may be used: browser origins and client addresses, as the facade saw them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from mintgate_core.ledger.errors import AddressNotAllowed, LedgerError, OriginNotAllowed
from mintgate_core.ledger.types import Key

LISTS_CACHED_MAX = 4_096
"""Compiled lists; keys of one app share the same few."""
ADDRESS_TOLD_CHARACTERS_MAX = 64

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret was shown."""

    origin: str = ""
    """The request's Origin header; empty when it had none."""
    client_address: str = ""
    """The client's IP address; empty when it is not known."""


def elsewhere(key: Key, place: Place) -> LedgerError | None:
    """Why a key may not be used from here, or None."""
    if key.allowed_origins and _origins(key.allowed_origins).fullmatch(place.origin) is None:
        if not place.origin:
            # A list of origins says that the key lives in web pages. Whoever took it from
            # there and calls without a browser is the one whom the list is for.
            return OriginNotAllowed(
                "this key may be used from the browser origins in its allowed_origins only, and"
                " this request has no Origin header; use another key on servers",
                field="origin",
            )
        return OriginNotAllowed(
            f"this key may not be used from the origin {place.origin};"
            " add it to the key's allowed_origins",
            field="origin",
        )
    if key.allowed_cidrs and not _within(place.client_address, key.allowed_cidrs):
        shown = place.client_address[:ADDRESS_TOLD_CHARACTERS_MAX] or "an unknown address"
        return AddressNotAllowed(
            f"this key may not be used from {shown}; add it to the key's allowed_cidrs",
            field="client_address",
        )
    return None


@lru_cache(LISTS_CACHED_MAX)
def _origins(allowed: tuple[str, ...]) -> re.Pattern[str]:
    """All of a list in one pattern; `*` is one or more labels of a host name."""
    each = (re.escape(origin).replace(r"\*", r"[a-z0-9_-][a-z0-9_.-]*") for origin in allowed)
    return re.compile("|".join(each))


@lru_cache(LISTS_CACHED_MAX)
def _networks(allowed: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(cidr) for cidr in allowed)


def _within(text: str, allowed: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        # A socket for both families shows an IPv4 client as ::ffff:a.b.c.d.
        address = address.ipv4_mapped or address
    return any(address in network for network in _networks(allowed))

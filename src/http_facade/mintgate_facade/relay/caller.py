"""Who calls: the origin of its page, and its address behind the proxies that are trusted."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mintgate_facade.relay.asgi import Headers, Scope

CALLER = "mintgate.caller"
"""Where the scope of a control request has its `Caller`."""
HOPS_MAX = 32
"""Entries of a forwarding header that are read, from the right; a longer way is not believed."""
ADDRESSES_KEPT = 4_096
"""Addresses of which it is remembered whether they are a proxy's."""

_PAIR = re.compile(r'[ \t]*([\w!#$%&\'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[^",; \t]*)[ \t]*([,;]|$)')
_PORT = re.compile(r":[0-9]{1,5}")


class Caller(NamedTuple):
    """Where a request comes from, as far as a key may ask."""

    origin: str = ""
    """What the browser says; empty when it is none."""
    client_address: str = ""
    """Empty when it is not known."""
    welcome: bool = True
    """The gateway serves pages of this origin."""


NOWHERE = Caller()


class ClientAddresses:
    """Finds the client's address: the connection's other end, or what trusted proxies say."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """`trusted` are ranges of addresses of proxies."""
        self._trusted = tuple(ipaddress.ip_network(cidr) for cidr in trusted)
        self._is_proxy = lru_cache(ADDRESSES_KEPT)(self._within)

    def of(self, scope: Scope) -> str:
        """The client's address; empty when nobody who is trusted knows it."""
        client = scope.get("client")
        peer: str = client[0] if client else ""
        if not self._trusted or not self._is_proxy(peer):
            return peer
        return self._forwarded(scope["headers"], peer)

    def _forwarded(self, headers: Headers, peer: str) -> str:
        """What the proxies say, nearest first; each appends whom it has seen itself."""
        listed: list[str] = []
        standard: list[str] = []
        for name, value in headers:
            if name == b"x-forwarded-for":
                listed += value.decode("latin-1").split(",")
            elif name == b"forwarded":
                standard += _forwarded_for(value.decode("latin-1"))
        found = {self._first_untrusted(hops) for hops in (listed, standard) if hops}
        if len(found) > 1:
            # A proxy writes one of the two and passes the other on as the client made it up.
            return ""
        return found.pop() if found else peer

    def _first_untrusted(self, hops: Sequence[str]) -> str:
        """From the right: what stands left of an entry that is no proxy's, anybody can write."""
        for text in reversed(hops[-HOPS_MAX:]):
            address = address_in(text)
            if not address or not self._is_proxy(address):
                return address
        return address_in(hops[0]) if len(hops) <= HOPS_MAX else ""

    def _within(self, text: str) -> bool:
        address = address_in(text)
        if not address:
            return False
        value = ipaddress.ip_address(address)
        return any(value in network for network in self._trusted)


def address_in(text: str) -> str:
    """The address in an entry such as "192.0.2.1:443" or "[2001:db8::1]"; empty when none is."""
    text = text.strip(' \t"')
    if text.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        text = inside if bracket and (not rest or _PORT.fullmatch(rest)) else ""
    elif text.count(":") == 1:
        text, _, rest = text.partition(":")
        text = text if _PORT.fullmatch(f":{rest}") else ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or address)
    return str(address)


def _forwarded_for(header: str) -> list[str]:
    """The `for` of each element of a `Forwarded` header (RFC 7239), in order.

    An element without one is an empty entry. A header that cannot be read is one as well, at the
    end: an open quote of the client's must not swallow what the proxy wrote after it.
    """
    hops: list[str] = []
    named = ""
    at = 0
    while at < len(header):
        pair = _PAIR.match(header, at)
        if pair is None:
            return [*hops, ""]
        if pair[1].lower() == "for":
            named = pair[2]
        if pair[3] != ";":
            hops.append(named)
            named = ""
        at = pair.end()
    return hops

"""Where a key, or the gateway, may be used from: how origins and address ranges are written.

Both are kept as a browser or the `ipaddress` library writes them, so that what is
compared later is compared as text or by value, and a mistake is told when it is made.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

ORIGINS_MAX: Final = 64
ORIGIN_CHARACTERS_MAX: Final = 300
"""A scheme, a host name of 253 characters and a port."""
CIDRS_MAX: Final = 64
CIDR_CHARACTERS_MAX: Final = 64

ANY_ORIGIN: Final = "*"
NO_ORIGIN: Final = "none"
"""What the gateway's own list of origins may say instead of entries."""
ANY_SUBDOMAIN: Final = "*."
DEFAULT_PORTS: Final = {"http": "80", "https": "443"}

_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_PORT_MAX: Final = 65_535
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_MAPPED_BITS: Final = 96


def parse_origin(text: str) -> str:
    """Check a browser origin, or a pattern of all subdomains.

    Raises `ValueError` with a sentence that says how to write it.
    """
    if len(text) > ORIGIN_CHARACTERS_MAX:
        raise ValueError(f"an origin has at most {ORIGIN_CHARACTERS_MAX} characters")
    if text == "null":
        raise ValueError("'null' is the origin of every sandboxed page, and names none")
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not an origin as browsers write it: scheme, host and port in lower"
            " case, without a path, such as 'https://app.example.com', or"
            " 'https://*.example.com' for every subdomain"
        )
    scheme, host, port = found["scheme"], found["host"], found["port"]
    if ".." in host:
        raise ValueError(f"{text!r} has an empty label in its host")
    if port is not None and port == DEFAULT_PORTS.get(scheme):
        raise ValueError(f"browsers leave the default port out: write '{scheme}://{host}'")
    if port is not None and int(port) > _PORT_MAX:
        raise ValueError(f"{text!r} has a port above {_PORT_MAX}")
    domain = host.removeprefix(ANY_SUBDOMAIN)
    if domain != host and "." not in domain and domain != "localhost":
        raise ValueError(f"{text!r} would allow every site under '{domain}'; name a domain in it")
    return text


def parse_cidr(text: str) -> str:
    """Check a range of addresses, or one address, and return it as a range.

    Raises `ValueError` with a sentence that says how to write it.
    """
    try:
        # A zone ("%eth0") means something on one machine only.
        network = ipaddress.ip_network("" if "%" in text else text, strict=False)
    except ValueError:
        raise ValueError(
            f"{text[:CIDR_CHARACTERS_MAX]!r} is not a range of addresses, such as"
            " '203.0.113.0/24' or '2001:db8::/32'"
        ) from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = ipaddress.IPv4Address(int(network.network_address) & 0xFFFF_FFFF)
        raise ValueError(
            f"IPv4 clients have IPv4 addresses: write '{inner}/{network.prefixlen - _MAPPED_BITS}'"
        )
    address = text.partition("/")[0]
    if ipaddress.ip_address(address) != network.network_address:
        raise ValueError(f"{text!r} has bits set behind its prefix: write '{network}'")
    return str(network)

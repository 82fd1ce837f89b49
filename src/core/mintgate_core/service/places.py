"""Where a call comes from, and the lists of places that a key may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

from mintgate.channel import CALLER_ADDRESS, CALLER_ORIGIN
from mintgate.places import (
    CIDR_CHARACTERS_MAX,
    CIDRS_MAX,
    ORIGIN_CHARACTERS_MAX,
    ORIGINS_MAX,
    parse_cidr,
    parse_origin,
)

from mintgate_core.ledger.errors import Invalid
from mintgate_core.ledger.places import Place
from mintgate_core.service import requests


def allowed_origins(values: Sequence[str]) -> tuple[str, ...]:
    """The browser origins of a key."""
    return _listed(values, "allowed_origins", ORIGINS_MAX, parse_origin)


def allowed_cidrs(values: Sequence[str]) -> tuple[str, ...]:
    """The ranges of client addresses of a key."""
    return _listed(values, "allowed_cidrs", CIDRS_MAX, parse_cidr)


def shown_at(origin: str, client_address: str) -> Place:
    """Where a secret was shown, as a facade says."""
    return Place(
        requests.text(origin, "origin", ORIGIN_CHARACTERS_MAX),
        requests.text(client_address, "client_address", CIDR_CHARACTERS_MAX),
    )


def told_by_facade(metadata: Mapping[str, str | bytes]) -> Place:
    """Where the caller of a facade is, from the call's metadata."""
    return shown_at(str(metadata.get(CALLER_ORIGIN, "")), str(metadata.get(CALLER_ADDRESS, "")))


def of_peer(peer: str) -> Place:
    """Where a caller without a facade is: gRPC's "ipv4:192.0.2.1:50000" or "ipv6:[::1]:50000"."""
    family, _, rest = unquote(peer).partition(":")
    if family not in {"ipv4", "ipv6"}:
        return Place()
    return Place(client_address=rest.rpartition(":")[0].strip("[]"))


def _listed(
    values: Sequence[str], field: str, most: int, parse: Callable[[str], str]
) -> tuple[str, ...]:
    if len(values) > most:
        raise Invalid(f"{field} must have at most {most} entries", field=field)
    try:
        return tuple(dict.fromkeys(parse(value) for value in values))
    except ValueError as error:
        raise Invalid(f"{field}: {error}", field=field) from None

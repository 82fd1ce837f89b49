"""From where a key may be used, decided on the key's two lists."""

from __future__ import annotations

import re

import pytest
from mintgate.places import parse_origin
from mintgate_core.ledger import elsewhere
from mintgate_core.ledger.errors import AddressNotAllowed, LedgerError, OriginNotAllowed
from mintgate_core.ledger.places import Place
from mintgate_core.ledger.types import Key, KeyScope, KeyStatus

ORIGINS = ("https://app.example.com", "https://*.example.org", "http://*.localhost:3000")
CIDRS = ("203.0.113.0/24", "2001:db8::/32")


def key(origins: tuple[str, ...] = (), cidrs: tuple[str, ...] = ()) -> Key:
    return Key(
        key_id="key",
        account_id="acc",
        wallet_id=1,
        line_ids=(2,),
        secret_sha256=bytes(32),
        name="n",
        prefix="p",
        scope=KeyScope.STANDARD,
        status=KeyStatus.ACTIVE,
        created_at_ms=1,
        allowed_origins=tuple(parse_origin(origin) for origin in origins),
        allowed_cidrs=cidrs,
    )


def kind(refusal: LedgerError | None) -> type[LedgerError] | None:
    return None if refusal is None else type(refusal)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example.com", True),
        ("https://app.example.com:8443", False),
        ("http://app.example.com", False),
        ("https://example.com", False),
        ("https://app.example.com.evil.example", False),
        ("https://evil-app.example.com", False),
        ("https://appXexample.com", False),
        ("https://a.example.org", True),
        ("https://a.b.example.org", True),
        ("https://example.org", False),
        ("https://.example.org", False),
        ("https://evil.example/.example.org", False),
        ("https://evil.example:1.example.org", False),
        ("https://a.example.org:8443", False),
        ("https://aexample.org", False),
        ("http://web.localhost:3000", True),
        ("http://web.localhost:3001", False),
        ("null", False),
        ("", False),
    ],
)
def test_origins(origin: str, allowed: bool) -> None:  # noqa: FBT001 - a table's column
    """An origin matches an entry whole; `*` is one or more labels of the host and nothing else."""
    refusal = elsewhere(key(ORIGINS), Place(origin, "203.0.113.7"))
    assert kind(refusal) is (None if allowed else OriginNotAllowed)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.0.113.0", True),
        ("203.0.113.255", True),
        ("203.0.114.0", False),
        ("::ffff:203.0.113.7", True),
        ("::ffff:203.0.114.7", False),
        ("2001:db8::1", True),
        ("2001:db8::1%eth0", True),
        ("2001:db9::1", False),
        ("::1", False),
        ("", False),
        ("unknown", False),
        ("203.0.113.7, 10.0.0.1", False),
    ],
)
def test_addresses(address: str, allowed: bool) -> None:  # noqa: FBT001 - a table's column
    """An address matches by value, in whichever family it is written; none matches no range."""
    refusal = elsewhere(key(cidrs=CIDRS), Place("", address))
    assert kind(refusal) is (None if allowed else AddressNotAllowed)


def test_no_list_allows_every_place() -> None:
    """A key without lists asks nothing, also where nothing is known."""
    assert elsewhere(key(), Place()) is None
    assert elsewhere(key(), Place("null", "unknown")) is None


def test_both_lists_must_agree() -> None:
    """With both lists, a request needs an origin of the one and an address of the other."""
    both = key(ORIGINS, CIDRS)
    assert elsewhere(both, Place("https://app.example.com", "203.0.113.7")) is None
    assert kind(elsewhere(both, Place("https://app.example.com", "::1"))) is AddressNotAllowed
    assert kind(elsewhere(both, Place("", "203.0.113.7"))) is OriginNotAllowed


def test_refusals_say_what_to_change() -> None:
    """Each refusal names what was seen and the list to add it to."""
    seen = {
        "strange": elsewhere(key(ORIGINS), Place("https://example.net")),
        "server": elsewhere(key(ORIGINS), Place()),
        "far": elsewhere(key(cidrs=CIDRS), Place("", "198.51.100.7")),
        "unknown": elsewhere(key(cidrs=CIDRS), Place()),
    }
    told = {name: "" if refusal is None else refusal.message for name, refusal in seen.items()}
    assert re.search("https://example.net; .*allowed_origins", told["strange"])
    assert re.search("no Origin header; .*another key", told["server"])
    assert re.search("198.51.100.7; .*allowed_cidrs", told["far"])
    assert re.search("unknown address; .*allowed_cidrs", told["unknown"])

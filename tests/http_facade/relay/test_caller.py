"""The client's address: the connection's other end, or what trusted proxies say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mintgate_facade.relay.caller import HOPS_MAX, ClientAddresses

from tests.http_facade.relay.conftest import JSON_HEADERS, KEY, CoreServer, chat_body, serving

if TYPE_CHECKING:
    from mintgate_facade.settings import FacadeSettings

PROXIES = ("10.0.0.0/8", "2001:db8:ff::/48")
PROXY, CLIENT, FORGED = "10.0.0.1", "203.0.113.7", "198.51.100.66"


def address(
    *headers: tuple[str, str], peer: str = PROXY, trusted: tuple[str, ...] = PROXIES
) -> str:
    scope: dict[str, Any] = {
        "client": (peer, 50_000),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    return ClientAddresses(trusted).of(scope)


def listed(*values: str) -> list[tuple[str, str]]:
    return [("x-forwarded-for", value) for value in values]


def standard(*values: str) -> list[tuple[str, str]]:
    return [("forwarded", value) for value in values]


def test_without_trusted_proxies_nobody_is_believed() -> None:
    """By default the peer is the client, whatever headers say."""
    assert address(*listed(FORGED), *standard(f"for={FORGED}"), trusted=()) == PROXY


def test_a_peer_that_is_no_proxy_is_the_client() -> None:
    """Who reaches the gateway past the proxies cannot choose an address."""
    assert address(*listed(FORGED), peer=CLIENT) == CLIENT
    assert address(*standard(f"for={FORGED}"), peer=CLIENT) == CLIENT


@pytest.mark.parametrize(
    "headers",
    [
        listed(CLIENT),
        listed(f"{FORGED}, {CLIENT}"),
        listed(f"10.0.0.9, {CLIENT}"),
        listed(f"{FORGED}, {CLIENT}, 10.0.0.2, 10.0.0.3"),
        listed(FORGED, f"{CLIENT},10.0.0.2"),
        listed(f"not an address, {CLIENT}"),
        listed(f"{CLIENT}:443"),
        listed(f"::ffff:{CLIENT}"),
        standard(f"for={CLIENT}"),
        standard(f'For="{CLIENT}:443";proto=https;by=10.0.0.1'),
        standard(f"for={FORGED}, for={CLIENT}"),
        standard(f"for={FORGED}", f"for={CLIENT};host=a, for=10.0.0.2"),
        [*listed(CLIENT), *standard(f"for={CLIENT}")],
    ],
)
def test_the_nearest_address_that_is_no_proxy_is_the_client(headers: list[tuple[str, str]]) -> None:
    """What stands left of it was written by the client itself, and is never read."""
    assert address(*headers) == CLIENT


@pytest.mark.parametrize(
    "headers",
    [
        listed("2001:db8::7"),
        listed("[2001:db8::7]"),
        listed("[2001:db8::7]:443, 2001:db8:ff::1"),
        listed("2001:0DB8:0::7%eth0"),
        standard('for="[2001:db8::7]:443"'),
        standard('for="[2001:db8::7]", for="[2001:db8:ff::1]"'),
    ],
)
def test_ipv6_is_read_in_every_spelling(headers: list[tuple[str, str]]) -> None:
    """With a port or without, in brackets or not."""
    assert address(*headers, peer="2001:db8:ff::9") == "2001:db8::7"


@pytest.mark.parametrize(
    "headers",
    [
        listed(f"{CLIENT}, unknown"),
        listed(f"{CLIENT}, "),
        listed(f"{CLIENT}, 999.0.0.1"),
        listed(f"{CLIENT}:http"),
        listed("[2001:db8::7"),
        standard(f"for={CLIENT}, for=_hidden"),
        standard(f"for={CLIENT}, proto=https"),
        standard("for=unknown"),
        standard(f'for="{FORGED}, for={CLIENT}'),
        standard(f'for={FORGED};x=", for={CLIENT}'),
        standard(f'for={FORGED};x=", for="[2001:db8::7]"'),
        listed(", ".join([CLIENT] + ["10.0.0.2"] * HOPS_MAX)),
        # A proxy that writes one of the two lets the other pass as the client sent it.
        [*listed(CLIENT), *standard(f"for={FORGED}")],
        [*listed(FORGED), *standard(f"for={CLIENT}")],
    ],
)
def test_what_cannot_be_believed_is_no_address(headers: list[tuple[str, str]]) -> None:
    """An entry that hides, breaks or contradicts leaves the address unknown, never a guess."""
    assert address(*headers) == ""


def test_a_way_through_proxies_alone_begins_at_its_first() -> None:
    """A request that a proxy itself makes is that proxy's."""
    assert address(*listed("10.0.0.9, 10.0.0.2")) == "10.0.0.9"
    assert address() == PROXY


def test_a_long_forged_header_costs_little() -> None:
    """Only so many entries from the right are looked at."""
    assert address(*listed(",".join(["10.0.0.2"] * 10_000))) == ""
    assert address(*standard(",".join(["for=10.0.0.2"] * 5_000 + ['"']))) == ""


async def test_core_is_told_where_a_request_comes_from(
    settings: FacadeSettings, core_server: CoreServer
) -> None:
    """Reserves and questions carry origin and address, through the proxies that are trusted."""
    behind = replace(settings, trusted_proxies=("127.0.0.0/8",))
    headers = {**JSON_HEADERS, "origin": "https://app.example.com", "x-forwarded-for": CLIENT}
    async with (
        serving(behind) as (_, _, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        await client.post("/v1/chat/completions", content=chat_body(), headers=headers)
        await client.get("/openai/v1/models", headers=headers)
        await client.get("/openai/v1/models", headers={"authorization": f"Bearer {KEY}"})
    core = core_server.core
    (reserve,) = [op.reserve for op in core.operations if op.HasField("reserve")]
    page, server = core.questions
    for told in (reserve, page):
        assert (told.origin, told.client_address) == ("https://app.example.com", CLIENT)
    assert (server.origin, server.client_address) == ("", "127.0.0.1")


@pytest.mark.parametrize("origin", ["https://" + "a" * 300, "https://b\xfccher.example"])
async def test_an_origin_that_no_browser_writes_is_opaque(
    settings: FacadeSettings, core_server: CoreServer, origin: str
) -> None:
    """It is told as the origin that no list can have, and is no reason to fail."""
    headers = [*JSON_HEADERS.items(), ("origin", origin)]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    async with (
        serving(settings) as (_, _, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        answer = await client.get("/openai/v1/models", headers=raw)
    (asked,) = core_server.core.questions
    assert (answer.status_code, asked.origin) == (200, "null")

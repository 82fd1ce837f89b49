"""From where a key may be used, through a whole gateway behind a proxy, for every provider."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from mintgate_facade.dialects.base import Policy
from mintgate_facade.providers.base import Provider, Surface
from mintgate_facade.providers.registry import PROVIDERS

from tests.buyer import Buyer
from tests.e2e import refusals
from tests.e2e.rest import Rest
from tests.harness import Installation, installation
from tests.wire import Answer, send

APP, OTHER_PAGE = "https://app.example.com", "https://example.net"
OFFICE, OUTSIDE = "203.0.113.7", "198.51.100.7"
PROXY = "10.0.0.2"
"""A second proxy, between the client and the one that the gateway sees."""

PATHS = refusals.PATHS | {
    "dashscope": "/qwen/api/v1/services/aigc/text-generation/generation",
    "elevenlabs": "/elevenlabs/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM",
    "deepgram": "/deepgram/v1/speak?model=aura-2-thalia-en",
}
BODIES = refusals.BODIES | {
    "dashscope": {
        "model": "qwen-plus",
        "input": {"messages": refusals.HELLO},
        "parameters": {"max_tokens": 10},
    },
    "elevenlabs": {"text": "hello", "model_id": "eleven_flash_v2_5"},
    "deepgram": {"text": "hello"},
}
"""A metered request of each dialect."""

UNHELD = [
    (provider, surface, route)
    for provider in PROVIDERS
    for surface in provider.surfaces
    for route in surface.routes
    if route.policy in {Policy.FREE, Policy.LOCAL} and "{" not in route.path
]


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A gateway whose proxy is on this machine."""
    trusted = "127.0.0.0/8,10.0.0.0/8"
    directory = tmp_path_factory.mktemp("behind")
    with installation(directory, MINTGATE_TRUSTED_PROXIES=trusted) as gateway:
        yield gateway
        gateway.audit()


def place(origin: str = "", address: str = OFFICE) -> dict[str, str]:
    """Headers of a request from there; what is left of it is what a forger would add."""
    headers = {"x-forwarded-for": f"{OFFICE}, {address}, {PROXY}"}
    return headers | ({"origin": origin} if origin else {})


def ask(buyer: Buyer, dialect: str, **where: str) -> Answer:
    headers = buyer.bearer | place(**where)
    if dialect == "anthropic":
        headers["anthropic-version"] = "2023-06-01"
    path, body = PATHS[dialect], BODIES[dialect]
    return send(buyer.gateway.url, "POST", path, headers=headers, body=body)


def message_of(dialect: str, refused: Answer) -> str:
    """Where a dialect's own SDK finds the message of an error."""
    if dialect in refusals.DIALECTS:
        return refusals.native_message(dialect, refused)
    document = refused.json()
    message: str = document.get("detail", document)["message"]
    return message


def test_every_dialect_has_a_metered_request() -> None:
    """A new dialect gets a request of its own in the table, and so runs through this file."""
    assert {s.dialect.name for p in PROVIDERS for s in p.surfaces} <= set(PATHS)


@pytest.mark.parametrize("dialect", PATHS)
def test_a_key_for_a_page_in_an_office(behind: Installation, dialect: str) -> None:
    """It works there alone; elsewhere it is a native 403 that says what to change, unheld."""
    buyer = Buyer.mint(behind, allowed_origins=[APP], allowed_cidrs=["203.0.113.0/24"])

    fine = ask(buyer, dialect, origin=APP)
    other = ask(buyer, dialect, origin=OTHER_PAGE)
    server = ask(buyer, dialect)
    outside = ask(buyer, dialect, origin=APP, address=OUTSIDE)

    assert fine.status == 200, fine.body
    assert fine.headers["access-control-allow-origin"] == APP
    assert "mintgate-request-id" in fine.headers["access-control-expose-headers"]
    told = [message_of(dialect, refused) for refused in (other, server, outside)]
    assert [refused.status for refused in (other, server, outside)] == [403] * 3
    assert f"{OTHER_PAGE}; add it to the key's allowed_origins" in told[0]
    assert "no Origin header" in told[1]
    assert f"{OUTSIDE}; add it to the key's allowed_cidrs" in told[2]
    assert other.headers["access-control-allow-origin"] == OTHER_PAGE
    assert (len(buyer.events()), buyer.key().held_nano_usd) == (1, 0)


@pytest.mark.parametrize("dialect", PATHS)
def test_a_change_counts_from_the_next_request(behind: Installation, dialect: str) -> None:
    """Lists are taken away, put on and replaced over REST, and the next request knows."""
    buyer = Buyer.mint(behind)
    rest = Rest(behind)
    seen = [ask(buyer, dialect, origin=OTHER_PAGE).status]
    changes: tuple[dict[str, Any], ...] = (
        {"allowed_origins": [APP]},
        {
            "allowed_origins": ["https://*.a.net", OTHER_PAGE],
            "allowed_cidrs": [f"{OUTSIDE}/32"],
        },
        {"allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"]},
        {"allowed_origins": None, "allowed_cidrs": ["::/0"]},
        {"allowed_cidrs": []},
    )
    for change in changes:
        rest.ok("PATCH", f"/v1/keys/{buyer.key_id}", change)
        seen.append(ask(buyer, dialect, origin=OTHER_PAGE).status)
    assert seen == [200, 403, 403, 200, 403, 200]


@pytest.mark.parametrize(
    ("provider", "surface", "path", "method"),
    [(p, s, s.mount + r.path, r.method) for p, s, r in UNHELD],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "slug", ""),
)
def test_routes_without_a_hold_ask_for_the_place_too(
    behind: Installation, provider: Provider, surface: Surface, path: str, method: str
) -> None:
    """Lists of models and free routes are for the page and the office as well."""
    buyer = Buyer.mint(behind, allowed_origins=[APP], allowed_cidrs=["203.0.113.0/24"])

    def status(**where: str) -> int:
        headers = buyer.bearer | place(**where)
        body = {"model": "some-model", "input": "hello"} if method == "POST" else None
        return send(
            behind.url, method, f"/{provider.slug}{path}", headers=headers, body=body
        ).status

    assert status(origin=APP) != 403
    assert status(origin=OTHER_PAGE) == status() == status(origin=APP, address=OUTSIDE) == 403


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.slug)
def test_a_providers_list_of_models_is_the_keys_own(
    behind: Installation, provider: Provider
) -> None:
    """A key for another provider gets no list; one with patterns gets what they match."""
    paths = [
        f"/{provider.slug}{surface.mount}{route.path}"
        for surface in provider.surfaces
        for route in surface.routes
        if route.operation == "models" and "{" not in route.path
    ]
    assert paths
    catalogue = send(behind.url, "GET", "/v1/catalog").json()["models"]
    names = sorted(m["slug"] for m in catalogue if m["provider"] == provider.slug)
    one, other = names[0], names[-1]
    narrow = Buyer.mint(behind, allowed_models=[one.replace("[", "?")])
    stranger = Buyer.mint(behind, allowed_providers=["nobody"])

    for path in paths:
        whole = send(behind.url, "GET", path, headers=Buyer.mint(behind).bearer)
        listed = send(behind.url, "GET", path, headers=narrow.bearer)
        refused = send(behind.url, "GET", path, headers=stranger.bearer)
        assert (whole.status, listed.status, refused.status) == (200, 200, 403)
        found = set(re.findall(r'"(?:models/)?([^"]*)"', listed.body.decode()))
        assert (one in found, other in found) == (True, False)
        assert len(whole.body) > len(listed.body)


def test_the_catalogue_with_a_key_is_the_keys_own(behind: Installation) -> None:
    """Providers and models that a key may not use are not in its catalogue."""
    narrow = Buyer.mint(behind, allowed_providers=["openai"], allowed_models=["gpt-4o*"])
    own = send(behind.url, "GET", "/v1/catalog", headers=narrow.bearer).json()
    public = send(behind.url, "GET", "/v1/catalog").json()
    wanted = {
        m["slug"]
        for m in public["models"]
        if m["provider"] == "openai" and m["slug"].startswith("gpt-4o")
    }
    assert own["providers"] == ["openai"]
    assert {m["slug"] for m in own["models"]} == wanted != set()
    assert send(behind.url, "GET", "/v1/catalog", headers={"x-api-key": "x"}).status == 401


def test_a_master_key_for_one_network(behind: Installation) -> None:
    """The control plane asks for the place of the caller, not of the facade that calls core."""
    made = Rest(behind).mint("backend", scope="master", allowed_cidrs=["203.0.113.0/24"])
    backend = Rest(behind, made["secret"])
    inside = backend.call("GET", "/v1/keys", x_forwarded_for=OFFICE)
    outside = backend.call("GET", "/v1/keys", x_forwarded_for=f"{OFFICE}, {OUTSIDE}")
    page = backend.call("GET", "/v1/keys", x_forwarded_for=OFFICE, origin=APP)
    assert inside.status == 200
    assert (outside.status, outside.json()["error"]["code"]) == (403, "address_not_allowed")
    assert (page.status, page.headers["access-control-allow-origin"]) == (200, APP)


def test_an_address_cannot_be_made_up(gateway: Installation) -> None:
    """Where no proxy is trusted, headers are as good as none."""
    buyer = Buyer.mint(gateway, allowed_cidrs=["203.0.113.0/24"])
    local = Buyer.mint(gateway, allowed_cidrs=["127.0.0.0/8", "::1/128"])
    forged = {"x-forwarded-for": OFFICE, "forwarded": f"for={OFFICE}", "x-real-ip": OFFICE}
    path, body = PATHS["openai"], BODIES["openai"]
    refused = send(gateway.url, "POST", path, headers=buyer.bearer | forged, body=body)
    fine = send(gateway.url, "POST", path, headers=local.bearer | forged, body=body)
    assert (refused.status, fine.status) == (403, 200)
    assert "127.0.0.1" in message_of("openai", refused)

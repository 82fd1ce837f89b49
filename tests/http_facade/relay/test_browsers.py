"""Pages of other origins: preflights, and answers that they may read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from mintgate.v1 import error_pb2, meter_pb2
from mintgate_facade.dialects.base import Failure, FailureKind, Policy
from mintgate_facade.providers.base import Provider, Surface
from mintgate_facade.providers.registry import PROVIDERS

from tests.http_facade.relay.conftest import (
    JSON_HEADERS,
    KEY,
    Answer,
    CoreServer,
    Gateway,
    Received,
    chat_body,
    chat_stream,
    serving,
)

if TYPE_CHECKING:
    from mintgate_facade.settings import FacadeSettings

ORIGIN = "https://app.example.com"
STAINLESS = (
    "x-stainless-arch,x-stainless-helper-method,x-stainless-lang,x-stainless-os,"
    "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,"
    "x-stainless-runtime-version,x-stainless-timeout"
)
BROWSER = "anthropic-dangerous-direct-browser-access"
SDKS = {
    # openai 6, a page: `new OpenAI({baseURL, apiKey, dangerouslyAllowBrowser: true})`.
    "openai": ("openai", f"authorization,content-type,openai-organization,{STAINLESS}"),
    "anthropic": (
        "anthropic",
        f"{BROWSER},anthropic-beta,anthropic-version,content-type,x-api-key,{STAINLESS}",
    ),
    # anthropic 1: the key as a bearer.
    "anthropic bearer": (
        "anthropic",
        f"{BROWSER},anthropic-version,authorization,content-type,idempotency-key,{STAINLESS}",
    ),
    "gemini": ("gemini", "content-type,user-agent,x-goog-api-client,x-goog-api-key"),
    "ai sdk": ("openai", "authorization,content-type,user-agent"),
    "traced": ("openai", "authorization,baggage,content-type,traceparent,tracestate"),
}
"""What the SDKs ask for in a browser, which sorts and lower-cases the names."""

NOT_HERE = Failure(
    FailureKind.FORBIDDEN, "add it to the key's allowed_origins", code="origin_not_allowed"
)

SURFACES = [(provider, surface) for provider in PROVIDERS for surface in provider.surfaces]


def named(value: Provider | Surface) -> str:
    return value.slug if isinstance(value, Provider) else value.name


def concrete(path: str) -> str:
    """A path that a row matches."""
    return re.sub(r"\{[^}]+\}", "some-model", path).replace("/*", "/some-id")


async def preflight(
    client: httpx.AsyncClient, path: str, method: str, names: str = "", **headers: str
) -> httpx.Response:
    asked = {"origin": ORIGIN, "access-control-request-method": method, **headers}
    if names:
        asked["access-control-request-headers"] = names
    return await client.request("OPTIONS", path, headers=asked)


def listed(answer: httpx.Response, name: str) -> set[str]:
    return {entry.strip() for entry in answer.headers.get(name, "").split(",")}


@pytest.mark.parametrize(("vendor", "surface"), SURFACES, ids=named)
async def test_every_route_answers_its_preflight(
    gateway: Gateway, vendor: Provider, surface: Surface
) -> None:
    """Each row of each table lets a page ask with its method and the credential's header."""
    names = f"content-type,{surface.auth_header},x-{vendor.slug}-client"
    for route in surface.routes:
        method = "POST" if route.method == "*" else route.method
        path = f"/{vendor.slug}{surface.mount}{concrete(route.path)}"
        answer = await preflight(gateway.client, path, method, names)
        assert (answer.status_code, answer.content) == (204, b""), path
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert method in listed(answer, "access-control-allow-methods"), path
        assert listed(answer, "access-control-allow-headers") == set(names.split(","))
        assert "access-control-allow-credentials" not in answer.headers
    assert gateway.core.questions == []
    assert gateway.core.operations == []
    assert gateway.provider.requests == []


@pytest.mark.parametrize(("slug", "names"), SDKS.values(), ids=SDKS)
async def test_sdks_may_send_their_headers(gateway: Gateway, slug: str, names: str) -> None:
    """A preflight as an SDK causes it is granted whole, with the prefix and without."""
    (provider,) = [one for one in PROVIDERS if one.slug == slug]
    route = next(r for r in provider.routes if r.policy is Policy.METERED)
    for prefix in (f"/{slug}", ""):
        path = prefix + concrete(route.path)
        answer = await preflight(gateway.client, path, "POST", names)
        assert answer.status_code == 204
        assert listed(answer, "access-control-allow-headers") == set(names.split(","))
        assert "POST" in listed(answer, "access-control-allow-methods")


@pytest.mark.parametrize(
    ("path", "method", "methods"),
    [
        ("/v1/keys", "POST", {"GET", "POST"}),
        ("/v1/keys/key_1", "PATCH", {"DELETE", "GET", "PATCH"}),
        ("/v1/keys/key_1/rotate", "POST", {"POST"}),
        ("/v1/keys/me/usage", "GET", {"GET"}),
        ("/v1/billing/balance", "GET", {"GET"}),
        ("/v1/catalog", "GET", {"GET"}),
        ("/v1/nothing", "PUT", {"PUT"}),
    ],
)
async def test_control_routes_answer_their_preflight(
    gateway: Gateway, path: str, method: str, methods: set[str]
) -> None:
    """A control route tells its methods; a path that is none lets the page see the 404."""
    names = "authorization,content-type,idempotency-key"
    answer = await preflight(gateway.client, path, method, names)
    assert answer.status_code == 204
    assert listed(answer, "access-control-allow-methods") == methods
    assert listed(answer, "access-control-allow-headers") == set(names.split(","))


async def test_a_preflight_is_kept_and_varies(gateway: Gateway) -> None:
    """A browser may keep it for two hours, and a cache must not give it to another page."""
    answer = await preflight(gateway.client, "/v1/chat/completions", "POST", "authorization")
    assert answer.headers["access-control-max-age"] == "7200"
    assert "Origin" in listed(answer, "vary")
    assert "access-control-allow-private-network" not in answer.headers


async def test_a_gateway_in_a_private_network_may_be_called(gateway: Gateway) -> None:
    """A browser that asks whether a page may reach into the network is told yes."""
    answer = await preflight(
        gateway.client,
        "/v1/chat/completions",
        "POST",
        **{"access-control-request-private-network": "true"},
    )
    assert answer.headers["access-control-allow-private-network"] == "true"


async def test_headers_that_no_sdk_sends_are_not_granted(gateway: Gateway) -> None:
    """Only names on the list come back, and only so many are looked at."""
    many = ",".join(f"x-stainless-{n}" for n in range(100))
    some = await preflight(
        gateway.client, "/v1/responses", "POST", "authorization, X-Forwarded-For,cookie,x-evil"
    )
    bounded = await preflight(gateway.client, "/v1/responses", "POST", many)
    none = await preflight(gateway.client, "/v1/responses", "POST", "x-evil")
    assert listed(some, "access-control-allow-headers") == {"authorization"}
    assert len(listed(bounded, "access-control-allow-headers")) == 64
    assert "access-control-allow-headers" not in none.headers


async def test_an_options_request_that_is_no_preflight_is_a_request(gateway: Gateway) -> None:
    """Without an origin or a method asked for, OPTIONS is a method that no route has."""
    path = "/openai/v1/chat/completions"
    bare = await gateway.client.request("OPTIONS", path)
    origin = await gateway.client.request("OPTIONS", path, headers={"origin": ORIGIN})
    assert (bare.status_code, origin.status_code) == (405, 405)
    assert "access-control-allow-origin" not in bare.headers
    assert origin.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(("vendor", "surface"), SURFACES, ids=named)
async def test_native_errors_can_be_read_by_pages(
    gateway: Gateway, vendor: Provider, surface: Surface
) -> None:
    """Each route's refusal is the provider's own shape, and readable, with its request id."""
    for route in surface.routes:
        method = "POST" if route.method == "*" else route.method
        path = f"/{vendor.slug}{surface.mount}{concrete(route.path)}"
        answer = await gateway.client.request(method, path, headers={"origin": ORIGIN})
        assert answer.status_code in {401, 403}, path
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "mintgate-request-id" in listed(answer, "access-control-expose-headers")
        assert "Origin" in listed(answer, "vary")


@pytest.mark.parametrize(("vendor", "surface"), SURFACES, ids=named)
async def test_a_key_that_is_not_for_this_page_is_a_native_403(
    gateway: Gateway, vendor: Provider, surface: Surface
) -> None:
    """Core's refusal of a place arrives in the dialect's shape and says what to change."""
    gateway.core.authentication_refusal = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED, message=NOT_HERE.message, field="origin"
    )
    for route in surface.routes:
        if route.policy not in {Policy.LOCAL, Policy.FREE}:
            continue
        path = f"/{vendor.slug}{surface.mount}{concrete(route.path)}"
        headers = {"origin": ORIGIN, "authorization": f"Bearer {KEY}"}
        answer = await gateway.client.request(route.method, path, headers=headers)
        refusal = replace(NOT_HERE, request_id=answer.headers["mintgate-request-id"])
        native, _ = surface.dialect.error(refusal)
        assert (answer.status_code, answer.content) == (403, native), path
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert gateway.provider.requests == []


async def test_a_metered_answer_can_be_read_with_all_its_headers(gateway: Gateway) -> None:
    """A page sees the cost, the request ids and whatever else the provider says."""

    async def script(received: Received, answer: Answer) -> None:
        extra = (
            "x-request-id: req_up\r\nx-usage-tokens: 12\r\nvary: Accept\r\n"
            "access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\n"
            "access-control-expose-headers: x-secret\r\n"
        )
        await answer.whole(b'{"id": "c", "usage": {"prompt_tokens": 1}}', extra=extra)

    gateway.provider.scripts.append(script)
    headers = {**JSON_HEADERS, "origin": ORIGIN}
    answer = await gateway.client.post("/v1/chat/completions", content=chat_body(), headers=headers)
    exposed = listed(answer, "access-control-expose-headers")
    assert answer.status_code == 200
    assert {"mintgate-cost-micros", "mintgate-request-id", "x-request-id"} < exposed
    assert "x-usage-tokens" in exposed
    assert "x-secret" not in exposed
    assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert "access-control-allow-credentials" not in answer.headers
    assert listed(answer, "vary") == {"Accept", "Origin"}


async def test_a_stream_can_be_read_by_a_page(gateway: Gateway) -> None:
    """The headers stand at the beginning of a stream, whose bytes are what they were."""
    gateway.provider.scripts.extend([chat_stream, chat_stream])
    plain = await gateway.chat(stream=True)
    page = await gateway.client.post(
        "/v1/chat/completions",
        content=chat_body(stream=True),
        headers={**JSON_HEADERS, "origin": ORIGIN},
    )
    assert page.content == plain.content
    assert page.headers["access-control-allow-origin"] == ORIGIN
    assert "mintgate-request-id" in listed(page, "access-control-expose-headers")
    assert not [name for name in plain.headers if name.startswith("access-control-")]


async def test_a_reserve_that_is_refused_for_its_place_is_not_forwarded(gateway: Gateway) -> None:
    """A metered request from elsewhere is a 403 that a page can read; nothing is held."""
    gateway.core.refusal = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED, message="not here", field="origin"
    )
    headers = {**JSON_HEADERS, "origin": ORIGIN}
    answer = await gateway.client.post("/v1/chat/completions", content=chat_body(), headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (403, "origin_not_allowed", None)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert gateway.provider.requests == []


async def test_the_provider_does_not_learn_of_the_browser(gateway: Gateway) -> None:
    """What would make a provider treat the gateway as a page stays here."""
    browser = {
        "origin": ORIGIN,
        "referer": f"{ORIGIN}/chat",
        "sec-fetch-mode": "cors",
        "sec-fetch-site": "cross-site",
        "sec-ch-ua": '"Chromium";v="156"',
        "cookie": "session=1",
        "anthropic-dangerous-direct-browser-access": "true",
        "x-forwarded-for": "203.0.113.7",
        "forwarded": "for=203.0.113.7",
    }
    await gateway.client.post(
        "/v1/chat/completions", content=chat_body(), headers={**JSON_HEADERS, **browser}
    )
    (received,) = gateway.provider.requests
    assert {name for name, _ in received.headers}.isdisjoint(browser)


async def test_control_answers_can_be_read_by_pages(gateway: Gateway) -> None:
    """Answers and errors of the control plane are readable, too."""
    gateway.core.prices = [meter_pb2.ModelPrice(provider="openai", model="gpt-5")]
    catalog = await gateway.client.get("/v1/catalog", headers={"origin": ORIGIN})
    missing = await gateway.client.get("/v1/nothing", headers={"origin": ORIGIN})
    keyless = await gateway.client.get("/v1/keys", headers={"origin": ORIGIN})
    assert [a.status_code for a in (catalog, missing, keyless)] == [200, 404, 401]
    for answer in (catalog, missing, keyless):
        assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(
    ("rule", "origin", "served"),
    [
        ("*", "https://example.net", True),
        ("*", "null", True),
        ("none", ORIGIN, False),
        ("none", "null", False),
        (f"{ORIGIN},https://*.example.org", ORIGIN, True),
        (f"{ORIGIN},https://*.example.org", "https://a.b.example.org", True),
        (f"{ORIGIN},https://*.example.org", "https://example.org", False),
        (f"{ORIGIN},https://*.example.org", "https://app.example.com.evil.example", False),
        (f"{ORIGIN},https://*.example.org", "https://appXexample.com", False),
        (f"{ORIGIN},https://*.example.org", "null", False),
    ],
)
async def test_the_operator_decides_whose_pages_are_served(
    settings: FacadeSettings, core_server: CoreServer, rule: str, origin: str, *, served: bool
) -> None:
    """A page that is not served gets no CORS header, and its requests reach no key and no model."""
    async with (
        serving(replace(settings, cors_origins=rule)) as (_, _, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        asked = await preflight(client, "/v1/chat/completions", "POST", origin=origin)
        headers = {**JSON_HEADERS, "origin": origin}
        chat = await client.post("/v1/chat/completions", content=chat_body(), headers=headers)
        keys = await client.get("/v1/keys", headers=headers)
        server = await client.get("/openai/v1/models", headers=JSON_HEADERS)
    assert server.status_code == 200
    told = ["access-control-allow-origin" in answer.headers for answer in (asked, chat, keys)]
    assert told == [served] * 3
    assert (asked.status_code, chat.status_code) == ((204, 200) if served else (403, 403))
    assert bool(core_server.core.operations) == served
    if not served:
        assert chat.json()["error"]["code"] == "origin_not_allowed"
        assert (keys.status_code, keys.json()["error"]["code"]) == (403, "origin_not_allowed")
        assert "MINTGATE_CORS_ORIGINS" in keys.text


async def test_the_gateways_own_pages_are_served(
    settings: FacadeSettings, core_server: CoreServer
) -> None:
    """A page of the gateway itself is of no other origin, whatever the list says."""
    async with (
        serving(replace(settings, cors_origins="none")) as (_, _, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        headers = {**JSON_HEADERS, "origin": f"http://127.0.0.1:{port}"}
        answer = await client.post("/v1/chat/completions", content=chat_body(), headers=headers)
    assert answer.status_code == 200
    assert core_server.core.kinds()[0] == "reserve"

"""Keys in every place an SDK puts one; none of them ever reaches a provider."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream
from tests.wire import send

ROUTES: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "openai": (
        "/openai/v1/chat/completions",
        {},
        {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 5,
        },
    ),
    "anthropic": (
        "/anthropic/v1/messages",
        {"anthropic-version": "2023-06-01"},
        {
            "model": "claude-haiku-4-5",
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 5,
        },
    ),
    "gemini": (
        "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
        {},
        {
            "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
            "generationConfig": {"maxOutputTokens": 5},
        },
    ),
}
OPERATORS_PLACE = {
    "openai": "authorization",
    "anthropic": "x-api-key",
    "gemini": "x-goog-api-key",
}


def basic(user: str, password: str) -> str:
    """HTTP's basic credentials."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


FORMS: dict[str, Callable[[str], tuple[dict[str, str], str]]] = {
    "bearer": lambda key: ({"authorization": f"Bearer {key}"}, ""),
    "lower-case bearer": lambda key: ({"authorization": f"bearer {key}"}, ""),
    "token": lambda key: ({"authorization": f"Token {key}"}, ""),
    "key": lambda key: ({"authorization": f"Key {key}"}, ""),
    "bare": lambda key: ({"authorization": key}, ""),
    "basic user": lambda key: ({"authorization": basic(key, "")}, ""),
    "basic password": lambda key: ({"authorization": basic("api", key)}, ""),
    "x-api-key": lambda key: ({"x-api-key": key}, ""),
    "x-goog-api-key": lambda key: ({"x-goog-api-key": key}, ""),
    "xi-api-key": lambda key: ({"xi-api-key": key}, ""),
    "api-key": lambda key: ({"api-key": key}, ""),
    "query key": lambda key: ({}, f"?key={key}"),
    "query api_key": lambda key: ({}, f"?api_key={key}"),
    "query access_token": lambda key: ({}, f"?access_token={key}"),
    "query token": lambda key: ({}, f"?token={key}"),
    "query, escaped": lambda key: ({}, "?%6bey=" + key.replace("q", "%71", 1)),
    "twice the same": lambda key: ({"authorization": f"Bearer {key}", "x-api-key": key}, ""),
    "everywhere": lambda key: (
        {"authorization": f"Bearer {key}", "x-api-key": key, "x-goog-api-key": key},
        f"?key={key}",
    ),
}


@pytest.fixture(scope="module")
def one_buyer(gateway: Installation) -> Buyer:
    """One key for all forms of sending it."""
    return Buyer.mint(gateway)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("provider", ROUTES)
def test_forms(one_buyer: Buyer, upstream: Upstream, provider: str, form: str) -> None:
    """Every form is read, removed, and replaced by the operator's own in the provider's place."""
    path, headers, body = ROUTES[provider]
    sent, query = FORMS[form](one_buyer.secret)
    answer = send(one_buyer.gateway.url, "POST", path + query, headers=headers | sent, body=body)
    assert answer.status == 200, answer.body
    record = upstream.only()
    assert "qlk_live" not in json.dumps(record)
    assert record["query"] == ""
    places = {"authorization", "x-api-key", "x-goog-api-key", "xi-api-key", "api-key"}
    assert places & record["headers"].keys() == {OPERATORS_PLACE[provider]}


@pytest.mark.parametrize("provider", ROUTES)
def test_two_different_keys(one_buyer: Buyer, upstream: Upstream, provider: str) -> None:
    """Two keys that differ are refused: it is not for the gateway to choose who pays."""
    path, headers, body = ROUTES[provider]
    other = Buyer.mint(one_buyer.gateway)
    answer = send(
        one_buyer.gateway.url,
        "POST",
        f"{path}?key={other.secret}",
        headers=headers | one_buyer.bearer,
        body=body,
    )
    assert answer.status == 401
    assert "different" in answer.json()["error"]["message"]
    assert upstream.requests() == []


def test_other_query_parameters_stay(one_buyer: Buyer, upstream: Upstream) -> None:
    """Only the key leaves the query; the rest stays byte for byte."""
    path, headers, body = ROUTES["anthropic"]
    answer = send(
        one_buyer.gateway.url,
        "POST",
        f"{path}?beta=true&api_key={one_buyer.secret}&x=%2Fa+b&x=2",
        headers=headers,
        body=body,
    )
    assert answer.status == 200
    assert upstream.only()["query"] == "beta=true&x=%2Fa+b&x=2"


def test_account_headers_of_the_client_stay_behind(one_buyer: Buyer, upstream: Upstream) -> None:
    """Headers that would choose the operator's project never arrive; all others do."""
    with openai.OpenAI(
        base_url=f"{one_buyer.gateway.url}/v1",
        api_key=one_buyer.secret,
        organization="org-client",
        project="proj-client",
        default_headers={"x-forwarded-for": "10.1.2.3", "cookie": "a=b", "x-own": "kept"},
    ) as client:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}], max_tokens=5
        )
    headers = upstream.only()["headers"]
    dropped = {"openai-organization", "openai-project", "x-forwarded-for", "cookie"}
    assert not dropped & headers.keys()
    assert headers["x-own"] == "kept"
    assert headers["user-agent"].startswith("OpenAI/Python")


def test_workspace_headers_of_the_client_stay_behind(one_buyer: Buyer, upstream: Upstream) -> None:
    """Anthropic's headers that would choose a workspace or a user never arrive."""
    with anthropic.Anthropic(
        base_url=one_buyer.gateway.url,
        auth_token=one_buyer.secret,
        default_headers={
            "anthropic-workspace-id": "wrkspc_client",
            "anthropic-user-profile-id": "user_client",
        },
    ) as client:
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=5,
            messages=[{"role": "user", "content": "hello"}],
        )
    headers = upstream.only()["headers"]
    assert not {"anthropic-workspace-id", "anthropic-user-profile-id"} & headers.keys()


def test_account_headers_of_the_provider_stay_behind(one_buyer: Buyer) -> None:
    """The provider's headers that name the operator's account and its limits are not shown."""
    path, _, body = ROUTES["openai"]
    answer = send(one_buyer.gateway.url, "POST", path, headers=one_buyer.bearer, body=body)
    assert not [name for name in answer.headers if name.startswith(("openai-org", "x-ratelimit"))]
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["openai-version"] == "2020-10-01"

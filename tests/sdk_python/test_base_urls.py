"""Base URLs as people write them: with a version, without, with a prefix, with a slash."""

from __future__ import annotations

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.buyer import Buyer
from tests.upstream import Upstream
from tests.wire import send

OPENAI_BASES = ["/v1", "/v1/", "", "/", "/openai/v1", "/openai/v1/", "/openai", "/v1/v1"]
ANTHROPIC_BASES = ["", "/", "/v1", "/anthropic", "/anthropic/", "/anthropic/v1"]
GEMINI_BASES = ["", "/", "/gemini", "/gemini/", "/google"]


@pytest.mark.parametrize("base", OPENAI_BASES)
def test_openai(buyer: Buyer, upstream: Upstream, base: str) -> None:
    """Every spelling of OpenAI's base URL leads to the same route."""
    with openai.OpenAI(base_url=buyer.gateway.url + base, api_key=buyer.secret) as client:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}], max_tokens=5
        )
        assert "gpt-4o-mini" in {model.id for model in client.models.list()}
    assert upstream.only()["path"] == "/openai/v1/chat/completions"
    assert [event.route for event in buyer.events()] == ["chat"]


@pytest.mark.parametrize("base", ANTHROPIC_BASES)
def test_anthropic(buyer: Buyer, upstream: Upstream, base: str) -> None:
    """Every spelling of Anthropic's base URL leads to the same route."""
    with anthropic.Anthropic(base_url=buyer.gateway.url + base, api_key=buyer.secret) as client:
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=5,
            messages=[{"role": "user", "content": "hello"}],
        )
        # The list is a path that OpenAI has too: the version header tells them apart.
        assert {model.type for model in client.models.list(limit=3)} == {"model"}
    assert upstream.only()["path"] == "/anthropic/v1/messages"
    assert [event.route for event in buyer.events()] == ["messages"]


@pytest.mark.parametrize("base", GEMINI_BASES)
@pytest.mark.parametrize("version", ["v1beta", "v1", "v1alpha"])
def test_gemini(buyer: Buyer, upstream: Upstream, base: str, version: str) -> None:
    """Every spelling of Gemini's base URL leads to the same route, in the client's version."""
    options = types.HttpOptions(base_url=buyer.gateway.url + base, api_version=version)
    with genai.Client(api_key=buyer.secret, http_options=options) as client:
        client.models.generate_content(
            model="gemini-2.5-flash",
            contents="hello",
            config=types.GenerateContentConfig(max_output_tokens=5),
        )
        assert client.models.get(model="gemini-2.5-flash").name == "models/gemini-2.5-flash"
    path = f"/gemini/{version}/models/gemini-2.5-flash:generateContent"
    assert upstream.only()["path"] == path
    assert [event.route for event in buyer.events()] == ["generate"]


@pytest.mark.parametrize("path", ["//v1//chat/completions", "/openai//chat/completions"])
def test_duplicate_slashes(buyer: Buyer, upstream: Upstream, path: str) -> None:
    """Slashes that were joined twice are one."""
    answer = send(
        buyer.gateway.url,
        "POST",
        path,
        headers=buyer.bearer,
        body={
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 5,
        },
    )
    assert answer.status == 200
    assert upstream.only()["path"] == "/openai/v1/chat/completions"


def test_messages_without_a_version(buyer: Buyer) -> None:
    """The AI SDK has the version in its base URL, so `/messages` alone is Anthropic's."""
    answer = send(
        buyer.gateway.url,
        "POST",
        "/messages",
        headers={"x-api-key": buyer.secret, "anthropic-version": "2023-06-01"},
        body={
            "model": "claude-haiku-4-5",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": "hello"}],
        },
    )
    assert answer.status == 200
    assert answer.json()["type"] == "message"

"""Whose request it is: prefix, then unique path, then headers, then OpenAI."""

from __future__ import annotations

import re

import pytest
from mintgate_facade.dialects.anthropic import AnthropicDialect
from mintgate_facade.dialects.base import Policy
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers.base import Provider, Surface, local, metered
from mintgate_facade.providers.registry import PROVIDERS, REGISTRY, Registry

_VERSION = {"anthropic-version": "2026-10-21"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "query", "slug"),
    [
        ("POST", "/openai/v1/chat/completions", _VERSION, {}, "openai"),
        ("POST", "/anthropic/v1/messages", {}, {}, "anthropic"),
        ("POST", "/anthropic/messages", {}, {}, "anthropic"),
        ("POST", "//gemini/v1beta/models/m:generateContent", {}, {}, "gemini"),
        ("POST", "/google/v1beta/models/m:generateContent", {}, {}, "gemini"),
        ("GET", "/openai/models", _VERSION, {}, "openai"),
        ("POST", "/v1/chat/completions", _VERSION, {}, "openai"),
        ("POST", "/v1/responses", {}, {}, "openai"),
        ("POST", "/v1/messages", {}, {}, "anthropic"),
        ("POST", "/messages", {}, {}, "anthropic"),
        ("POST", "/v1beta/models/m:generateContent", {}, {}, "gemini"),
        ("POST", "/v1/models/m:streamGenerateContent", {}, {}, "gemini"),
        ("GET", "/v1/models", {}, {}, "openai"),
        ("GET", "/v1/models", _VERSION, {}, "anthropic"),
        ("GET", "/v1/models", {"x-goog-api-key": "k"}, {}, "gemini"),
        ("GET", "/v1/models", {}, {"key": "k"}, "gemini"),
        ("GET", "/v1beta/models", _VERSION, {}, "gemini"),
        ("GET", "/v1/models/m", _VERSION, {}, "anthropic"),
        ("GET", "/models", {}, {}, "openai"),
        ("GET", "/v1/files", {}, {}, "openai"),
        ("GET", "/v1/files", _VERSION, {}, "anthropic"),
    ],
)
def test_the_order_of_the_rule(
    method: str, path: str, headers: dict[str, str], query: dict[str, str], slug: str
) -> None:
    """An explicit prefix beats a unique path, which beats a header, which beats the default."""
    found = REGISTRY.resolve(method, path, headers, query)

    assert found is not None
    assert found.provider.slug == slug


@pytest.mark.parametrize(
    "path",
    ["/", "", "/v1/keys", "/v1/usage", "/v1/billing/balance", "/v1/catalog", "/healthz", "/files"],
)
def test_the_gateways_own_paths_are_no_providers(path: str) -> None:
    """Unknown paths without a prefix, and the control paths, are left to the gateway."""
    for method in ("GET", "POST"):
        assert REGISTRY.resolve(method, path, _VERSION, {}) is None


@pytest.mark.parametrize(
    ("method", "path", "policy", "says"),
    [
        ("POST", "/openai/v1/nope", Policy.UNKNOWN, "no such path of openai"),
        ("POST", "/anthropic/", Policy.UNKNOWN, "no such path of anthropic"),
        ("PUT", "/openai/v1/chat/completions", Policy.WRONG_METHOD, "use POST"),
        ("GET", "/v1/messages", Policy.WRONG_METHOD, "use POST"),
        ("POST", "/gemini/v1beta/models", Policy.WRONG_METHOD, "use GET"),
    ],
)
def test_a_mismatch_is_answered_by_the_provider_it_means(
    method: str, path: str, policy: Policy, says: str
) -> None:
    """A 404 and a 405 can be given in the shape that the caller's SDK reads."""
    found = REGISTRY.resolve(method, path, {}, {})

    assert found is not None
    assert found.match.route.policy is policy
    assert says in found.match.route.reason


def test_two_providers_cannot_share_a_prefix() -> None:
    """The mistake shows when the gateway starts, not when a request goes astray."""
    with pytest.raises(ValueError, match="claim the prefix"):
        Registry([*PROVIDERS, PROVIDERS[0]])


def test_a_compatible_vendor_is_a_few_lines() -> None:
    """A vendor of OpenAI's shape is served under its prefix alone, without code of its own."""
    vendor = Provider(
        slug="vendor",
        base_url="https://api.vendor.example/v1",
        models=re.compile("vendor-"),
        surfaces=(
            Surface(
                dialect=OpenAIDialect(Flavor(name="vendor", limit_field="max_tokens")),
                routes=(metered("POST", "/chat/completions", "chat"), local("/models")),
            ),
        ),
    )
    registry = Registry([*PROVIDERS, vendor])

    found = registry.resolve("POST", "/vendor/v1/chat/completions", {}, {})
    assert found is not None
    assert found.provider is vendor
    assert found.match.upstream_path == "/chat/completions"
    unprefixed = registry.resolve("POST", "/v1/chat/completions", {}, {})
    assert unprefixed is not None
    assert unprefixed.provider.slug == "openai"
    assert registry.provider("vendor") is vendor
    assert registry.by_model(unprefixed, "vendor-1").provider is vendor
    assert registry.by_model(unprefixed, "gpt-5.6") is unprefixed
    assert registry.by_model(unprefixed, "nobodys-1") is unprefixed


def test_a_named_provider_is_never_left() -> None:
    """A prefix says who is meant, so that a model of another provider does not move the request."""
    named = REGISTRY.resolve("POST", "/openai/v1/chat/completions", {}, {})
    assert named is not None
    assert REGISTRY.by_model(named, "claude-opus-5") is named


def test_surfaces_stand_beside_each_other() -> None:
    """Each surface has its own mount, upstream address, dialect and native errors."""
    chat = Surface(dialect=OpenAIDialect(), routes=(metered("POST", "/chat/completions", "chat"),))
    messages = Surface(
        dialect=AnthropicDialect(),
        mount="/anthropic",
        upstream="/anthropic",
        auth_header="x-api-key",
        auth_format="{}",
        routes=(metered("POST", "/v1/messages", "messages"),),
    )
    base_url = "https://api.vendor.example/v1"
    vendor = Provider("vendor", (chat, messages), base_url, base_path="/v1")
    found = Registry([vendor]).resolve("POST", "/vendor//anthropic/messages", {}, {})
    assert found is not None
    assert found.surface is messages
    assert found.match.upstream_path == "/v1/messages"
    assert vendor.address(messages, base_url) == "https://api.vendor.example/anthropic"
    assert vendor.address(messages, "http://proxy/vendor") == "http://proxy/vendor/anthropic"
    assert vendor.address(chat, base_url) == base_url
    assert messages.credential("k") == ("x-api-key", "k")
    unknown = Registry([vendor]).resolve("GET", "/vendor/anthropic/v1/nothing", {}, {})
    assert unknown is not None
    assert unknown.dialect.name == "anthropic"


def test_placeholders_hold_one_segment() -> None:
    """An id is one segment of the path and known by its name; the row that says more wins."""
    surface = Surface(
        dialect=OpenAIDialect(),
        routes=(
            metered("POST", "/voices/{voice}", "speak"),
            metered("POST", "/voices/{voice}/stream", "stream"),
        ),
    )
    whole = surface.table.match("POST", "/v1/voices/ab%20c")
    streamed = surface.table.match("POST", "/voices/abc/stream")
    assert whole is not None
    assert (whole.route.operation, whole.ids) == ("speak", {"voice": "ab%20c"})
    assert streamed is not None
    assert (streamed.route.operation, streamed.ids) == ("stream", {"voice": "abc"})
    assert surface.table.match("POST", "/voices/a/b") is None


@pytest.mark.parametrize(
    ("slug", "model", "says"),
    [
        ("openai", "claude-opus-5", "/anthropic"),
        ("openai", "gemini-2.5-flash", "/gemini"),
        ("anthropic", "gpt-5.6", "/openai/v1"),
        ("anthropic", "o3-mini", "/openai/v1"),
        ("gemini", "claude-haiku-4-5", "/anthropic"),
    ],
)
def test_a_hint_leads_to_the_right_sdk(slug: str, model: str, says: str) -> None:
    """A model asked at the wrong provider is told where it is served."""
    assert says in REGISTRY.hint(REGISTRY.provider(slug), model)


@pytest.mark.parametrize(
    ("slug", "model"),
    [
        ("openai", "gpt-5.6"),
        ("anthropic", "claude-opus-5"),
        ("openai", "gpt-oss-120b"),
        ("openai", "llama-4"),
        ("openai", "text-embedding-v4"),
        ("openai", ""),
    ],
)
def test_no_hint_where_it_would_be_a_guess(slug: str, model: str) -> None:
    """Own models, and names that several providers host, get none."""
    assert REGISTRY.hint(REGISTRY.provider(slug), model) == ""

"""Whose request it is: prefix, then unique path, then headers, then OpenAI."""

from __future__ import annotations

import pytest
from mintgate_facade.dialects.base import Policy
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers.base import Provider, local, metered
from mintgate_facade.providers.registry import PROVIDERS, REGISTRY, Registry, model_hint, resolve

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
    found = resolve(method, path, headers, query)

    assert found is not None
    assert found.provider.slug == slug


@pytest.mark.parametrize(
    "path",
    ["/", "", "/v1/keys", "/v1/usage", "/v1/billing/balance", "/v1/catalog", "/healthz", "/files"],
)
def test_the_gateways_own_paths_are_no_providers(path: str) -> None:
    """Unknown paths without a prefix, and the control paths, are left to the gateway."""
    for method in ("GET", "POST"):
        assert resolve(method, path, _VERSION, {}) is None


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
    found = resolve(method, path, {}, {})

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
        dialect=OpenAIDialect(Flavor(name="vendor", limit_field="max_tokens")),
        base_url="https://api.vendor.example/v1",
        auth_header="authorization",
        auth_format="Bearer {}",
        routes=(metered("POST", "/chat/completions", "chat"), local("/models")),
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
    assert says in model_hint(REGISTRY.provider(slug), model)


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
    assert model_hint(REGISTRY.provider(slug), model) == ""

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
        ("POST", "/kimi/v1/chat/completions", {}, {}, "moonshot"),
        ("POST", "/moonshot/anthropic/v1/messages", _VERSION, {}, "moonshot"),
        ("POST", "/xai/v1/messages", _VERSION, {}, "xai"),
        ("POST", "/deepseek/chat/completions", {}, {}, "deepseek"),
        ("POST", "/mistral/v1/chat/completions", {}, {}, "mistral"),
        ("GET", "/v1/tcp_warming", {}, {}, "cerebras"),
        ("POST", "/beta/completions", {}, {}, "deepseek"),
        ("POST", "/v1/t2a_v2", {}, {}, "minimax"),
        ("GET", "/v1/query/video_generation", {}, {}, "minimax"),
        ("POST", "/v1/text/chatcompletion_v2", {}, {}, "minimax"),
        ("POST", "/v1/text-to-speech/a-voice/stream", {}, {}, "elevenlabs"),
        ("POST", "/v1/speech-to-text", {}, {}, "elevenlabs"),
        ("POST", "/v1/music", {}, {}, "elevenlabs"),
        ("GET", "/v1/models", {"xi-api-key": "k"}, {}, "elevenlabs"),
        ("GET", "/v1/user/subscription", {"xi-api-key": "k"}, {}, "elevenlabs"),
        ("POST", "/v1/listen", {}, {}, "deepgram"),
        ("POST", "/v1/speak", {}, {}, "deepgram"),
        ("POST", "/v2/speak", {}, {}, "deepgram"),
        ("POST", "/v1/read", {}, {}, "deepgram"),
        ("GET", "/v1/models", {"x-deepgram-session-id": "s"}, {}, "deepgram"),
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
    [
        "/",
        "",
        "/v1/keys",
        "/v1/usage",
        "/v1/billing/balance",
        "/v1/catalog",
        "/healthz",
        "/assistants",
    ],
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
        ("PUT", "/openai/v1/chat/completions", Policy.WRONG_METHOD, "use GET or POST"),
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


@pytest.mark.parametrize(
    ("path", "model", "slug", "upstream"),
    [
        ("/v1/chat/completions", "grok-4.7", "xai", "/chat/completions"),
        ("/v1/responses", "grok-4.7", "xai", "/responses"),
        ("/v1/messages", "grok-4.7", "xai", "/messages"),
        ("/v1/chat/completions", "kimi-k2.5", "moonshot", "/chat/completions"),
        ("/v1/messages", "kimi-k2.5", "moonshot", "/v1/messages"),
        ("/v1/chat/completions", "MiniMax-M3", "minimax", "/chat/completions"),
        ("/v1/messages", "MiniMax-M3", "minimax", "/v1/messages"),
        ("/v1/chat/completions", "deepseek-chat", "deepseek", "/chat/completions"),
        ("/v1/chat/completions", "deepseek-v4-flash", "deepseek", "/chat/completions"),
        ("/v1/messages", "deepseek-chat", "deepseek", "/v1/messages"),
        ("/v1/chat/completions", "mistral-large-4", "mistral", "/v1/chat/completions"),
        ("/v1/embeddings", "mistral-embed", "mistral", "/v1/embeddings"),
        # Hosted by several, or by another than its maker: it stays, and is told where to go.
        ("/v1/chat/completions", "gpt-oss-120b", "openai", "/chat/completions"),
        ("/v1/chat/completions", "deepseek-v4-1-flash-1017", "openai", "/chat/completions"),
    ],
)
def test_a_model_finds_its_provider(path: str, model: str, slug: str, upstream: str) -> None:
    """Without a prefix the name of a model that one provider alone has says who is meant."""
    unprefixed = REGISTRY.resolve("POST", path, {}, {})
    assert unprefixed is not None
    found = REGISTRY.by_model(unprefixed, model)
    assert (found.provider.slug, found.match.upstream_path) == (slug, upstream)


@pytest.mark.parametrize(
    ("slug", "base_url", "path", "url"),
    [
        ("xai", "https://api.x.ai/v1", "/messages", "https://api.x.ai/v1/messages"),
        (
            "moonshot",
            "https://api.moonshot.cn/v1",
            "/anthropic/v1/messages",
            "https://api.moonshot.cn/anthropic/v1/messages",
        ),
        (
            "minimax",
            "https://api.minimaxi.com/v1",
            "/anthropic/v1/messages",
            "https://api.minimaxi.com/anthropic/v1/messages",
        ),
        (
            "deepseek",
            "https://api.deepseek.com",
            "/beta/completions",
            "https://api.deepseek.com/beta/completions",
        ),
        (
            "deepseek",
            "https://api.deepseek.com",
            "/v1/chat/completions",
            "https://api.deepseek.com/chat/completions",
        ),
        (
            "mistral",
            "https://api.mistral.ai",
            "/chat/completions",
            "https://api.mistral.ai/v1/chat/completions",
        ),
    ],
)
def test_where_a_request_goes(slug: str, base_url: str, path: str, url: str) -> None:
    """Each surface has its own root below the address of the account."""
    provider = REGISTRY.provider(slug)
    found = provider.find("POST", path)
    assert found is not None
    assert provider.address(found.surface, base_url) + found.match.upstream_path == url


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
        ("openai", "grok-4.7", "/xai/v1"),
        ("openai", "MiniMax-M3", "/minimax/v1"),
        ("openai", "deepseek-chat", "/deepseek"),
        ("openai", "gpt-oss-120b", "/cerebras"),
        ("openai", "zai-glm-4.7", "/mistral"),
        ("openai", "llama-4", "/cerebras"),
    ],
)
def test_a_hint_leads_to_the_right_sdk(slug: str, model: str, says: str) -> None:
    """A model asked at the wrong provider is told where it is served."""
    assert says in REGISTRY.hint(REGISTRY.provider(slug), model)


def test_a_hint_counts_no_hosts_that_it_does_not_name() -> None:
    """A model that one provider hosts here is not said to have several."""
    hint = REGISTRY.hint(REGISTRY.provider("openai"), "llama-4")
    assert hint == (
        "'llama-4' needs its provider's prefix: "
        "use the Cerebras SDK with the base URL <gateway>/cerebras."
    )


@pytest.mark.parametrize(
    ("slug", "model"),
    [
        ("openai", "gpt-5.6"),
        ("anthropic", "claude-opus-5"),
        ("cerebras", "gpt-oss-120b"),
        ("mistral", "zai-glm-5-3"),
        ("openai", ""),
    ],
)
def test_no_hint_where_it_would_be_a_guess(slug: str, model: str) -> None:
    """Own models, and names that several providers host, get none."""
    assert REGISTRY.hint(REGISTRY.provider(slug), model) == ""

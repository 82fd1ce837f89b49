"""The SDKs, and in which words each says the same things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.buyer import Buyer, Charge
from tests.sdk_python.prices import nano_usd


@dataclass(frozen=True)
class Sdk:
    """One SDK, or one of the ways in which it asks for text."""

    name: str
    program: tuple[str, ...]
    base: str
    """Which path its base URL has."""
    provider: str
    model: str
    errors: dict[int, str]
    """The class of error for a status."""
    plain: str = "plain"
    stream: str = "stream"
    broken: str = ""
    """The class of error for a stream that the provider breaks off, where it has one."""

    def call(self, buyer: Buyer, **changed: Any) -> dict[str, Any]:
        """What one case is asked with."""
        return {
            "base": buyer.gateway.url + self.base,
            "secret": buyer.secret,
            "model": self.model,
            "prompt": "word " * 1_000,
            "limit": 400,
        } | changed

    def charge(self, input_tokens: int, output_tokens: int) -> Charge:
        """What these tokens cost."""
        cost = nano_usd(self.model, input=input_tokens, output=output_tokens)
        return Charge(self.provider, self.model, cost, input_tokens, output_tokens)


_STAINLESS = {
    401: "AuthenticationError",
    402: "APIError",
    429: "RateLimitError",
    500: "InternalServerError",
}


def _every(kind: str) -> dict[int, str]:
    return dict.fromkeys(_STAINLESS, kind)


def _openai(name: str, package: str, plain: str = "plain", stream: str = "stream") -> Sdk:
    return Sdk(
        name,
        ("openai.mjs", package),
        "/v1",
        "openai",
        "gpt-4o-mini",
        _STAINLESS,
        plain=plain,
        stream=stream,
        broken="APIError",
    )


def _anthropic(name: str, package: str) -> Sdk:
    return Sdk(
        name,
        ("anthropic.mjs", package),
        "",
        "anthropic",
        "claude-haiku-4-5",
        _STAINLESS,
        broken="APIError",
    )


def _gemini(name: str, package: str) -> Sdk:
    return Sdk(
        name,
        ("gemini.mjs", package),
        "/gemini",
        "gemini",
        "gemini-2.5-flash",
        _every("ApiError"),
        broken="ApiError",
    )


def _vercel(name: str, base: str, provider: str, model: str) -> Sdk:
    return Sdk(
        f"ai-{name}",
        ("vercel.mjs", name),
        base,
        provider,
        model,
        _every("APICallError"),
        broken="APICallError",
    )


# Where two releases stand, the older is the last for Node 20 (OpenAI, Gemini), or the last
# that sends the key in `x-api-key` (Anthropic).
SDKS = (
    _openai("openai-chat", "openai"),
    _openai("openai-responses", "openai", "respond", "respondStream"),
    _openai("openai-6", "openai-6"),
    _anthropic("anthropic", "@anthropic-ai/sdk"),
    _anthropic("anthropic-before-1", "@anthropic-ai/sdk-0"),
    _gemini("gemini", "@google/genai"),
    _gemini("gemini-2", "@google/genai-2"),
    Sdk(
        "mistral",
        ("mistral.mjs",),
        "/mistral",
        "mistral",
        "mistral-small-2603",
        # An event that is no chunk does not fit its schema, and that is all it says.
        _every("SDKError"),
    ),
    _vercel("openai", "/openai/v1", "openai", "gpt-4o-mini"),
    _vercel("chat", "/v1", "openai", "gpt-4o-mini"),
    _vercel("anthropic", "/anthropic/v1", "anthropic", "claude-haiku-4-5"),
    _vercel("google", "/gemini/v1beta", "gemini", "gemini-2.5-flash"),
    _vercel("compatible", "/xai/v1", "xai", "grok-3"),
)

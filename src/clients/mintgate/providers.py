"""The providers that the gateway can stand in front of, and where they live.

Base URLs are the providers' own roots, as their SDKs have them by default; the
notes say where the version prefix is, since it differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .channel import mask

DEFAULT_BASE_URLS: Final[dict[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",  # SDK paths begin with /v1.
    "gemini": "https://generativelanguage.googleapis.com",  # SDK paths begin with /v1beta.
    "xai": "https://api.x.ai/v1",
    # The host alone: /api/v1, /compatible-mode/v1 and /apps/anthropic are beside each other.
    "dashscope": "https://dashscope.aliyuncs.com",
    "moonshot": "https://api.moonshot.ai/v1",
    "minimax": "https://api.minimax.io/v1",
    "deepseek": "https://api.deepseek.com",
    "mistral": "https://api.mistral.ai",  # SDK paths begin with /v1.
    "cerebras": "https://api.cerebras.ai",  # SDK paths begin with /v1.
    "elevenlabs": "https://api.elevenlabs.io",  # SDK paths begin with /v1.
    "deepgram": "https://api.deepgram.com",  # SDK paths begin with /v1 or /v2.
}
"""Default base URL by provider slug, in the order in which they are shown."""

SIMULATED_PATHS: Final[dict[str, str]] = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "gemini": "/gemini",
    "xai": "/xai/v1",
    "dashscope": "/dashscope",
    "moonshot": "/moonshot/v1",
    "minimax": "/minimax/v1",
    "deepseek": "/deepseek",
    "mistral": "/mistral",
    "cerebras": "/cerebras",
    "elevenlabs": "/elevenlabs",
    "deepgram": "/deepgram",
}
"""Where the simulator serves the twin of each provider that it has."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's settings: where it is, and the operator's key for it."""

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)

    @property
    def configured(self) -> bool:
        """The operator gave a key for it."""
        return self.api_key is not None

    @property
    def masked_key(self) -> str:
        """The key for display."""
        return mask(self.api_key)

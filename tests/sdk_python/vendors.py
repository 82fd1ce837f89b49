"""The vendors that are used with OpenAI's or Anthropic's SDK, as their tests name them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Vendor:
    """One vendor: how it is asked, and what its twin does its own way."""

    slug: str
    prefix: str
    """What its name is in a URL."""
    model: str
    messages_path: str
    """Where the simulator's twin of it receives Anthropic's Messages."""

    @property
    def chat_path(self) -> str:
        """Where the simulator's twin of it receives chats."""
        version = "" if self.slug == "deepseek" else "/v1"
        return f"/{self.slug}{version}/chat/completions"


VENDORS = (
    Vendor("xai", "xai", "grok-3", "/xai/v1/messages"),
    Vendor("moonshot", "kimi", "kimi-k2.5", "/moonshot/anthropic/v1/messages"),
    Vendor("minimax", "minimax", "MiniMax-M2.7", "/minimax/anthropic/v1/messages"),
    Vendor("deepseek", "deepseek", "deepseek-v3.1-terminus", "/deepseek/anthropic/v1/messages"),
)

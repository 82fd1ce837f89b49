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
        below = "/compatible-mode" if self.slug == "dashscope" else ""
        return f"/{self.slug}{below}{version}/chat/completions"

    @property
    def messages_base(self) -> str:
        """Where Anthropic's SDK is pointed at; xAI has its Messages beside its other routes."""
        if self.slug == "dashscope":
            return "/qwen/apps/anthropic"
        return f"/{self.prefix}" if self.slug == "xai" else f"/{self.prefix}/anthropic"


VENDORS = (
    Vendor("xai", "xai", "grok-3", "/xai/v1/messages"),
    Vendor(
        "dashscope",
        "qwen/compatible-mode",
        "qwen3-max",
        "/dashscope/apps/anthropic/v1/messages",
    ),
    Vendor("moonshot", "kimi", "kimi-k2.5", "/moonshot/anthropic/v1/messages"),
    Vendor("minimax", "minimax", "MiniMax-M2.7", "/minimax/anthropic/v1/messages"),
    Vendor("deepseek", "deepseek", "deepseek-v3.1-terminus", "/deepseek/anthropic/v1/messages"),
)

"""The twin of Anthropic's API (``https://api.anthropic.com``)."""

from .twin import AnthropicTwin

__all__ = ["AnthropicTwin"]

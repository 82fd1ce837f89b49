"""The Anthropic dialect: the Messages API."""

from mintgate_facade.dialects.anthropic.dialect import AnthropicDialect

__all__ = ["AnthropicDialect"]

"""The wire shape of Anthropic's API."""

from mintgate_facade.dialects.anthropic.dialect import AnthropicDialect
from mintgate_facade.dialects.anthropic.flavor import COMPATIBLE, Flavor

__all__ = ["COMPATIBLE", "AnthropicDialect", "Flavor"]

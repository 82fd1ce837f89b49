"""The OpenAI dialect: chat, completions, responses, embeddings, images."""

from mintgate_facade.dialects.openai.dialect import OpenAIDialect
from mintgate_facade.dialects.openai.flavor import Flavor

__all__ = ["Flavor", "OpenAIDialect"]

"""The OpenAI dialect: chat, completions, responses, embeddings, images."""

from mintgate_facade.dialects.openai.dialect import OpenAIDialect
from mintgate_facade.dialects.openai.flavor import Flavor, Operation

__all__ = ["Flavor", "OpenAIDialect", "Operation"]

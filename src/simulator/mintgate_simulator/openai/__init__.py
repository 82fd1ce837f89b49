"""The twin of OpenAI's API (``https://api.openai.com/v1``)."""

from .twin import OpenAITwin

__all__ = ["OpenAITwin"]

"""The twin of OpenAI's API (``https://api.openai.com/v1``)."""

from .quirks import Quirks, UsagePlace
from .twin import ROUTES, OpenAITwin

__all__ = ["ROUTES", "OpenAITwin", "Quirks", "UsagePlace"]

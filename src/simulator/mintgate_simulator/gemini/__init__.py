"""The twin of Google's Gemini API in AI Studio (``https://generativelanguage.googleapis.com``)."""

from .twin import GeminiTwin

__all__ = ["GeminiTwin"]

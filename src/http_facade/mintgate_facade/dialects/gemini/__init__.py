"""The Gemini dialect: generateContent, its stream, and embeddings."""

from mintgate_facade.dialects.gemini.dialect import GeminiDialect

__all__ = ["GeminiDialect"]

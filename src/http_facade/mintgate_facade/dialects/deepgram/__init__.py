"""Deepgram's wire shape: transcripts, speech, and what a text is about."""

from mintgate_facade.dialects.deepgram.dialect import DeepgramDialect

__all__ = ["DeepgramDialect"]

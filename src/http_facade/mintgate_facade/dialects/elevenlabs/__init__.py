"""ElevenLabs' wire shape: speech, transcripts, sound and music."""

from mintgate_facade.dialects.elevenlabs.dialect import ElevenLabsDialect

__all__ = ["ElevenLabsDialect"]

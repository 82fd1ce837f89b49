"""The twin of ElevenLabs."""

from .twin import ElevenLabsTwin

__all__ = ["ElevenLabsTwin"]

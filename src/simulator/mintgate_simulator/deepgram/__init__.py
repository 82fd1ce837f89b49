"""The twin of Deepgram."""

from .twin import DeepgramTwin

__all__ = ["DeepgramTwin"]

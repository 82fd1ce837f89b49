"""The simulator's token counts: a fixed rule instead of a tokenizer.

Text counts one token per four UTF-8 bytes, rounded up, over all text leaves of the prompt. A medium
(inline data or a reference) counts a flat number of tokens, never more than the rule for text
would give. So no count ever exceeds the bytes of the body, which is the bound the gateway holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BYTES_PER_TOKEN = 4
MEDIUM_TOKENS = 258
"""Tokens of one image or sound; what Gemini counts for a tile."""

# Strings under these keys are structure, not prompt text.
_STRUCTURE = frozenset(
    {
        "cache_control", "call_id", "detail", "encrypted_content", "file_id", "format", "id",
        "media_type", "mimeType", "mime_type", "role", "signature", "status", "thoughtSignature",
        "thought_signature", "tool_call_id", "tool_use_id", "type",
    }
)  # fmt: skip
_MEDIA = frozenset({"data", "file_data", "fileUri", "file_uri", "image_url", "url"})
_MEDIA_TYPE = ("mimeType", "mime_type", "media_type", "format")


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """Input tokens by modality."""

    text: int
    image: int
    audio: int

    @property
    def total(self) -> int:
        """All input tokens."""
        return self.text + self.image + self.audio


def utf8_length(text: str) -> int:
    """Bytes of a text on the wire."""
    return len(text) if text.isascii() else len(text.encode())


def tokens_of(byte_count: int) -> int:
    """Tokens of that many bytes of text, rounded up."""
    return -(-byte_count // BYTES_PER_TOKEN)


def count_prompt(*roots: Any) -> PromptTokens:
    """Tokens of everything that is text or a medium under the given parts of a request."""
    text_bytes = image = audio = 0
    pending: list[Any] = list(roots)
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            text_bytes += utf8_length(value)
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, dict):
            for key, child in value.items():
                if not isinstance(child, str):
                    pending.append(child)
                elif key in _MEDIA:
                    count = min(MEDIUM_TOKENS, tokens_of(len(child)))
                    if _is_audio(value, child):
                        audio += count
                    else:
                        image += count
                elif key not in _STRUCTURE:
                    text_bytes += utf8_length(child)
    return PromptTokens(tokens_of(text_bytes), image, audio)


def _is_audio(part: dict[str, Any], leaf: str) -> bool:
    """Whether a medium is sound, told by the type stated beside it or inside its data URL."""
    stated = next((part[key] for key in _MEDIA_TYPE if isinstance(part.get(key), str)), leaf[:64])
    return "audio" in stated or stated in {"wav", "mp3"}

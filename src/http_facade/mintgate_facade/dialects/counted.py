"""Counts what was delivered, for answers that end before the provider says its usage.

Tokenizers of every provider here are byte-level: a token is at least one byte,
and close to four in English, three in most other scripts. Three bytes a token
errs a little towards the operator, who pays the provider for tokens that were
made but never arrived.
"""

from __future__ import annotations

from typing import Any

from mintgate_facade.dialects.base import Ask

BYTES_PER_TOKEN = 3

_NOT_TEXT = frozenset(
    {
        "b64_json",
        "call_id",
        "data",
        "encrypted_content",
        "finishReason",
        "finish_reason",
        "id",
        "index",
        "object",
        "obfuscation",
        "role",
        "signature",
        "status",
        "thoughtSignature",
        "type",
    }
)


def tokens_in(size_bytes: int) -> int:
    """Tokens that `size_bytes` of UTF-8 text are counted as."""
    return -(-size_bytes // BYTES_PER_TOKEN)


def utf8_bytes(text: str) -> int:
    """Length of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def text_bytes(value: Any) -> int:
    """UTF-8 bytes of every text within a parsed value; ids, roles and binary data do not count."""
    if isinstance(value, str):
        return utf8_bytes(value)
    size_bytes = 0
    # Not recursive: a model can be talked into arguments of any depth.
    left = [value]
    while left:
        inner = left.pop()
        if isinstance(inner, str):
            size_bytes += utf8_bytes(inner)
        elif isinstance(inner, dict):
            left.extend(inner[key] for key in inner.keys() - _NOT_TEXT)
        elif isinstance(inner, list):
            left.extend(inner)
    return size_bytes


def within_limit(ask: Ask, output_tokens: int) -> int:
    """Cap a counted output by what the request itself allows."""
    bound = ask.bound
    if not bound.HasField("output_tokens"):
        return output_tokens
    most = bound.output_tokens * max(1, bound.choices) * max(1, bound.passes)
    return min(output_tokens, most)


def delivered_input(bound_tokens: int, text_size_bytes: int, media_tokens: int = 0) -> int:
    """Our count of an input: its text by size, its media by their caps, never above the bound."""
    return min(bound_tokens, tokens_in(text_size_bytes) + media_tokens)
